"""Picking: what is reserved goes to staging, stays reserved there, and leaves with the document."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from wms.conftest import Acting
from wms.flows import lies, person, position, setting, stocked
from wms.support import Warehouse, World, refused, violations


@pytest.fixture
def staging(world: World, one: Warehouse) -> str:
    return position(world, "STAGE", kind="STAGING")


def reserved(world: World, one: Warehouse, item: str, quantity: float, **more: Any) -> tuple[str, str]:
    """A document for which so much is reserved, and its line."""
    document = world.draft("EXPORT", {"item_id": item, "quantity": quantity}, from_location_id=one.id)["id"]
    world.done("wms_document_reserve", id=document, **more)
    line = world.rows("wms_document_lines", document_id=f"eq.{document}")[0]["id"]
    return document, line


def status(world: World, document: str) -> str:
    return str(world.rows("wms_documents", id=f"eq.{document}")[0]["status"])


def held(world: World, document: str) -> dict[str, float]:
    """What is held for a document, by position."""
    rows = world.rows("wms_reservations", document_id=f"eq.{document}", status="eq.HELD")
    found: dict[str, float] = {}
    for row in rows:
        found[row["location_id"]] = found.get(row["location_id"], 0) + row["quantity"]
    return found


def test_goods_are_picked_packed_and_posted(world: World, one: Warehouse, staging: str, api: Any) -> None:
    picker = person(world, api, "wms.document.pick")
    item = stocked(world, one.storage, 10)
    document, line = reserved(world, one, item, 6)
    move = world.done("wms_pick", picker.client, document_id=document, line_id=line, quantity=4)
    assert (move["document_type"], move["status_reason"]) == ("MOVE", "Picked")
    assert status(world, document) == "PICKING"
    assert lies(world, item) == {"STORAGE": 6, "STAGE": 4}
    assert held(world, document) == {one.storage: 2, staging: 4}
    refused(world.call("wms_document_pack", picker.client, id=document), 409, "wms.not_all_picked")
    assert violations(world.db, world.org.id) == {}

    # Without a quantity: all that is left.
    world.done("wms_pick", picker.client, document_id=document, line_id=line)
    assert held(world, document) == {staging: 6}
    world.done("wms_document_pack", picker.client, id=document)
    world.done("wms_document_post", id=document)
    assert lies(world, item) == {"STORAGE": 4}
    assert held(world, document) == {}
    assert violations(world.db, world.org.id) == {}


def test_a_pick_says_which_lot_and_place(world: World, one: Warehouse, staging: str) -> None:
    item = world.item(tracking="LOT")
    shelf = position(world, "A-1")
    lots = [world.lot(item, no) for no in ("L1", "L2")]
    for lot in lots:
        for place in (one.storage, shelf):
            world.posted(
                "IMPORT", {"item_id": item, "lot_id": lot, "quantity": 2, "to_position_id": place},
                to_location_id=one.id,
            )  # fmt: skip
    document, line = reserved(world, one, item, 8)
    pick = {"document_id": document, "line_id": line}
    world.done("wms_pick", **pick, lot_id=lots[1], from_position_id=shelf)
    moved = world.rows("wms_stock", location_id=f"eq.{staging}")
    assert [(row["lot_no"], row["quantity"], row["reserved"]) for row in moved] == [("L2", 2, 2)]
    refused(world.call("wms_pick", **pick, lot_id=lots[1], from_position_id=shelf), 422, "wms.over_pick")
    world.done("wms_lot_set_status", id=lots[0], status="ON_HOLD", reason="mould")
    details = refused(world.call("wms_pick", **pick, lot_id=lots[0]), 423, "wms.lot_not_pickable")
    assert (details["lot"], details["lot_status"]) == ("L1", "ON_HOLD")
    world.done("wms_pick", **pick)
    assert held(world, document) == {staging: 4}, "of the held lot nothing is promised any more"
    assert violations(world.db, world.org.id) == {}


def test_more_than_is_reserved(world: World, one: Warehouse, staging: str) -> None:
    item = stocked(world, one.storage, 3)
    document, line = reserved(world, one, item, 5, is_partial=True)
    world.posted("IMPORT", {"item_id": item, "quantity": 9, "to_position_id": one.storage}, to_location_id=one.id)
    pick = {"document_id": document, "line_id": line, "from_position_id": one.storage}
    details = refused(world.call("wms_pick", **pick, quantity=5), 422, "wms.over_pick")
    assert (details["requested"], details["reserved"]) == (5, 3)
    setting(world, "wms.is_over_pick_allowed", True)
    refused(world.call("wms_pick", **pick, quantity=6), 422, "wms.over_pick")
    world.done("wms_pick", **pick, quantity=5)
    assert held(world, document) == {staging: 5}
    assert violations(world.db, world.org.id) == {}
    world.done("wms_document_post", id=document)
    assert lies(world, item) == {"STORAGE": 7}
    assert violations(world.db, world.org.id) == {}


def test_a_pick_is_refused(world: World, one: Warehouse, two: Warehouse, staging: str, api: Any) -> None:
    item = stocked(world, one.storage, 10)
    draft = world.draft("EXPORT", {"item_id": item, "quantity": 1}, from_location_id=one.id)["id"]
    document, line = reserved(world, one, item, 5)
    pick = {"document_id": document, "line_id": line}
    cage = position(world, "Q-1", kind="QUARANTINE")
    small = position(world, "S-1", kind="STAGING", capacity=2, capacity_unit="C62")

    def refuse(code_status: int, code: str, **changes: Any) -> None:
        refused(world.call("wms_pick", **{**pick, **changes}), code_status, code)

    refuse(404, "wms.document_not_found", document_id=str(uuid.uuid4()))
    refuse(404, "wms.line_not_found", line_id=str(uuid.uuid4()))
    refuse(409, "wms.document_not_reserved", document_id=draft)
    refuse(412, "core.stale_version", version=9)
    refuse(422, "wms.over_pick", quantity=6)
    refuse(422, "wms.over_pick", from_position_id=one.receiving)
    refuse(422, "wms.place_not_pickable", from_position_id=cage)
    refuse(422, "wms.position_elsewhere", to_position_id=two.storage)
    refuse(422, "wms.same_position", from_position_id=one.storage, to_position_id=one.storage)
    refuse(422, "wms.capacity_exceeded", to_position_id=small)
    refuse(422, "wms.quantity_not_positive", quantity=0)
    nobody = person(world, api, "wms.document.reserve").client
    refused(world.call("wms_pick", nobody, **pick), 403, "core.permission_missing")
    for place in (staging, small, one.positions["SHIPPING"]):
        world.client.patch("locations", params={"id": f"eq.{place}"}, json={"is_active": False, "version": 1})
    refuse(422, "wms.staging_missing")
    assert lies(world, item) == {"STORAGE": 10}


def test_two_pickers_do_not_pick_the_same(world: World, one: Warehouse, staging: str, acting: Acting) -> None:
    item = stocked(world, one.storage, 10)
    document, line = reserved(world, one, item, 10)
    user_id = world.org.user(administrator=True)

    def pick(_: int) -> bool:
        with acting(world.org, user_id) as session:
            try:
                session.execute("select api.wms_pick(%s, %s, 4)", [document, line])
            except Exception as error:
                assert "wms.over_pick" in str(error), error
                return False
            return True

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(pick, range(5))) == 2
    assert held(world, document) == {one.storage: 2, staging: 8}
    assert violations(world.db, world.org.id) == {}
