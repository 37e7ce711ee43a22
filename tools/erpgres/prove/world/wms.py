"""What each organisation of the proof has of the warehouse: stock of a lot, documents of both partners, a draft."""

from __future__ import annotations

from erpgres.prove.world import Side, wms_find, wms_flows


def fill(side: Side) -> None:
    """Make the rows, with the item of core."""
    item = side.ids["item"]
    warehouse = side.call("wms_warehouse_create", code="W", name="Warehouse")["id"]
    lot = side.insert("wms_lots", item_id=item, lot_no="L1")["id"]
    line = {"item_id": item, "lot_id": lot, "quantity": 5, "unit_price": 1}
    for partner in side.partners:
        document = side.call(
            "wms_document_create", document_type="IMPORT", to_location_id=warehouse, partner_id=partner, lines=[line]
        )["id"]
        side.call("wms_document_post", id=document)
    side.call("wms_document_create", document_type="IMPORT", to_location_id=warehouse, lines=[line])
    _fill_engine(side, warehouse, line)
    wms_flows.fill(side, warehouse, item, lot)
    wms_find.fill(side, warehouse)


def _fill_engine(side: Side, warehouse: str, line: dict[str, object]) -> None:
    """A reservation, a reversed document, layers of value, a closed day."""
    query = "select id from api.wms_positions where warehouse_id = %s and kind = 'STORAGE'"
    storage = str(side.value(query, warehouse))
    stored = {**line, "to_position_id": storage}
    first = side.call("wms_document_create", document_type="IMPORT", to_location_id=warehouse, lines=[stored])["id"]
    side.call("wms_document_post", id=first)
    sale = side.call(
        "wms_document_create", document_type="SALE", from_location_id=warehouse, lines=[{**line, "quantity": 1}]
    )["id"]
    side.call("wms_document_reserve", id=sale)
    side.background(
        "insert into core.setting (org_id, code, value) values (%s, 'wms.valuation_method', '\"FIFO\"')", side.org_id
    )
    second = side.call("wms_document_create", document_type="IMPORT", to_location_id=warehouse, lines=[stored])["id"]
    side.call("wms_document_post", id=second)
    side.call("wms_document_reverse", id=second, reason="entered twice")
    side.call("wms_period_close", through="2020-01-31")
