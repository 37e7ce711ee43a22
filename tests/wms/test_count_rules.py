"""What is counted how often, who counts, and what he does not see while he counts blind."""

from __future__ import annotations

import json
import uuid
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from wms.flows import Person, lies, person, position, setting, stocked
from wms.support import Warehouse, World, refused, violations

RULE = {"Prefer": "return=representation"}


@pytest.fixture
def counter(world: World, api: Any) -> Person:
    return person(world, api, "wms.count.record", "wms.stock.move", "wms.document.create", "wms.document.post")


def rule(world: World, one: Warehouse, **columns: Any) -> dict[str, Any]:
    body = {"warehouse_id": one.id, "every_days": 30, **columns}
    made = world.client.post("wms_count_rules", json=body, headers=RULE)
    assert made.status_code == 201, made.text
    row: dict[str, Any] = made.json()[0]
    return row


def due(world: World, one: Warehouse, **more: Any) -> list[str]:
    return [row["item_id"] for row in world.done("wms_counts_due", warehouse_id=one.id, **more)]


def counted(world: World, who: Person, count: str) -> None:
    """Count every line of a count as it is expected, and post it."""
    for row in world.rows("wms_count_lines", count_id=f"eq.{count}"):
        world.done(
            "wms_count_record", who.client, id=count, position_id=row["position_id"], item_id=row["item_id"],
            counted=lies(world, row["item_id"])[row["position_code"]],
        )  # fmt: skip
    world.done("wms_count_finish", who.client, id=count)
    world.done("wms_count_post", id=count)


def test_what_was_counted_is_due_again_after_some_days(world: World, one: Warehouse, counter: Person) -> None:
    first, second = stocked(world, one.storage), stocked(world, one.storage)
    made = rule(world, one, max_lines=1)
    assert due(world, one) == [first], "one at a time"
    planned = world.done("wms_counts_plan_due", warehouse_id=one.id)
    assert [(c["rule_id"], c["status"], c["is_blind"]) for c in planned] == [(made["id"], "PLANNED", True)]
    assert world.done("wms_counts_plan_due", warehouse_id=one.id) == [], "its count is not over"
    world.done("wms_count_start", id=planned[0]["id"])
    assert due(world, one) == [second], "what is being counted is not due"
    counted(world, counter, planned[0]["id"])

    planned = world.done("wms_counts_plan_due", warehouse_id=one.id)
    world.done("wms_count_start", id=planned[0]["id"])
    assert [row["item_id"] for row in world.rows("wms_count_lines", count_id=f"eq.{planned[0]['id']}")] == [second]
    counted(world, counter, planned[0]["id"])
    assert due(world, one) == []
    later = str(date.today() + timedelta(days=31))
    assert due(world, one, on_date=later) == [first], "counted first, due first"
    assert world.done("wms_counts_due", warehouse_id=one.id, on_date=later)[0]["last_counted_on"] is not None
    assert world.done("wms_counts_plan_due", warehouse_id=one.id) == []
    assert violations(world.db, world.org.id) == {}


def test_classes_are_made_by_value_or_by_movement(world: World, one: Warehouse, two: Warehouse) -> None:
    def priced(price: float, quantity: float) -> str:
        item = world.item()
        line = {"item_id": item, "quantity": quantity, "unit_price": price, "to_position_id": one.storage}
        world.posted("IMPORT", line, to_location_id=one.id)
        return item

    dear, middling, cheap, free = priced(80, 100), priced(16, 100), priced(4, 100), stocked(world, one.storage, 100)
    rules = {abc: rule(world, one, abc_class=abc)["id"] for abc in "ABC"}

    def classes() -> dict[str, set[str]]:
        rows = world.done("wms_counts_due", warehouse_id=one.id)
        assert all(row["rule_id"] == rules[row["abc_class"]] for row in rows)
        return {abc: {row["item_id"] for row in rows if row["abc_class"] == abc} for abc in "ABC"}

    assert classes() == {"A": {dear}, "B": {middling}, "C": {cheap, free}}
    setting(world, "wms.abc_basis", "MOVEMENT")
    assert classes() == {"A": set(), "B": set(), "C": {dear, middling, cheap, free}}, "nothing has left yet"
    leaves = {"item_id": cheap, "quantity": 90, "from_position_id": one.storage}
    world.posted("TRANSFER", leaves, from_location_id=one.id, to_location_id=two.id)
    move = {"from_position_id": one.storage, "to_position_id": position(world, "A-1"), "item_id": dear}
    world.done("wms_stock_move", **move, quantity=99, reason="x")
    found = classes()
    assert found["A"] == {cheap} and dear in found["C"], "a move inside the warehouse is none"


def test_rules_have_a_scope(world: World, one: Warehouse) -> None:
    shelf = position(world, "Z-1", zone="COLD")
    cold, yarn = stocked(world, shelf), stocked(world, one.storage, **{"class": "YARN"})
    made = rule(world, one, zone="COLD")
    assert due(world, one) == [cold]
    change = {"zone": None, "item_class": "YARN", "version": made["version"]}
    assert world.client.patch("wms_count_rules", params={"id": f"eq.{made['id']}"}, json=change).status_code == 204
    assert due(world, one) == [yarn]
    world.done("wms_stock_adjust", position_id=one.storage, item_id=yarn, new_quantity=1000, reason="x")
    assert due(world, one) == [], "waits for a second person"
    idle = {"is_active": False, "version": made["version"] + 1}
    assert world.client.patch("wms_count_rules", params={"id": f"eq.{made['id']}"}, json=idle).status_code == 204
    assert world.done("wms_counts_plan_due", warehouse_id=one.id) == []


def test_the_job_plans_what_is_due(world: World, one: Warehouse, stack: Any) -> None:
    stocked(world, one.storage)
    made = rule(world, one, is_blind=False)
    with psycopg.connect(stack.dsn("worker"), autocommit=True) as worker:
        row = worker.execute("select wms.plan_cycle_counts()").fetchone()
        assert row is not None and row[0]["planned"] >= 1
        worker.execute("select wms.plan_cycle_counts()")
    planned = world.rows("wms_counts", rule_id=f"eq.{made['id']}")
    assert [(c["status"], c["is_blind"], c["created_by"]) for c in planned] == [("PLANNED", False, None)]


def test_rules_and_assignments_are_refused(world: World, one: Warehouse, counter: Person, api: Any) -> None:
    made = rule(world, one)
    body = {"warehouse_id": one.id, "every_days": 30}
    refused(counter.client.post("wms_count_rules", json=body | {"zone": "X"}), 403, "42501")
    where = {"id": f"eq.{made['id']}"}
    refused(counter.client.patch("wms_count_rules", params=where, json={"every_days": 2, "version": 1}), 403, "42501")
    counter.client.delete("wms_count_rules", params=where)
    assert world.rows("wms_count_rules", **where), "nothing was deleted"
    assert world.client.post("wms_count_rules", json=body).status_code == 409
    assert world.client.post("wms_count_rules", json=body | {"every_days": 0}).status_code == 400
    assert world.client.post("wms_count_rules", json=body | {"abc_class": "D"}).status_code == 400
    refused(world.client.post("wms_count_rules", json=body | {"warehouse_id": one.storage}), 422, "wms.not_a_warehouse")
    for function in ("wms_counts_due", "wms_counts_plan_due"):
        refused(world.call(function, counter.client, warehouse_id=one.id), 403, "core.permission_missing")
        refused(world.call(function, warehouse_id=one.storage), 422, "wms.not_a_warehouse")
    assert world.client.delete("wms_count_rules", params=where).status_code == 204

    count = world.done("wms_count_plan", warehouse_id=one.id)["id"]
    assign = {"id": count, "user_ids": [str(counter.id)]}
    refused(world.call("wms_count_assign", counter.client, **assign), 403, "core.permission_missing")
    refused(world.call("wms_count_assign", **assign, version=9), 412, "core.stale_version")
    refused(world.call("wms_count_assign", **{**assign, "id": str(uuid.uuid4())}), 404, "wms.count_not_found")
    refused(world.call("wms_count_assign", **{**assign, "user_ids": [str(uuid.uuid4())]}), 422, "wms.counter_unknown")
    assert world.done("wms_count_assign", **assign)["assigned"] == [str(counter.id)]
    item = stocked(world, one.storage)
    world.done("wms_count_start", id=count)
    record = {"id": count, "position_id": one.storage, "item_id": item, "counted": 1}
    refused(world.call("wms_count_record", **record), 403, "wms.count_not_assigned")
    world.done("wms_count_record", counter.client, **record)
    world.done("wms_count_cancel", id=count, reason="x")
    refused(world.call("wms_count_assign", **assign), 409, "wms.count_status")


def seen(who: Person, world: World, one: Warehouse, item: str, place: str) -> str:
    """Everything that a user is told about an item, however he asks."""
    told = []
    for path, params in (
        ("wms_stock", {"item_id": f"eq.{item}"}),
        ("wms_stock", {"quantity": "gt.0"}),
        ("items", {"id": f"eq.{item}", "select": "sku,wms_stock(quantity,available)"}),
        ("wms_ledger", {"item_id": f"eq.{item}"}),
        ("rpc/wms_stock_as_of", {"at": "2100-01-01T00:00:00Z"}),
        ("rpc/wms_item_card", {"item_id": item}),
        ("rpc/wms_valuation", {}),
        ("rpc/wms_scan", {"barcode": world.client.get("items", params={"id": f"eq.{item}"}).json()[0]["sku"]}),
    ):
        response = who.client.get(path, params=params)
        assert response.status_code == 200, response.text
        told.append(response.text)
    export = {"document_type": "EXPORT", "from_location_id": one.id}
    line = {"item_id": item, "quantity": 99999, "from_position_id": place}
    draft = world.done("wms_document_create", who.client, **export, lines=[line])
    short = refused(world.call("wms_document_post", who.client, id=draft["id"]), 422, "wms.insufficient_stock")
    told.append(json.dumps(short))
    return "\n".join(told)


def test_who_counts_blind_does_not_see_the_stock(world: World, one: Warehouse, counter: Person, api: Any) -> None:
    item, other = stocked(world, one.storage, 7321), stocked(world, one.receiving, 4711)
    planner = person(
        world, api, "wms.count.plan", "wms.count.record", "wms.stock.read_counted", "wms.document.create",
        "wms.document.post",
    )  # fmt: skip
    clerk = person(world, api, "wms.document.create", "wms.document.post")
    count = world.done("wms_count_plan", warehouse_id=one.id, position_id=one.storage)["id"]
    assert "7321" in seen(counter, world, one, item, one.storage)
    world.done("wms_count_start", id=count)
    assert "7321" not in seen(counter, world, one, item, one.storage)
    assert "4711" in seen(counter, world, one, other, one.receiving), "what is not counted is shown"
    assert "7321" in seen(planner, world, one, item, one.storage), "he may see it"
    assert "7321" in seen(clerk, world, one, item, one.storage), "he does not count"
    # Assigned to somebody else he counts no longer, and the other one does.
    world.done("wms_count_assign", id=count, user_ids=[str(clerk.id)])
    assert "7321" in seen(counter, world, one, item, one.storage)
    assert "7321" not in seen(clerk, world, one, item, one.storage)
    world.done("wms_count_assign", id=count, user_ids=[])

    world.done("wms_count_record", counter.client, id=count, position_id=one.storage, item_id=item, counted=7321)
    assert "7321" not in seen(counter, world, one, item, one.storage)
    world.done("wms_count_finish", counter.client, id=count)
    assert "7321" in seen(counter, world, one, item, one.storage)


def test_who_counts_openly_sees_the_stock(world: World, one: Warehouse, counter: Person) -> None:
    item = stocked(world, one.storage, 7321)
    count = world.done("wms_count_plan", warehouse_id=one.id, is_blind=False)["id"]
    world.done("wms_count_start", id=count)
    assert "7321" in seen(counter, world, one, item, one.storage)
