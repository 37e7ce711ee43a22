"""All document types, reversal, many at once, and serials: what each does to stock and how it is refused."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from wms.support import Warehouse, World, refused, violations


def ledger(world: World, document_id: str) -> set[tuple[str, float]]:
    return {(r["location_code"], float(r["delta"])) for r in world.rows("wms_ledger", document_id=f"eq.{document_id}")}


@pytest.fixture
def item(world: World, one: Warehouse) -> str:
    """Ten of an item in the storage of warehouse ONE."""
    made = world.item()
    world.posted(
        "IMPORT",
        {"item_id": made, "quantity": 10, "to_position_id": one.storage, "unit_price": 2},
        to_location_id=one.id,
    )
    return made


def documents(world: World, item: str, one: Warehouse, two: Warehouse) -> dict[str, dict[str, Any]]:
    line = {"item_id": item, "quantity": 2}
    return {
        "RETURN": world.posted("RETURN", {**line, "to_position_id": one.storage}, to_location_id=one.id),
        "SALE": world.posted("SALE", line, from_location_id=one.id),
        "EXPORT": world.posted("EXPORT", line, from_location_id=one.id),
        "TRANSFER": world.posted("TRANSFER", line, from_location_id=one.id, to_location_id=two.id),
        "ADJUSTMENT": world.posted(
            "ADJUSTMENT", {**line, "from_position_id": one.storage},
            {**line, "quantity": 1, "to_position_id": one.receiving}, from_location_id=one.id,
        ),
        "COUNT": world.posted("COUNT", {**line, "to_position_id": one.storage}, to_location_id=one.id),
        "MOVE": world.posted(
            "MOVE", {**line, "from_position_id": one.storage, "to_position_id": one.positions["SHIPPING"]},
            from_location_id=one.id,
        ),
    }  # fmt: skip


def test_every_type_moves_what_it_says(world: World, item: str, one: Warehouse, two: Warehouse) -> None:
    made = documents(world, item, one, two)
    assert {kind: ledger(world, row["id"]) for kind, row in made.items()} == {
        "RETURN": {("CUSTOMER", -2), ("STORAGE", 2)},
        "SALE": {("STORAGE", -2), ("CUSTOMER", 2)},
        "EXPORT": {("STORAGE", -2), ("CUSTOMER", 2)},
        "TRANSFER": {("STORAGE", -2), ("RECEIVING", 2)},
        "ADJUSTMENT": {("STORAGE", -2), ("LOSS", 2), ("LOSS", -1), ("RECEIVING", 1)},
        "COUNT": {("LOSS", -2), ("STORAGE", 2)},
        "MOVE": {("STORAGE", -2), ("SHIPPING", 2)},
    }
    assert {row["number"][:3] for row in made.values()} == {"RET", "SAL", "EXP", "TRF", "ADJ", "CNT", "MOV"}
    assert {row["from_location_id"] for kind, row in made.items() if kind in ("COUNT", "MOVE")} == {one.id}
    assert violations(world.db, world.org.id) == {}


def test_every_type_is_reversed(world: World, item: str, one: Warehouse, two: Warehouse) -> None:
    before = world.stock()
    made = documents(world, item, one, two)
    for kind, row in reversed(made.items()):
        mirror = world.done("wms_document_reverse", id=row["id"], reason="mistake", version=row["version"])
        assert (mirror["document_type"], mirror["status"], mirror["reverses"]) == (kind, "POSTED", row["id"])
        assert (mirror["from_location_id"], mirror["to_location_id"]) == (
            row["to_location_id"],
            row["from_location_id"],
        )
        assert ledger(world, mirror["id"]) == {(place, -delta) for place, delta in ledger(world, row["id"])}
        assert world.rows("wms_documents", id=f"eq.{row['id']}")[0]["status"] == "REVERSED"
        assert world.rows("wms_reversals", document_id=f"eq.{row['id']}")[0]["reversal_id"] == mirror["id"]
    assert world.stock() == before
    assert violations(world.db, world.org.id) == {}


def test_a_reversal_is_refused(world: World, item: str, one: Warehouse, api: Any) -> None:
    sold = world.posted("SALE", {"item_id": item, "quantity": 10}, from_location_id=one.id)
    came = world.rows("wms_documents", document_type="eq.IMPORT")[0]
    refused(world.call("wms_document_reverse", id=came["id"], reason="x"), 422, "wms.insufficient_stock")
    refused(world.call("wms_document_reverse", id=came["id"], reason=" "), 422, "core.reason_missing")
    refused(world.call("wms_document_reverse", id=came["id"], reason="x", version=9), 412, "core.stale_version")
    draft = world.draft("SALE", {"item_id": item, "quantity": 1}, from_location_id=one.id)
    refused(world.call("wms_document_reverse", id=draft["id"], reason="x"), 409, "wms.document_status")
    clerk = api(world.org.token(["wms.document.create", "wms.document.post"]))
    refused(world.call("wms_document_reverse", clerk, id=sold["id"], reason="x"), 403, "core.permission_missing")
    mirror = world.done("wms_document_reverse", id=sold["id"], reason="x")
    refused(world.call("wms_document_reverse", id=sold["id"], reason="x"), 409, "wms.document_reversed")
    refused(world.call("wms_document_reverse", id=mirror["id"], reason="x"), 409, "wms.reversal_stands")


def test_a_document_is_reversed_once(world: World, item: str, one: Warehouse, api: Any) -> None:
    sold = world.posted("SALE", {"item_id": item, "quantity": 1}, from_location_id=one.id)
    clients = [api(world.org.admin_token) for _ in range(4)]
    start = threading.Barrier(len(clients))

    def reverse(client: Any) -> int:
        start.wait(timeout=60)
        return int(world.call("wms_document_reverse", client, id=sold["id"], reason="x").status_code)

    with ThreadPoolExecutor(len(clients)) as pool:
        assert sorted(pool.map(reverse, clients)) == [200, 409, 409, 409]
    assert violations(world.db, world.org.id) == {}


def test_what_a_reservation_chose_goes_back_there(world: World, one: Warehouse) -> None:
    item = world.item(tracking="LOT")
    lots = [world.lot(item, name) for name in ("L1", "L2")]
    for lot in lots:
        world.posted(
            "IMPORT",
            {"item_id": item, "quantity": 3, "lot_id": lot, "to_position_id": one.storage},
            to_location_id=one.id,
        )
    sold = world.draft("SALE", {"item_id": item, "quantity": 4}, from_location_id=one.id)
    refused(world.call("wms_document_post", id=sold["id"]), 422, "wms.lot_required")
    world.done("wms_document_reserve", id=sold["id"])
    world.done("wms_document_post", id=sold["id"])
    mirror = world.done("wms_document_reverse", id=sold["id"], reason="x")
    assert mirror["line_count"] == 2
    assert {r["lot_no"]: r["quantity"] for r in world.rows("wms_stock")} == {"L1": 3, "L2": 3}
    assert violations(world.db, world.org.id) == {}


def test_headers_and_lines_of_the_new_types_are_refused(
    world: World, item: str, one: Warehouse, two: Warehouse
) -> None:
    def call(kind: str, line: dict[str, Any], **header: Any) -> Any:
        return world.call(
            "wms_document_create", document_type=kind, lines=[{"item_id": item, "quantity": 1, **line}], **header
        )

    refused(call("MOVE", {}, from_location_id=one.id, to_location_id=two.id), 422, "wms.one_warehouse")
    refused(call("MOVE", {}), 422, "wms.warehouse_missing")
    refused(call("MOVE", {"from_position_id": one.storage}, from_location_id=one.id), 422, "wms.line_place_elsewhere")
    both = {"from_position_id": one.storage, "to_position_id": one.storage}
    refused(call("MOVE", both, from_location_id=one.id), 422, "wms.line_place_same")
    refused(call("COUNT", {}, from_location_id=one.id), 422, "wms.line_place_elsewhere")
    refused(
        call("ADJUSTMENT", {**both, "to_position_id": one.receiving}, from_location_id=one.id),
        422,
        "wms.line_place_elsewhere",
    )
    refused(call("RETURN", {}, from_location_id=one.id), 422, "wms.warehouse_not_wanted")


def test_a_serial_lies_at_one_place(world: World, one: Warehouse, two: Warehouse) -> None:
    item = world.item(tracking="SERIAL")
    serial = world.lot(item, "SN1")
    line = {"item_id": item, "lot_id": serial, "quantity": 1}
    refused(
        world.call(
            "wms_document_create", document_type="IMPORT", to_location_id=one.id, lines=[{**line, "quantity": 2}]
        ),
        422,
        "wms.line_serial_quantity",
    )
    world.posted("IMPORT", {**line, "to_position_id": one.storage}, to_location_id=one.id)
    again = world.draft("IMPORT", line, to_location_id=two.id)
    details = refused(world.call("wms_document_post", id=again["id"]), 422, "wms.serial_elsewhere")
    assert details["lot"] == "SN1"
    world.posted("TRANSFER", line, from_location_id=one.id, to_location_id=two.id)
    unnamed = world.draft("SALE", {"item_id": item, "quantity": 1}, from_location_id=two.id)
    refused(world.call("wms_document_post", id=unnamed["id"]), 422, "wms.lot_required")
    assert violations(world.db, world.org.id) == {}


def test_a_serial_comes_in_once_at_the_same_moment(world: World, one: Warehouse, two: Warehouse, api: Any) -> None:
    item = world.item(tracking="SERIAL")
    line = {"item_id": item, "lot_id": world.lot(item, "SN1"), "quantity": 1}
    drafts = [world.draft("IMPORT", line, to_location_id=w.id)["id"] for w in (one, two, one, two)]
    clients = [api(world.org.admin_token) for _ in drafts]
    start = threading.Barrier(len(drafts))

    def post(client: Any, document_id: str) -> int:
        start.wait(timeout=60)
        return int(world.call("wms_document_post", client, id=document_id).status_code)

    with ThreadPoolExecutor(len(drafts)) as pool:
        assert sorted(pool.map(post, clients, drafts)) == [200, 422, 422, 422]
    assert violations(world.db, world.org.id) == {}


def test_many_are_posted_at_once_or_none(world: World, item: str, one: Warehouse, two: Warehouse, api: Any) -> None:
    line = {"item_id": item, "quantity": 4}
    drafts = [
        world.draft("SALE", line, from_location_id=one.id)["id"],
        world.draft("TRANSFER", line, from_location_id=one.id, to_location_id=two.id)["id"],
        world.draft("SALE", line, from_location_id=one.id)["id"],
    ]
    details = refused(world.call("wms_documents_post", ids=drafts), 422, "wms.insufficient_stock")
    assert (details["requested"], details["available"]) == (12, 10)
    world.posted("IMPORT", {**line, "to_position_id": one.storage}, to_location_id=one.id)
    refused(world.call("wms_documents_post", ids=[]), 422, "wms.documents_out_of_range")
    clerk = api(world.org.token(["wms.document.create"]))
    refused(world.call("wms_documents_post", clerk, ids=drafts), 403, "core.permission_missing")
    rows = world.done("wms_documents_post", ids=drafts)
    assert [(r["id"], r["status"], r["number"][-6:]) for r in rows] == [
        (drafts[0], "POSTED", "000001"), (drafts[1], "POSTED", "000001"), (drafts[2], "POSTED", "000002"),
    ]  # fmt: skip
    refused(world.call("wms_documents_post", ids=drafts), 409, "wms.document_not_draft")
    assert violations(world.db, world.org.id) == {}


def test_somebody_else_posts_what_is_worth_much(world: World, item: str, one: Warehouse, api: Any) -> None:
    world.db.execute(
        "insert into core.setting (org_id, code, value) values (%s, 'wms.second_person_total', '100')", [world.org.id]
    )
    line = {"item_id": item, "quantity": 1, "unit_price": 100}
    dear = world.draft("SALE", line, from_location_id=one.id)
    refused(world.call("wms_document_post", id=dear["id"]), 403, "wms.poster_is_creator")
    world.posted("SALE", {**line, "unit_price": 99}, from_location_id=one.id)
    other = api(world.org.token(["wms.document.post"]))
    assert world.done("wms_document_post", other, id=dear["id"])["status"] == "POSTED"
