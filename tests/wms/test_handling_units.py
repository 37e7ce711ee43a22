"""Handling units: numbered after GS1, packed, nested, moved and shipped as a whole, always as the balances say."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from wms.conftest import Acting
from wms.flows import lies, person, position, setting, stocked
from wms.support import Warehouse, World, refused, violations

SSCC = "106141411234567897"  # the example of the GS1 General Specifications
OTHERS = ("340123450000000000", "340123450000000017", "340123450000000024", "340123450000000031")


def unit(world: World, place: str, sscc: str = SSCC, **more: Any) -> str:
    made = world.done("wms_handling_unit_create", position_id=place, sscc=sscc, **more)
    assert (made["status"], made["depth"], made["location_id"]) == ("OPEN", 1, place)
    return str(made["id"])


def contents(world: World, unit_id: str) -> dict[str, float]:
    rows = world.rows("wms_handling_unit_contents", handling_unit_id=f"eq.{unit_id}")
    return {row["item_id"]: row["quantity"] for row in rows}


def packed(world: World, item: str) -> dict[str, tuple[float, float]]:
    """Quantity and what of it is packed, by place, where something lies."""
    rows = world.db.execute(
        "select p.code, b.quantity::float, b.packed::float from wms.balance as b join core.location as p"
        " on p.org_id = b.org_id and p.id = b.location_id where b.item_id = %s and b.quantity > 0", [item],
    ).fetchall()  # fmt: skip
    return {row[0]: (row[1], row[2]) for row in rows}


def test_a_unit_is_packed_and_moved_with_all_that_is_in_it(world: World, one: Warehouse) -> None:
    first, second = stocked(world, one.storage, 10), stocked(world, one.storage, 8)
    pallet, carton = unit(world, one.storage), unit(world, one.storage, OTHERS[0], kind="CARTON")
    world.done("wms_handling_unit_pack", id=pallet, item_id=first, quantity=6)
    world.done("wms_handling_unit_pack", id=carton, item_id=first, quantity=1)
    world.done("wms_handling_unit_pack", id=carton, item_id=second, quantity=8)
    nested = world.done("wms_handling_unit_nest", id=carton, parent_id=pallet)
    assert (nested["depth"], nested["parent_id"]) == (2, pallet)
    assert packed(world, first) == {"STORAGE": (10, 7)}
    assert violations(world.db, world.org.id) == {}

    shelf = position(world, "A-1")
    refused(world.call("wms_handling_unit_move", id=carton, to_position_id=shelf), 409, "wms.handling_unit_nested")
    world.done("wms_handling_unit_move", id=pallet, to_position_id=shelf, reason="makes room")
    assert packed(world, first) == {"STORAGE": (3, 0), "A-1": (7, 7)}
    assert packed(world, second) == {"A-1": (8, 8)}
    moved = world.rows("wms_documents", document_type="eq.MOVE")
    assert [(m["reference"], m["status_reason"], m["line_count"]) for m in moved] == [(SSCC, "makes room", 2)]
    assert {u["location_id"] for u in world.rows("wms_handling_units")} == {shelf}
    assert violations(world.db, world.org.id) == {}

    world.done("wms_handling_unit_unpack", id=carton, item_id=second, quantity=3)
    assert contents(world, carton) == {first: 1, second: 5}
    world.done("wms_handling_unit_unpack", id=carton, item_id=second)
    assert contents(world, carton) == {first: 1}
    out = world.done("wms_handling_unit_nest", id=carton)
    assert (out["depth"], out["parent_id"]) == (1, None)
    gone = world.done("wms_handling_unit_dissolve", id=carton, reason="torn")
    assert (gone["status"], gone["status_reason"]) == ("DISSOLVED", "torn")
    assert contents(world, carton) == {} and packed(world, first)["A-1"] == (7, 6)
    assert violations(world.db, world.org.id) == {}


def test_what_is_packed_leaves_with_its_unit_only(world: World, one: Warehouse) -> None:
    item, shelf = stocked(world, one.storage, 10), position(world, "A-1")
    pallet = unit(world, one.storage)
    world.done("wms_handling_unit_pack", id=pallet, item_id=item, quantity=6)
    move = {"from_position_id": one.storage, "to_position_id": shelf, "item_id": item, "reason": "x"}
    details = refused(world.call("wms_stock_move", **move, quantity=5), 422, "wms.packed_in_handling_unit")
    assert (details["packed"], details["loose"], details["place"]) == (6, 4, "STORAGE")
    draft = world.draft("EXPORT", {"item_id": item, "quantity": 5}, from_location_id=one.id)
    refused(world.call("wms_document_post", id=draft["id"]), 422, "wms.packed_in_handling_unit")
    details = refused(world.call("wms_stock_move", **move, quantity=11), 422, "wms.insufficient_stock")
    assert (details["requested"], details["available"]) == (11, 10), "more than there is at all"
    world.done("wms_stock_move", **move, quantity=4)
    assert packed(world, item) == {"STORAGE": (6, 6), "A-1": (4, 0)}

    partner = world.partner()
    sent = world.done("wms_handling_unit_ship", id=pallet, partner_id=partner, reference="PO 7")
    assert sent["status"] == "SHIPPED"
    document = world.rows("wms_documents", id=f"eq.{sent['document_id']}")[0]
    assert [document[k] for k in ("document_type", "partner_id", "reference")] == ["EXPORT", partner, "PO 7"]
    assert lies(world, item) == {"A-1": 4}
    assert contents(world, pallet) == {item: 6}, "what was in it stays on record"
    assert violations(world.db, world.org.id) == {}
    refused(world.call("wms_handling_unit_ship", id=pallet), 409, "wms.handling_unit_status")


def test_what_is_reserved_goes_along(world: World, one: Warehouse) -> None:
    """A pallet of six among ten, of which seven are promised: three of the promises go with it."""
    item, stage = stocked(world, one.storage, 10), position(world, "STAGE", kind="STAGING")
    pallet = unit(world, one.storage)
    world.done("wms_handling_unit_pack", id=pallet, item_id=item, quantity=6)
    for quantity in (2, 5):
        draft = world.draft("EXPORT", {"item_id": item, "quantity": quantity}, from_location_id=one.id)["id"]
        world.done("wms_document_reserve", id=draft)
    world.done("wms_handling_unit_move", id=pallet, to_position_id=stage)
    rows = world.rows("wms_stock", item_id=f"eq.{item}", quantity="gt.0")
    found = {r["location_code"]: (r["quantity"], r["reserved"], r["packed"]) for r in rows}
    assert found == {"STORAGE": (4, 4, 0), "STAGE": (6, 3, 6)}
    assert violations(world.db, world.org.id) == {}


def test_units_change_places_at_once(world: World, one: Warehouse, acting: Acting) -> None:
    """Many units between two positions, both ways at the same time: nobody waits in a circle."""
    other, item = position(world, "B-1"), stocked(world, one.storage, 10)
    world.posted("IMPORT", {"item_id": item, "quantity": 10, "to_position_id": other}, to_location_id=one.id)
    places = (one.storage, other)
    units = [unit(world, places[n % 2], sscc) for n, sscc in enumerate(OTHERS)]
    for unit_id in units:
        world.done("wms_handling_unit_pack", id=unit_id, item_id=item, quantity=2)
    user_id = world.org.user(administrator=True)

    def travel(number: int) -> None:
        with acting(world.org, user_id) as session:
            for leg in range(4):
                target = places[(number + leg + 1) % 2]
                session.execute("select api.wms_handling_unit_move(%s, %s)", [units[number], target])

    with ThreadPoolExecutor(len(units)) as pool:
        list(pool.map(travel, range(len(units))))
    assert packed(world, item) == {"STORAGE": (10, 4), "B-1": (10, 4)}
    assert violations(world.db, world.org.id) == {}


def test_numbers_are_made_of_the_company_prefix(world: World, one: Warehouse) -> None:
    ask = {"position_id": one.storage}
    refused(world.call("wms_handling_unit_create", **ask), 422, "wms.sscc_missing")
    setting(world, "wms.gs1_company_prefix", "12")
    refused(world.call("wms_handling_unit_create", **ask), 422, "wms.gs1_prefix_invalid")
    setting(world, "wms.gs1_company_prefix", "4012345")
    numbers = [world.done("wms_handling_unit_create", **ask)["sscc"] for _ in range(2)]
    assert [n[:17] for n in numbers] == ["04012345000000001", "04012345000000002"]
    for number in (*numbers, SSCC):
        weighted = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(number))
        assert weighted % 10 == 0


def test_a_unit_is_refused(world: World, one: Warehouse, two: Warehouse, api: Any) -> None:
    item = stocked(world, one.storage, 10)
    pallet = unit(world, one.storage)
    create = {"position_id": one.storage, "sscc": OTHERS[0]}

    def refuse(status: int, code: str, function: str, **arguments: Any) -> None:
        refused(world.call(function, **arguments), status, code)

    refuse(422, "wms.sscc_invalid", "wms_handling_unit_create", **{**create, "sscc": SSCC[:17] + "0"})
    refuse(409, "wms.handling_unit_exists", "wms_handling_unit_create", **{**create, "sscc": f"(00){SSCC}"})
    refuse(422, "wms.handling_unit_kind_unknown", "wms_handling_unit_create", **create, kind="BASKET")
    refuse(422, "wms.position_unknown", "wms_handling_unit_create", **{**create, "position_id": one.id})

    pack = {"id": pallet, "item_id": item, "quantity": 3}
    refuse(422, "wms.loose_stock_missing", "wms_handling_unit_pack", **{**pack, "quantity": 11})
    refuse(422, "wms.loose_stock_missing", "wms_handling_unit_pack", **{**pack, "item_id": world.item()})
    refuse(422, "wms.quantity_not_positive", "wms_handling_unit_pack", **{**pack, "quantity": -1})
    refuse(412, "core.stale_version", "wms_handling_unit_pack", **pack, version=9)
    refuse(404, "wms.handling_unit_not_found", "wms_handling_unit_pack", **{**pack, "id": str(uuid.uuid4())})
    world.done("wms_handling_unit_pack", **pack)
    refuse(422, "wms.not_in_handling_unit", "wms_handling_unit_unpack", **{**pack, "quantity": 4})

    move = {"id": pallet, "to_position_id": one.receiving}
    for function, values in (("unpack", pack), ("move", move), ("nest", {"id": pallet, "parent_id": None})):
        refuse(412, "core.stale_version", f"wms_handling_unit_{function}", **values, version=99)
    refuse(422, "wms.same_position", "wms_handling_unit_move", **{**move, "to_position_id": one.storage})
    refuse(422, "wms.position_elsewhere", "wms_handling_unit_move", **{**move, "to_position_id": two.storage})
    small = position(world, "S-1", capacity=2, capacity_unit="C62")
    refuse(422, "wms.capacity_exceeded", "wms_handling_unit_move", **{**move, "to_position_id": small})
    refuse(422, "wms.handling_unit_document", "wms_handling_unit_ship", id=pallet, document_type="MOVE")
    refuse(422, "core.reason_missing", "wms_handling_unit_dissolve", id=pallet, reason=" ")

    chain = [pallet, *(unit(world, one.storage, sscc, kind="CARTON") for sscc in OTHERS[:3])]
    refuse(422, "wms.handling_unit_empty", "wms_handling_unit_ship", id=chain[1])
    far = unit(world, one.receiving, OTHERS[3])
    refuse(422, "wms.handling_unit_elsewhere", "wms_handling_unit_nest", id=far, parent_id=pallet)
    refuse(422, "wms.handling_unit_in_itself", "wms_handling_unit_nest", id=pallet, parent_id=pallet)
    for child, parent in ((2, 1), (3, 2)):
        world.done("wms_handling_unit_nest", id=chain[child], parent_id=chain[parent])
    refuse(422, "wms.handling_unit_too_deep", "wms_handling_unit_nest", id=chain[1], parent_id=pallet)
    refuse(422, "wms.handling_unit_in_itself", "wms_handling_unit_nest", id=chain[1], parent_id=chain[3])
    refuse(409, "wms.handling_unit_not_empty", "wms_handling_unit_dissolve", id=chain[1], reason="x")
    refuse(409, "wms.handling_unit_nested", "wms_handling_unit_ship", id=chain[3])

    nobody = person(world, api, "wms.document.create").client
    for function, arguments in (
        ("create", create), ("pack", pack), ("unpack", pack), ("nest", {"id": far}), ("move", move),
        ("ship", {"id": pallet}), ("dissolve", {"id": pallet, "reason": "x"}),
    ):  # fmt: skip
        refused(world.call(f"wms_handling_unit_{function}", nobody, **arguments), 403, "core.permission_missing")
    assert violations(world.db, world.org.id) == {}


@pytest.mark.parametrize(
    "statement",
    [
        "update wms.balance set packed = packed - 1 where packed > 0 and org_id = %s",
        "delete from wms.handling_unit_content where org_id = %s",
    ],
)
def test_the_invariant_sees_what_does_not_agree(world: World, one: Warehouse, statement: str) -> None:
    item = stocked(world, one.storage, 10)
    world.done("wms_handling_unit_pack", id=unit(world, one.storage), item_id=item, quantity=3)
    with world.db.transaction(force_rollback=True):
        world.db.execute(statement, [world.org.id])  # type: ignore[call-overload]
        assert violations(world.db, world.org.id) == {"0022_packed_is_what_handling_units_hold": 1}
