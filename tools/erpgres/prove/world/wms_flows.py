"""What each organisation of the proof has of put-away, counts, adjustments and handling units."""

from __future__ import annotations

from erpgres.prove.world import Side

SSCC = "106141411234567897"


def fill(side: Side, warehouse: str, item: str, lot: str) -> None:
    """Make the rows; ten of the lot lie in the warehouse."""
    place = side.value(
        "select location_id from api.wms_stock where warehouse_id = %s and quantity > 4 order by id limit 1", warehouse
    )
    goods = {"item_id": item, "lot_id": lot}
    side.insert("wms_put_away_rules", warehouse_id=warehouse, item_id=item, zone="A")
    side.insert("wms_count_rules", warehouse_id=warehouse, every_days=30)
    unit = side.call("wms_handling_unit_create", position_id=place, sscc=SSCC)["id"]
    side.call("wms_handling_unit_pack", id=unit, quantity=1, **goods)
    seen = side.call("wms_count_plan", warehouse_id=warehouse, is_blind=False)["id"]
    side.call("wms_count_start", id=seen)
    side.call("wms_count_cancel", id=seen, reason="Another day")
    # Blind and not finished: what is expected is hidden from everybody.
    blind = side.call("wms_count_plan", warehouse_id=warehouse)["id"]
    side.call("wms_count_start", id=blind)
    side.call("wms_count_record", id=blind, position_id=place, counted=4, **goods)
    other = side.call("wms_position_create", warehouse_id=warehouse, code="B", name="B")["id"]
    side.call("wms_stock_adjust", position_id=other, new_quantity=1000, reason="Found", **goods)
