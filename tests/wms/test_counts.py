"""Counts: frozen at the start, right though goods move meanwhile, blind until counted, posted by somebody else."""

from __future__ import annotations

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from events.support import settled
from wms.conftest import Acting
from wms.flows import Person, lies, person, position, stocked
from wms.support import Warehouse, World, refused, violations


@pytest.fixture
def counter(world: World, api: Any) -> Person:
    return person(world, api, "wms.count.record")


def started(world: World, one: Warehouse, **scope: Any) -> str:
    count = world.done("wms_count_plan", warehouse_id=one.id, **scope)
    assert (count["status"], count["number"]) == ("PLANNED", None)
    count = world.done("wms_count_start", id=count["id"])
    assert count["status"] == "COUNTING" and count["number"].startswith("TAK-")
    return str(count["id"])


def line(world: World, count: str, item: str) -> dict[str, Any]:
    return world.rows("wms_count_lines", count_id=f"eq.{count}", item_id=f"eq.{item}")[0]


def test_a_count_corrects_what_differs(world: World, one: Warehouse, counter: Person) -> None:
    more, less, same = (stocked(world, one.storage, 10) for _ in range(3))
    count = started(world, one)
    for item, counted in ((more, 12), (less, 7.5), (same, 10)):
        row = world.done(
            "wms_count_record", counter.client, id=count, position_id=one.storage, item_id=item, counted=counted,
            reason="counted twice",
        )  # fmt: skip
        assert (row["counted"], row["expected"], row["difference"]) == (counted, None, None)
    done = world.done("wms_count_finish", counter.client, id=count)
    assert (done["status"], done["line_count"]) == ("COUNTED", 3)
    assert world.rows("wms_counts", id=f"eq.{count}")[0]["difference_count"] == 2
    assert done["counters"] == [str(counter.id)]
    assert line(world, count, less)["difference"] == -2.5

    posted = world.done("wms_count_post", id=count)
    assert posted["status"] == "POSTED"
    document = world.rows("wms_documents", id=f"eq.{posted['document_id']}")[0]
    assert (document["document_type"], document["reference"], document["line_count"]) == ("COUNT", posted["number"], 2)
    assert [lies(world, i) for i in (more, less, same)] == [{"STORAGE": 12}, {"STORAGE": 7.5}, {"STORAGE": 10}]
    assert violations(world.db, world.org.id) == {}


def test_goods_move_while_they_are_counted(world: World, one: Warehouse, counter: Person) -> None:
    shelf = position(world, "A-1")
    before, after = stocked(world, one.storage, 10), stocked(world, one.storage, 10)
    count = started(world, one)

    def move(item: str) -> None:
        world.done(
            "wms_stock_move", from_position_id=one.storage, to_position_id=shelf, item_id=item, quantity=4, reason="x"
        )

    def record(item: str, place: str, counted: float) -> None:
        world.done("wms_count_record", counter.client, id=count, position_id=place, item_id=item, counted=counted)

    # One is moved before it is counted, the other afterwards; of both a piece is missing.
    move(before)
    record(before, one.storage, 5)
    record(before, shelf, 4)
    record(after, one.storage, 9)
    move(after)
    world.done("wms_count_finish", counter.client, id=count)
    seen = line(world, count, before)
    found = world.rows("wms_count_lines", count_id=f"eq.{count}", position_id=f"eq.{shelf}")[0]
    assert [seen[k] for k in ("expected", "moved", "expected_at_count", "difference")] == [10, -4, 6, -1]
    assert [found[k] for k in ("is_found", "expected", "moved", "difference")] == [True, 0, 4, 0]
    assert violations(world.db, world.org.id) == {}

    world.done("wms_count_post", id=count)
    assert lies(world, before) == {"STORAGE": 5, "A-1": 4}
    assert lies(world, after) == {"STORAGE": 5, "A-1": 4}


def everything(who: Person) -> list[dict[str, Any]]:
    """All events that somebody may see, from the feed."""
    found, cursor = [], None
    while True:
        response = who.client.post("rpc/events_since", json={"cursor": cursor, "max_rows": 100})
        assert response.status_code == 200, response.text
        found += response.json()["events"]
        cursor = response.json()["cursor"]
        if not response.json()["has_more"]:
            return found


@pytest.mark.parametrize("is_blind", [True, False])
def test_who_counts_blind_sees_nothing_before(world: World, one: Warehouse, counter: Person, is_blind: bool) -> None:
    """Neither in the view, nor in what the functions answer, nor in the history, the feed or a file of it."""
    item = stocked(world, one.storage, 7321)
    count = started(world, one, is_blind=is_blind)
    answer = world.call(
        "wms_count_record", counter.client, id=count, position_id=one.storage, item_id=item, counted=7000
    )
    row = line(world, count, item)
    told = [answer.text]
    for path, params in (
        ("wms_count_lines", {"count_id": f"eq.{count}"}),
        ("wms_count_lines", {"expected": "gt.0", "count_id": f"eq.{count}"}),
        ("wms_counts", {"id": f"eq.{count}"}),
        ("events", {"entity": "in.(wms_count,wms_count_line)", "limit": "100"}),
        ("rpc/entity_history", {"entity": "wms_count_line", "id": row["id"], "limit": "100"}),
        ("rpc/entity_history", {"entity": "wms_count", "id": count, "limit": "100"}),
    ):
        for accept in ("application/json", "text/csv"):
            if path.startswith("rpc") and accept == "text/csv":
                continue
            response = counter.client.get(path, params=params, headers={"Accept": accept})
            assert response.status_code == 200, response.text
            told.append(response.text)
    # A finish that is rolled back tells nobody whether he guessed right.
    finish = counter.client.post("rpc/wms_count_finish", json={"id": count}, headers={"Prefer": "tx=rollback"})
    assert (finish.status_code, finish.json()["difference_count"]) == (200, None if is_blind else 1)
    told.append(finish.text)
    settled(world.db, world.org.id)
    feed = [event for event in everything(counter) if event["entity"].startswith("wms_count")]
    assert {"wms_count_line.created", "wms_count_line.updated"} <= {event["type"] for event in feed}
    told.append(json.dumps(feed))
    assert any(re.search(r"[^0-9a-f-]7321[^0-9a-f-]", text) for text in told) != is_blind
    assert any(re.search(r"[^0-9a-f]-321[^0-9a-f]", text) for text in told) != is_blind  # not a piece of an id

    world.done("wms_count_finish", counter.client, id=count)
    assert line(world, count, item)["expected"] == 7321
    world.done("wms_count_recount", id=count)
    assert line(world, count, item)["expected"] == (None if is_blind else 7321)


def test_a_difference_is_counted_again(world: World, one: Warehouse, counter: Person, api: Any) -> None:
    wrong, right = stocked(world, one.storage), stocked(world, one.storage)
    count = started(world, one)
    for item, counted in ((wrong, 3), (right, 10)):
        world.done("wms_count_record", counter.client, id=count, position_id=one.storage, item_id=item, counted=counted)
    world.done("wms_count_finish", counter.client, id=count)
    again = world.done("wms_count_recount", id=count)
    assert (again["status"], again["count_index"]) == ("INVESTIGATING", 2)
    assert (line(world, count, wrong)["counted"], line(world, count, right)["counted"]) == (None, 10)

    other = person(world, api, "wms.count.record", "wms.count.post")
    record = {"id": count, "position_id": one.storage, "counted": 10}
    refused(world.call("wms_count_record", other.client, **record, item_id=right), 409, "wms.count_line_done")
    refused(world.call("wms_count_finish", other.client, id=count), 422, "wms.count_incomplete")
    world.done("wms_count_record", other.client, **record, item_id=wrong)
    done = world.done("wms_count_finish", other.client, id=count)
    assert world.rows("wms_counts", id=f"eq.{count}")[0]["difference_count"] == 0
    assert set(done["counters"]) == {str(counter.id), str(other.id)}

    # Whoever counted in any round does not post.
    refused(world.call("wms_count_post", other.client, id=count), 403, "core.same_person")
    posted = world.done("wms_count_post", id=count)
    assert (posted["status"], posted["document_id"]) == ("POSTED", None), "nothing differs, so there is no document"
    assert lies(world, wrong) == {"STORAGE": 10}


def test_a_count_has_its_scope(world: World, one: Warehouse) -> None:
    shelf = position(world, "Z-1", zone="COLD")
    below = position(world, "Z-1-1", parent_id=shelf)
    cold, under, yarn = stocked(world, shelf), stocked(world, below), stocked(world, one.storage, **{"class": "YARN"})

    def items(**scope: Any) -> set[str]:
        count = started(world, one, **scope)
        found = {row["item_id"] for row in world.rows("wms_count_lines", count_id=f"eq.{count}")}
        outside = world.call("wms_count_record", id=count, position_id=one.receiving, item_id=under, counted=1)
        refused(outside, 422, "wms.count_out_of_scope")
        world.done("wms_count_cancel", id=count, reason="only a look")
        return found

    assert items(zone="COLD") == {cold}
    assert items(position_id=shelf) == {cold, under}
    assert items(item_id=yarn) == {yarn}
    assert items(item_class="YARN") == {yarn}


def test_what_is_counted_is_corrected_once(world: World, one: Warehouse) -> None:
    """Neither a second count nor an adjustment finds the same difference again."""
    item = stocked(world, one.storage)
    first = started(world, one)
    second = world.done("wms_count_plan", warehouse_id=one.id)["id"]
    refused(world.call("wms_count_start", id=second), 409, "wms.count_overlaps")
    adjust = {"position_id": one.storage, "item_id": item, "reason": "broken"}
    refused(world.call("wms_stock_adjust", **adjust, new_quantity=9), 409, "wms.count_is_open")
    world.done("wms_count_cancel", id=first, reason="another day")

    assert world.done("wms_stock_adjust", **adjust, new_quantity=1000)["status"] == "PENDING"
    refused(world.call("wms_count_start", id=second), 409, "wms.adjustment_pending")


def test_counting_is_refused(world: World, one: Warehouse, two: Warehouse, counter: Person) -> None:
    item, lots = stocked(world, one.storage), world.item(tracking="LOT")
    refused(world.call("wms_count_plan", counter.client, warehouse_id=one.id), 403, "core.permission_missing")
    refused(world.call("wms_count_plan", warehouse_id=one.storage), 422, "wms.not_a_warehouse")
    refused(world.call("wms_count_plan", warehouse_id=one.id, position_id=two.storage), 422, "wms.position_elsewhere")
    refused(world.call("wms_count_plan", warehouse_id=one.id, item_id=str(uuid.uuid4())), 422, "wms.item_unknown")
    refused(world.call("wms_count_plan", warehouse_id=one.id, item_class="AIR"), 422, "wms.item_class_unknown")
    planned = world.done("wms_count_plan", warehouse_id=one.id)["id"]
    refused(world.call("wms_count_plan", warehouse_id=one.id, id=planned), 409, "wms.count_exists")
    refused(world.call("wms_count_start", counter.client, id=planned), 403, "core.permission_missing")
    refused(world.call("wms_count_start", id=planned, version=9), 412, "core.stale_version")
    refused(world.call("wms_count_start", id=str(uuid.uuid4())), 404, "wms.count_not_found")
    record = {"id": planned, "position_id": one.storage, "item_id": item, "counted": 1}
    refused(world.call("wms_count_record", **record), 409, "wms.count_status")
    refused(world.call("wms_count_finish", id=planned), 409, "wms.count_status")
    refused(world.call("wms_count_post", id=planned), 409, "wms.count_status")
    refused(world.call("wms_count_recount", id=planned), 409, "wms.count_status")
    refused(world.call("wms_count_cancel", id=planned, reason=" "), 422, "core.reason_missing")

    world.done("wms_count_start", id=planned)
    refused(world.call("wms_count_start", id=planned), 409, "wms.count_status")
    refused(world.call("wms_count_record", **{**record, "counted": -1}), 422, "wms.counted_negative")
    refused(world.call("wms_count_record", **{**record, "item_id": lots}), 422, "wms.lot_missing")
    refused(world.call("wms_count_record", **{**record, "position_id": two.storage}), 422, "wms.count_out_of_scope")
    refused(world.call("wms_count_finish", id=planned, is_partial=True), 422, "wms.count_incomplete")
    world.done("wms_count_record", counter.client, **record)
    refused(world.call("wms_count_post", counter.client, id=planned), 403, "core.permission_missing")
    world.done("wms_count_finish", id=planned)
    refused(world.call("wms_count_recount", id=planned, lines=[str(uuid.uuid4())]), 422, "wms.count_nothing_to_recount")
    refused(world.call("wms_count_recount", counter.client, id=planned), 403, "core.permission_missing")
    refused(world.call("wms_count_cancel", counter.client, id=planned, reason="x"), 403, "core.permission_missing")


def test_a_partial_count_leaves_the_rest_as_it_is(world: World, one: Warehouse, counter: Person) -> None:
    counted, left = stocked(world, one.storage), stocked(world, one.storage)
    count = started(world, one)
    world.done("wms_count_record", counter.client, id=count, position_id=one.storage, item_id=counted, counted=0)
    refused(world.call("wms_count_finish", counter.client, id=count), 422, "wms.count_incomplete")
    world.done("wms_count_finish", counter.client, id=count, is_partial=True)
    world.done("wms_count_post", id=count)
    assert (lies(world, counted), lies(world, left)) == ({}, {"STORAGE": 10})


def test_postings_and_counters_at_once(world: World, one: Warehouse, acting: Acting) -> None:
    """Whatever comes between, the ledger between two marks is what the expectation changed by."""
    shelf = position(world, "A-1")
    items = [stocked(world, one.storage, 100) for _ in range(3)]
    count = started(world, one)
    movers, user_id = 4, world.org.user(administrator=True)

    def work(number: int) -> None:
        with acting(world.org, user_id) as session:
            for n in range(6):
                item = items[(n + number) % 3]
                if number < movers:
                    session.execute("select api.wms_stock_move(%s, %s, %s, 1, 'x')", [one.storage, shelf, item])
                else:
                    session.execute("select api.wms_count_record(%s, %s, %s, 90)", [count, one.storage, item])

    with ThreadPoolExecutor(movers + 2) as pool:
        list(pool.map(work, range(movers + 2)))
    world.done("wms_count_finish", id=count)
    rows = world.rows("wms_count_lines", count_id=f"eq.{count}")
    assert len(rows) == 3 and all(-8 <= row["moved"] <= 0 for row in rows)
    assert violations(world.db, world.org.id) == {}
    world.done("wms_count_post", id=count)
    for row in rows:
        assert lies(world, row["item_id"]) == {"STORAGE": 92 + row["difference"], "A-1": 8}
    assert violations(world.db, world.org.id) == {}
