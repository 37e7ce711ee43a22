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
    wms_flows.fill(side, warehouse, item, lot)
    wms_find.fill(side, warehouse)
