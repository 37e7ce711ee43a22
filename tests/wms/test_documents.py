"""Drafts: made, changed and cancelled, and every way in which they are refused."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import httpx
import pytest

from wms.support import Warehouse, World, refused


def uuid7(at: float | None = None) -> str:
    """A version 7 UUID of a moment (seconds since 1970; now)."""
    milliseconds = int((time.time() if at is None else at) * 1000)
    value = milliseconds << 80 | 0x7 << 76 | uuid.uuid4().int & 0xFFF3FFFFFFFFFFFFFFF | 0x2 << 62
    return str(uuid.UUID(int=value))


def test_a_draft_has_defaults_and_a_total(world: World, one: Warehouse) -> None:
    item = world.item()
    partner = world.partner()
    draft = world.draft(
        "IMPORT",
        {"item_id": item, "quantity": 2.5, "unit_price": 1.1111},
        {"item_id": item, "quantity": "3", "to_position_id": one.storage},
        to_location_id=one.id, partner_id=partner, reference=" DN 1 ",
    )  # fmt: skip
    assert (draft["status"], draft["number"], draft["line_count"], draft["version"]) == ("DRAFT", None, 2, 1)
    assert (draft["total"], draft["currency"], draft["reference"]) == (2.7778, "USD", "DN 1")
    lines = world.rows("wms_document_lines", document_id=f"eq.{draft['id']}", order="line_no")
    assert [(r["line_no"], r["to_position_id"], r["unit_code"]) for r in lines] == [
        (1, one.receiving, "C62"), (2, one.storage, "C62"),
    ]  # fmt: skip
    assert (lines[0]["amount"], lines[1]["amount"]) == (2.7778, None)
    assert world.stock() == {}, "a draft moves nothing"


def test_the_default_positions_are_a_setting(world: World, one: Warehouse) -> None:
    world.db.execute(
        "insert into core.setting (org_id, code, value) values (%s, 'wms.inbound_position', '\"STORAGE\"')",
        [world.org.id],
    )
    draft = world.draft("IMPORT", {"item_id": world.item(), "quantity": 1}, to_location_id=one.id)
    assert world.rows("wms_document_lines", document_id=f"eq.{draft['id']}")[0]["to_position_id"] == one.storage


def test_a_client_may_make_the_id(world: World, one: Warehouse) -> None:
    line = {"item_id": world.item(), "quantity": 1, "id": uuid7()}
    draft_id = uuid7()
    draft = world.draft("IMPORT", line, to_location_id=one.id, id=draft_id)
    assert draft["id"] == draft_id
    assert world.rows("wms_document_lines", document_id=f"eq.{draft_id}")[0]["id"] == line["id"]

    def again(document_id: str) -> httpx.Response:
        return world.call(
            "wms_document_create", document_type="IMPORT", lines=[line], to_location_id=one.id, id=document_id
        )

    refused(again(draft_id), 409, "wms.document_exists")
    refused(again(uuid7(time.time() + 10 * 365 * 86400)), 400, "core.id_out_of_range")
    refused(again(str(uuid.uuid4())), 400, "core.id_out_of_range")


HEADERS: list[tuple[str, str, dict[str, Any]]] = [
    ("wms.document_type_unknown", "GIFT", {"to": "one"}),
    ("wms.document_type_unknown", "import", {"to": "one"}),
    ("wms.warehouse_missing", "IMPORT", {}),
    ("wms.warehouse_missing", "EXPORT", {}),
    ("wms.warehouse_missing", "SALE", {}),
    ("wms.warehouse_missing", "TRANSFER", {"from": "one"}),
    ("wms.warehouse_missing", "TRANSFER", {"to": "one"}),
    ("wms.warehouse_not_wanted", "IMPORT", {"from": "one", "to": "two"}),
    ("wms.warehouse_not_wanted", "EXPORT", {"from": "one", "to": "two"}),
    ("wms.warehouse_not_wanted", "SALE", {"from": "one", "to": "two"}),
    ("wms.same_warehouse", "TRANSFER", {"from": "one", "to": "one"}),
    ("wms.not_a_warehouse", "IMPORT", {"to": "position"}),
    ("wms.not_a_warehouse", "IMPORT", {"to": "unknown"}),
    ("wms.place_inactive", "IMPORT", {"to": "closed"}),
    ("wms.partner_unknown", "IMPORT", {"to": "one", "partner": "unknown"}),
    ("wms.partner_inactive", "IMPORT", {"to": "one", "partner": "inactive"}),
]


@pytest.mark.parametrize(("code", "kind", "header"), HEADERS)
def test_a_header_is_refused(world: World, code: str, kind: str, header: dict[str, str]) -> None:
    one, two = world.warehouses
    closed, inactive = world.warehouse("CLOSED"), world.partner()
    world.db.execute(
        "update core.location set is_active = false where id = any (%s)", [[closed.id, *closed.positions.values()]]
    )
    world.db.execute("update core.partner set status = 'INACTIVE', status_reason = 'gone' where id = %s", [inactive])
    known = {"one": one.id, "two": two.id, "position": one.storage, "unknown": str(uuid.uuid4()), "closed": closed.id,
             "inactive": inactive, None: None}  # fmt: skip
    response = world.call(
        "wms_document_create", document_type=kind, lines=[{"item_id": world.item(), "quantity": 1}],
        from_location_id=known[header.get("from")], to_location_id=known[header.get("to")],
        partner_id=known[header.get("partner")],
    )  # fmt: skip
    refused(response, 422, code)


LINES: list[tuple[str, Any]] = [
    ("wms.lines_missing", []),
    ("wms.lines_malformed", None),
    ("wms.lines_malformed", {"item_id": "ITEM"}),
    ("wms.lines_malformed", [1]),
    ("wms.line_key_unknown", [{"item_id": "ITEM", "qty": 1}]),
    ("wms.line_item_unknown", [{"quantity": 1}]),
    ("wms.line_item_unknown", [{"item_id": "UNKNOWN", "quantity": 1}]),
    ("wms.line_item_inactive", [{"item_id": "INACTIVE", "quantity": 1}]),
    ("wms.line_quantity_not_positive", [{"item_id": "ITEM"}]),
    ("wms.line_quantity_not_positive", [{"item_id": "ITEM", "quantity": 0}]),
    ("wms.line_quantity_not_positive", [{"item_id": "ITEM", "quantity": -1}]),
    ("wms.line_quantity_not_positive", [{"item_id": "ITEM", "quantity": "NaN"}]),
    ("wms.line_quantity_too_small", [{"item_id": "ITEM", "quantity": 0.0000001}]),
    ("wms.line_price_negative", [{"item_id": "ITEM", "quantity": 1, "unit_price": -0.01}]),
    ("wms.line_unit_unknown", [{"item_id": "ITEM", "quantity": 1, "unit_code": "??"}]),
    ("core.no_conversion", [{"item_id": "ITEM", "quantity": 1, "unit_code": "KGM"}]),
    ("wms.line_lot_not_wanted", [{"item_id": "ITEM", "quantity": 1, "lot_id": "LOT"}]),
    ("wms.line_lot_unknown", [{"item_id": "TRACKED", "quantity": 1, "lot_id": "UNKNOWN"}]),
    ("wms.line_lot_unknown", [{"item_id": "TRACKED TOO", "quantity": 1, "lot_id": "LOT"}]),
    ("wms.line_place_elsewhere", [{"item_id": "ITEM", "quantity": 1, "to_position_id": "ELSEWHERE"}]),
    ("wms.line_place_elsewhere", [{"item_id": "ITEM", "quantity": 1, "to_position_id": "WAREHOUSE"}]),
    ("wms.line_place_elsewhere", [{"item_id": "ITEM", "quantity": 1, "to_position_id": "UNKNOWN"}]),
    ("wms.line_place_elsewhere", [{"item_id": "ITEM", "quantity": 1, "from_position_id": "ELSEWHERE"}]),
]


@pytest.mark.parametrize(("code", "lines"), LINES)
def test_lines_are_refused(world: World, code: str, lines: Any) -> None:
    one, two = world.warehouses
    tracked = world.item(tracking="LOT")
    known = {
        "ITEM": world.item(), "INACTIVE": world.item(is_active=False), "TRACKED": tracked, "LOT": world.lot(tracked),
        "TRACKED TOO": world.item(tracking="LOT"), "UNKNOWN": str(uuid.uuid4()), "ELSEWHERE": two.storage,
        "WAREHOUSE": one.id,
    }  # fmt: skip
    if isinstance(lines, list):
        lines = [{k: known.get(v, v) if isinstance(v, str) else v for k, v in x.items()} if isinstance(x, dict) else x
                 for x in lines]  # fmt: skip
    response = world.call("wms_document_create", document_type="IMPORT", to_location_id=one.id, lines=lines)
    refused(response, 422, code)
    assert world.rows("wms_documents") == []


def test_all_wrong_lines_are_told_at_once(world: World, one: Warehouse) -> None:
    item = world.item()
    response = world.call(
        "wms_document_create", document_type="IMPORT", to_location_id=one.id,
        lines=[
            {"item_id": item, "quantity": 1}, {"item_id": item, "quantity": 0},
            {"item_id": str(uuid.uuid4()), "quantity": 1},
        ],
    )  # fmt: skip
    details = refused(response, 422, "wms.line_quantity_not_positive")
    assert [(p["line"], p["code"]) for p in details["problems"]] == [
        (2, "wms.line_quantity_not_positive"), (3, "wms.line_item_unknown"),
    ]  # fmt: skip


def test_a_malformed_id_is_a_bad_request(world: World, one: Warehouse) -> None:
    response = world.call(
        "wms_document_create", document_type="IMPORT", to_location_id=one.id, lines=[{"item_id": "x", "quantity": 1}]
    )
    assert response.status_code == 400


def test_lines_are_replaced(world: World, one: Warehouse, api: Any) -> None:
    item, other = world.item(), world.item()
    draft = world.draft("IMPORT", {"item_id": item, "quantity": 1, "unit_price": 2}, to_location_id=one.id)
    lines = [{"item_id": other, "quantity": 4, "unit_price": 3}, {"item_id": item, "quantity": 1}]
    changed = world.done("wms_document_lines_put", id=draft["id"], version=1, lines=lines)
    assert (changed["line_count"], changed["total"]) == (2, 12)
    assert changed["version"] > 1
    rows = world.rows("wms_document_lines", document_id=f"eq.{draft['id']}", order="line_no")
    assert [(r["item_id"], r["quantity"]) for r in rows] == [(other, 4), (item, 1)]

    def put(version: int | None, lines: Any, client: Any = None) -> httpx.Response:
        return world.call("wms_document_lines_put", client, id=draft["id"], version=version, lines=lines)

    refused(put(1, lines), 412, "core.stale_version")
    refused(put(None, lines), 422, "wms.version_missing")
    refused(put(changed["version"], []), 422, "wms.lines_missing")
    refused(put(changed["version"], lines, api(world.org.token(["wms.document.post"]))), 403, "core.permission_missing")
    assert len(world.rows("wms_document_lines", document_id=f"eq.{draft['id']}")) == 2, "a refusal leaves the old lines"
    world.done("wms_document_post", id=draft["id"])
    refused(put(changed["version"] + 1, lines), 409, "wms.document_not_draft")


def test_the_header_of_a_draft_is_changed(world: World, one: Warehouse) -> None:
    draft = world.draft("IMPORT", {"item_id": world.item(), "quantity": 1}, to_location_id=one.id)

    def patch(**values: Any) -> httpx.Response:
        return world.client.patch("wms_documents", params={"id": f"eq.{draft['id']}"}, json=values)

    assert patch(reference="PO 9", version=1).status_code == 204
    refused(patch(reference="PO 10", version=1), 412, "core.stale_version")
    refused(patch(partner_id=str(uuid.uuid4())), 422, "wms.partner_unknown")
    world.done("wms_document_post", id=draft["id"])
    refused(patch(reference="PO 11"), 409, "wms.document_frozen")
    assert world.rows("wms_documents", id=f"eq.{draft['id']}")[0]["reference"] == "PO 9"


def test_a_draft_is_cancelled(world: World, one: Warehouse, api: Any) -> None:
    draft = world.draft("IMPORT", {"item_id": world.item(), "quantity": 1}, to_location_id=one.id)
    refused(world.call("wms_document_cancel", id=draft["id"], reason=" "), 422, "core.reason_missing")
    refused(world.call("wms_document_cancel", id=draft["id"], reason="x", version=5), 412, "core.stale_version")
    nobody = api(world.org.token(["wms.document.post"]))
    refused(world.call("wms_document_cancel", nobody, id=draft["id"], reason="x"), 403, "core.permission_missing")
    gone = world.done("wms_document_cancel", id=draft["id"], reason="ordered twice")
    assert (gone["status"], gone["status_reason"], gone["number"]) == ("CANCELLED", "ordered twice", None)
    assert gone["cancelled_at"] is not None
    refused(world.call("wms_document_cancel", id=draft["id"], reason="x"), 409, "wms.document_not_draft")
    refused(world.call("wms_document_post", id=draft["id"]), 409, "wms.document_not_draft")
    refused(world.call("wms_document_cancel", id=str(uuid.uuid4()), reason="x"), 404, "wms.document_not_found")


def test_creating_needs_the_permission(world: World, one: Warehouse, api: Any) -> None:
    nobody = api(world.org.token(["wms.document.post"]))
    line = {"item_id": world.item(), "quantity": 1}
    response = world.call("wms_document_create", nobody, document_type="IMPORT", to_location_id=one.id, lines=[line])
    refused(response, 403, "core.permission_missing")
    clerk = api(world.org.token(["wms.document.create"]))
    assert world.done("wms_document_create", clerk, document_type="IMPORT", to_location_id=one.id, lines=[line])["id"]
    external = api(world.org.token(partner_id=world.partner()))
    refusal = world.call("wms_document_create", external, document_type="IMPORT", to_location_id=one.id, lines=[line])
    assert refusal.status_code in (403, 404), "partners have no right to execute it"


def test_lines_are_the_json_that_was_sent(world: World, one: Warehouse) -> None:
    """Numbers as strings keep all their digits."""
    quantity = "123456789012.123456"
    draft = world.draft("IMPORT", {"item_id": world.item(), "quantity": quantity}, to_location_id=one.id)
    response = world.client.get(
        "wms_document_lines", params={"document_id": f"eq.{draft['id']}", "select": "quantity::text"}
    )
    assert json.loads(response.text) == [{"quantity": quantity}]
