"""Where a lot came from and went to, and its recall."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from wms.support import World, refused


@pytest.fixture
def travelled(world: World) -> World:
    """A lot: 10 in from a supplier, 6 to the other warehouse, 4 sold from there, 1 still promised by a draft."""
    one, two = world.warehouses
    world.tea = world.item(tracking="LOT")  # type: ignore[attr-defined]
    world.batch = world.lot(world.tea, "B-1")  # type: ignore[attr-defined]
    world.supplier, world.customer = world.partner(), world.partner()  # type: ignore[attr-defined]
    line = {"item_id": world.tea, "lot_id": world.batch}  # type: ignore[attr-defined]
    world.posted(
        "IMPORT", {**line, "quantity": 10, "to_position_id": one.storage}, to_location_id=one.id,
        partner_id=world.supplier,  # type: ignore[attr-defined]
    )  # fmt: skip
    world.posted(
        "TRANSFER", {**line, "quantity": 6, "from_position_id": one.storage, "to_position_id": two.storage},
        from_location_id=one.id, to_location_id=two.id,
    )  # fmt: skip
    world.posted(
        "SALE", {**line, "quantity": 4, "from_position_id": two.storage}, from_location_id=two.id,
        partner_id=world.customer,  # type: ignore[attr-defined]
    )  # fmt: skip
    world.draft("SALE", {**line, "quantity": 1, "from_position_id": two.storage}, from_location_id=two.id)
    return world


def test_the_steps_of_a_lot(travelled: World) -> None:
    steps = travelled.done("wms_lot_trace", lot_id=travelled.batch)  # type: ignore[attr-defined]
    assert [(s["step"], s["document_type"], s["quantity"]) for s in steps] == [
        ("ORIGIN", "IMPORT", 10), ("MOVE", "TRANSFER", 6), ("DESTINATION", "SALE", 4),
    ]  # fmt: skip
    assert [(s["from_places"], s["to_places"]) for s in steps] == [
        (["SUPPLIER"], ["ONE/STORAGE"]), (["ONE/STORAGE"], ["TWO/STORAGE"]), (["TWO/STORAGE"], ["CUSTOMER"]),
    ]  # fmt: skip
    assert [s["partner_id"] for s in steps] == [travelled.supplier, None, travelled.customer]  # type: ignore[attr-defined]

    def kinds(**more: Any) -> list[str]:
        return [s["step"] for s in travelled.done("wms_lot_trace", lot_id=travelled.batch, **more)]  # type: ignore[attr-defined]

    assert kinds(direction="BACK") == ["ORIGIN", "MOVE"]
    assert kinds(direction="FORWARD") == ["MOVE", "DESTINATION"]
    assert kinds(page_size=2) == ["ORIGIN", "MOVE"] and kinds(after=steps[1]["id"]) == ["DESTINATION"]


def test_a_recall_says_where_it_is(travelled: World) -> None:
    report = travelled.done("wms_lot_recall", lot_id=travelled.batch, reason="metal found")  # type: ignore[attr-defined]
    assert (report["status"], report["status_reason"]) == ("RECALLED", "metal found")
    assert (report["quantity_in_house"], report["quantity_delivered"]) == (6, 4)
    assert [(e["warehouse_code"], e["location_code"], e["quantity"]) for e in report["in_house"]] == [
        ("ONE", "STORAGE", 4), ("TWO", "STORAGE", 2),
    ]  # fmt: skip
    assert [(e["partner_id"], e["quantity"]) for e in report["received_by"]] == [(travelled.customer, 4)]  # type: ignore[attr-defined]
    assert [(e["partner_id"], e["quantity"]) for e in report["supplied_by"]] == [(travelled.supplier, 10)]  # type: ignore[attr-defined]
    assert [(e["status"], e["quantity"]) for e in report["planned"]] == [("DRAFT", 1)]
    assert report["received_by"][0]["documents"][0]["number"].startswith("SAL-")
    draft = report["planned"][0]["document_id"]
    refused(travelled.call("wms_document_post", id=draft), 423, "wms.lot_not_approved")
    assert travelled.done("wms_lot_report", lot_id=travelled.batch)["quantity_in_house"] == 6  # type: ignore[attr-defined]


def test_it_is_refused(travelled: World, new_org: Any, api: Any) -> None:
    lot = travelled.batch  # type: ignore[attr-defined]
    refused(travelled.call("wms_lot_trace", lot_id=lot, direction="UP"), 422, "wms.trace_direction")
    refused(travelled.call("wms_lot_trace", lot_id=lot, page_size=101), 422, "wms.page_size")
    refused(travelled.call("wms_lot_recall", lot_id=lot, reason=" "), 422, "core.reason_missing")
    refused(travelled.call("wms_lot_recall", lot_id=lot, reason="metal", version=99), 412, "core.stale_version")
    stranger = api(new_org().admin_token)
    for function in ("wms_lot_trace", "wms_lot_report"):
        refused(travelled.call(function, lot_id=str(uuid.uuid4())), 404, "wms.lot_not_found")
        refused(travelled.call(function, stranger, lot_id=lot), 404, "wms.lot_not_found")
    refused(travelled.call("wms_lot_recall", stranger, lot_id=lot, reason="x"), 404, "wms.lot_not_found")
    nobody = api(travelled.org.token(["wms.lot.update"]))
    refused(travelled.call("wms_lot_recall", nobody, lot_id=lot, reason="x"), 403, "core.permission_missing")
    travelled.done("wms_lot_recall", lot_id=lot, reason="x")
    refused(travelled.call("wms_lot_recall", lot_id=lot, reason="again"), 409, "wms.lot_status_unchanged")
