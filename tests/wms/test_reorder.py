"""Reorder rules, what is short, and what to order."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from wms.support import World, refused


def rule(world: World, item: str, warehouse: str, minimum: float, maximum: float, multiple: float = 1) -> str:
    answer = world.client.post(
        "wms_reorder_rules", headers={"Prefer": "return=representation"},
        json={"item_id": item, "warehouse_id": warehouse, "minimum": minimum, "maximum": maximum, "multiple": multiple},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return str(answer.json()[0]["id"])


def test_what_to_order(world: World) -> None:
    one, two = (w.id for w in world.warehouses)
    short, enough, coming = (world.item(sku=sku) for sku in ("A-SHORT", "B-ENOUGH", "C-COMING"))
    for item in (short, enough, coming):
        rule(world, item, one, 10, 30, 12)
    world.posted("IMPORT", {"item_id": short, "quantity": 4}, {"item_id": enough, "quantity": 10}, to_location_id=one)
    world.draft("IMPORT", {"item_id": coming, "quantity": 9}, to_location_id=one)
    rows = world.done("wms_reorder_suggest", warehouse_id=one)
    assert [(r["sku"], r["available"], r["expected"], r["suggested"]) for r in rows] == [
        ("A-SHORT", 4, 0, 36), ("C-COMING", 0, 9, 24),
    ]  # fmt: skip
    assert [r["sku"] for r in world.done("wms_reorder_suggest", warehouse_id=one, after_sku="A-SHORT")] == ["C-COMING"]
    assert world.done("wms_reorder_suggest", warehouse_id=two) == []
    world.draft("IMPORT", {"item_id": coming, "quantity": 1}, to_location_id=one)
    assert [r["sku"] for r in world.done("wms_reorder_suggest", warehouse_id=one)] == ["A-SHORT"]
    shortages = world.rows("wms_shortages", warehouse_id=f"eq.{one}", order="sku")
    assert [(r["sku"], r["available"], r["short"]) for r in shortages] == [("A-SHORT", 4, 6), ("C-COMING", 0, 10)]


@pytest.mark.parametrize("why", ["held", "expired"])
def test_what_may_not_move_is_short(world: World, why: str) -> None:
    one = world.warehouses[0].id
    item = world.item(tracking="LOT")
    lot = world.lot(item)
    rule(world, item, one, 5, 5)
    world.posted("IMPORT", {"item_id": item, "quantity": 5, "lot_id": lot}, to_location_id=one)
    assert world.rows("wms_shortages") == []
    if why == "held":
        world.done("wms_lot_set_status", id=lot, status="ON_HOLD", reason="test")
    else:
        world.client.patch("wms_lots", params={"id": f"eq.{lot}"}, json={"expires_on": "2020-01-01", "version": 1})
    row = world.rows("wms_shortages")[0]
    assert (row["quantity"], row["unusable"], row["available"], row["short"]) == (5, 5, 0, 5)


def test_a_rule_is_changed_and_removed(world: World) -> None:
    one = world.warehouses[0].id
    made = rule(world, world.item(), one, 1, 2)
    params = {"id": f"eq.{made}"}
    assert world.client.patch("wms_reorder_rules", params=params, json={"minimum": 2, "version": 1}).status_code == 204
    stale = world.client.patch("wms_reorder_rules", params=params, json={"minimum": 0, "version": 1})
    refused(stale, 412, "core.stale_version")
    assert world.client.delete("wms_reorder_rules", params=params).status_code == 204
    assert world.rows("wms_reorder_rules") == []


def test_it_is_refused(world: World, new_org: Any, api: Any) -> None:
    one, place = world.warehouses[0].id, world.warehouses[0].storage
    item = world.item()
    body = {"item_id": item, "warehouse_id": one, "minimum": 1, "maximum": 2}
    reader = api(world.org.token(["wms.document.create"]))
    refused(reader.post("wms_reorder_rules", json=body), 403, "42501")
    made = rule(world, item, one, 1, 2)
    change = reader.patch("wms_reorder_rules", params={"id": f"eq.{made}"}, json={"minimum": 0, "version": 1})
    refused(change, 403, "42501")
    reader.delete("wms_reorder_rules", params={"id": f"eq.{made}"})
    assert len(world.rows("wms_reorder_rules")) == 1, "who may not remove rules finds none to remove"
    assert world.client.post("wms_reorder_rules", json=body).status_code == 409
    refused(world.client.post("wms_reorder_rules", json={**body, "warehouse_id": place}), 422, "wms.not_a_warehouse")
    wrong = world.client.post("wms_reorder_rules", json={**body, "item_id": world.item(), "maximum": 0.5})
    assert (wrong.status_code, "maximum_above_minimum" in wrong.text) == (400, True)
    refused(world.call("wms_reorder_suggest", warehouse_id=place), 422, "wms.not_a_warehouse")
    refused(world.call("wms_reorder_suggest", warehouse_id=str(uuid.uuid4())), 422, "wms.not_a_warehouse")
    refused(world.call("wms_reorder_suggest", warehouse_id=one, page_size=0), 422, "wms.page_size")
    stranger = api(new_org().admin_token)
    refused(world.call("wms_reorder_suggest", stranger, warehouse_id=one), 422, "wms.not_a_warehouse")
    refused(world.client.patch("wms_shortages", params={"id": f"eq.{made}"}, json={"minimum": 3}), 403, "42501")
