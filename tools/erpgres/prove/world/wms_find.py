"""What each organisation of the proof has of what is kept in stock: a rule that is kept, and one that is not."""

from __future__ import annotations

from erpgres.prove.world import Side


def fill(side: Side, warehouse_id: str) -> None:
    """Make the rows; nothing is in the warehouse of the item that is short."""
    short = side.insert("items", sku="SHORT", name="Short", **{"class": "GOODS"}, unit_code="C62")["id"]
    for item, minimum in ((side.ids["item"], 0), (short, 5)):
        side.insert("wms_reorder_rules", item_id=item, warehouse_id=warehouse_id, minimum=minimum, maximum=10)
