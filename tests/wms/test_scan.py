"""wms_scan: what a barcode is, what may be done with it, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from wms.support import World, refused

GTIN = "4006381333931"  # check digit 1
GS = "\x1d"


def actions(row: dict[str, Any]) -> dict[str, bool]:
    return {action["function"]: action["is_allowed"] for action in row["actions"]}


@pytest.fixture
def labelled(world: World) -> World:
    """An item with a barcode on its carton, tracked by lot."""
    world.thing = world.item(sku="TEA-1", name="Tea", tracking="LOT")  # type: ignore[attr-defined]
    answer = world.client.post(
        "item_barcodes",
        json={"item_id": world.thing, "barcode": GTIN, "unit_code": "XCT"},  # type: ignore[attr-defined]
    )
    assert answer.status_code == 201, answer.text
    return world


def test_an_item(labelled: World, api: Any) -> None:
    for code in (GTIN, f"0{GTIN}", "tea-1", f"(01)0{GTIN}", f"010{GTIN}", f"]C1010{GTIN}"):
        rows = labelled.done("wms_scan", barcode=code)
        assert [(row["entity"], row["id"]) for row in rows] == [("item", labelled.thing)], code  # type: ignore[attr-defined]
    assert labelled.done("wms_scan", barcode=GTIN)[0]["details"]["barcode_unit_code"] == "XCT"
    assert actions(rows[0])["wms_document_create"] is True
    reader = api(labelled.org.token([]))
    row = labelled.done("wms_scan", reader, barcode=GTIN)[0]
    refusals = {a["function"]: a.get("refused", {}).get("code") for a in row["actions"]}
    assert refusals["wms_document_create"] == "core.permission_missing" and refusals["wms_item_card"] is None
    labelled.db.execute("update core.item set is_active = false where id = %s", [labelled.thing])  # type: ignore[attr-defined]
    row = labelled.done("wms_scan", barcode=GTIN)[0]
    refusals = {a["function"]: a.get("refused", {}).get("code") for a in row["actions"]}
    assert refusals["wms_document_create"] == "wms.item_not_active"


def test_a_lot(labelled: World) -> None:
    lot = labelled.lot(labelled.thing, "B7")  # type: ignore[attr-defined]
    other = labelled.lot(labelled.item(tracking="SERIAL"), "B7")
    scanner = f"]d201{'0' + GTIN}17281231{'10B7'}{GS}3712"
    for code in (f"(01)0{GTIN}(17)281231(10)B7", scanner):
        rows = labelled.done("wms_scan", barcode=code)
        assert [row["entity"] for row in rows] == ["item", "wms_lot"], code
        assert rows[1]["id"] == lot and rows[1]["details"]["expires_on_label"] == "2028-12-31"
    assert rows[1]["details"]["gs1"] == {"01": f"0{GTIN}", "17": "281231", "10": "B7", "37": "12"}
    both = labelled.done("wms_scan", barcode="B7")
    assert {row["id"] for row in both} == {lot, other}, "all meanings"
    assert {row["id"] for row in labelled.done("wms_scan", barcode="(21)B7")} == {lot, other}
    assert actions(rows[1])["wms_lot_recall"] is True
    labelled.done("wms_lot_recall", lot_id=lot, reason="mould")
    row = next(r for r in labelled.done("wms_scan", barcode="B7") if r["id"] == lot)
    refusals = {a["function"]: a.get("refused", {}).get("code") for a in row["actions"]}
    assert row["details"]["status"] == "RECALLED" and refusals["wms_document_create"] == "wms.lot_may_not_move"
    assert refusals["wms_lot_recall"] == refusals["wms_lot_set_status"] == "wms.lot_status_final"
    new = labelled.done("wms_scan", barcode=f"(01)0{GTIN}(10)NEW")
    assert [(row["entity"], row["id"]) for row in new] == [("item", labelled.thing), ("wms_lot", None)]  # type: ignore[attr-defined]
    assert new[1]["details"]["is_new"] is True and new[1]["title"] == "NEW"


def test_places_and_documents(labelled: World) -> None:
    one = labelled.warehouses[0]
    assert [row["id"] for row in labelled.done("wms_scan", barcode="ONE")] == [one.id]
    assert [row["id"] for row in labelled.done("wms_scan", barcode="ONE/STORAGE")] == [one.storage]
    both = labelled.done("wms_scan", barcode="storage")
    assert {row["id"] for row in both} == {w.storage for w in labelled.warehouses}
    draft = labelled.draft(
        "IMPORT", {"item_id": labelled.item(), "quantity": 1}, to_location_id=one.id, reference="DN-1"
    )
    row = labelled.done("wms_scan", barcode="dn-1")[0]
    assert row["id"] == draft["id"] and row["details"]["status"] == "DRAFT"
    assert actions(row)["wms_document_post"] and actions(row)["wms_document_lines_put"]
    number = labelled.done("wms_document_post", id=draft["id"])["number"]
    row = labelled.done("wms_scan", barcode=number)[0]
    refusals = {a["function"]: a.get("refused", {}).get("code") for a in row["actions"]}
    assert refusals["wms_document_post"] == "core.transition_refused"
    assert refusals["wms_document_lines_put"] == "wms.document_not_draft"


def test_it_is_refused(labelled: World, new_org: Any, api: Any) -> None:
    refused(labelled.call("wms_scan", barcode=" "), 422, "wms.barcode_missing")
    refused(labelled.call("wms_scan", barcode=f"(01)0{GTIN[:-1]}2"), 422, "wms.barcode_check_digit")
    refused(labelled.call("wms_scan", barcode="(00)106141412345678909"), 422, "wms.barcode_check_digit")
    refused(labelled.call("wms_scan", barcode=f"(01)0{GTIN}(17)281341"), 422, "wms.barcode_malformed")
    refused(labelled.call("wms_scan", barcode="]C101400638"), 422, "wms.barcode_malformed")
    refused(labelled.call("wms_scan", barcode="nothing"), 404, "wms.barcode_unknown")
    refused(labelled.call("wms_scan", api(new_org().admin_token), barcode=GTIN), 404, "wms.barcode_unknown")
    external = api(labelled.org.token(partner_id=labelled.partner()))
    assert external.post("rpc/wms_scan", json={"barcode": GTIN}).status_code in (403, 404)


def test_how_gs1_is_read(db: Any) -> None:
    def read(code: str) -> Any:
        return db.execute("select wms.read_gs1(%s)", [code]).fetchone()[0]

    assert read("(01)09506000134352(10)A/1-2(21)S9") == {"01": "09506000134352", "10": "A/1-2", "21": "S9"}
    assert read("010950600013435210ABC" + GS + "21X") == {"01": "09506000134352", "10": "ABC", "21": "X"}
    assert read("]C100106141412345678908") == {"00": "106141412345678908"}
    assert read("00106141412345678908") == {"00": "106141412345678908"}
    assert read("]Q33103001750" + "15260131") == {"3103": "001750", "15": "260131"}
    assert read("4006381333931") is None and read("ABC-01") is None
    assert read("01095060001343531") is None, "its check digit is wrong, so it is no GS1 code"
    day = db.execute("select wms.gs1_date('270200'), wms.gs1_date('270230')").fetchone()
    assert [str(day[0]), day[1]] == ["2027-02-28", None]


def test_a_handling_unit(labelled: World) -> None:
    one = labelled.warehouses[0]
    sscc = "106141412345678908"
    made = labelled.done("wms_handling_unit_create", position_id=one.storage, sscc=sscc)
    for code in (sscc, f"(00){sscc}", f"]C100{sscc}"):
        row = labelled.done("wms_scan", barcode=code)[0]
        assert (row["entity"], row["id"], row["title"]) == ("wms_handling_unit", made["id"], sscc), code
    assert row["details"]["contents"] == [] and actions(row)["wms_handling_unit_move"] is True
    assert [r["entity"] for r in labelled.done("search", q=sscc)] == ["wms_handling_unit"]
    labelled.done("wms_handling_unit_dissolve", id=made["id"], reason="broken")
    row = labelled.done("wms_scan", barcode=sscc)[0]
    refusals = {a["function"]: a.get("refused", {}).get("code") for a in row["actions"]}
    assert refusals["wms_handling_unit_move"] == "wms.handling_unit_status"
