"""Warehouses and positions: made by functions, kept apart by rules."""

from __future__ import annotations

import uuid
from typing import Any

from wms.support import Warehouse, World, refused


def test_a_warehouse_comes_with_four_positions(world: World) -> None:
    row = world.done("wms_warehouse_create", code=" NEW ", name="New one")
    assert (row["code"], row["name"], row["is_active"]) == ("NEW", "New one", True)
    positions = world.rows("wms_positions", warehouse_id=f"eq.{row['id']}", order="id")
    assert [p["kind"] for p in positions] == ["RECEIVING", "STORAGE", "SHIPPING", "UNASSIGNED"]
    assert {p["parent_id"] for p in positions} == {row["id"]}
    assert world.rows("wms_warehouses", code="eq.NEW")[0]["id"] == row["id"]


def test_a_warehouse_is_refused(world: World, api: Any) -> None:
    refused(world.call("wms_warehouse_create", code="ONE", name="Again"), 409, "wms.place_exists")
    refused(world.call("wms_warehouse_create", code=" ", name="Blank"), 422, "wms.warehouse_unnamed")
    parent = world.warehouses[0].id
    refused(
        world.call("wms_warehouse_create", code="IN", name="Inside", parent_id=parent),
        422,
        "wms.warehouse_in_warehouse",
    )
    nobody = api(world.org.token(["wms.document.create"]))
    refused(world.call("wms_warehouse_create", nobody, code="X", name="X"), 403, "core.permission_missing")
    assert len(world.rows("wms_warehouses")) == 2


def test_a_position_lies_in_its_warehouse_at_any_depth(world: World, one: Warehouse) -> None:
    rack = world.done("wms_position_create", warehouse_id=one.id, code="R1", name="Rack 1", zone="A", capacity=10,
                      capacity_unit="KGM")  # fmt: skip
    shelf = world.done(
        "wms_position_create", warehouse_id=one.id, parent_id=rack["id"], code="S1", name="Shelf 1", kind="PICKING"
    )
    assert (rack["kind"], rack["zone"], rack["warehouse_id"]) == ("STORAGE", "A", one.id)
    assert (shelf["parent_id"], shelf["warehouse_id"]) == (rack["id"], one.id)
    item = world.item()
    world.posted("IMPORT", {"item_id": item, "quantity": 3, "to_position_id": shelf["id"]}, to_location_id=one.id)
    assert world.stock(warehouse_id=f"eq.{one.id}") == {(item, shelf["id"]): 3}


def test_a_position_is_refused(world: World, one: Warehouse, two: Warehouse, api: Any) -> None:
    def call(**changes: Any) -> Any:
        return world.call("wms_position_create", **{"warehouse_id": one.id, "code": "P", "name": "P", **changes})

    refused(call(code=""), 422, "wms.position_unnamed")
    refused(call(kind="SITE"), 422, "wms.position_kind_unknown")
    refused(call(warehouse_id=one.storage), 422, "wms.not_a_warehouse")
    refused(call(warehouse_id=str(uuid.uuid4())), 422, "wms.not_a_warehouse")
    refused(call(parent_id=two.storage), 422, "wms.parent_elsewhere")
    refused(call(code="STORAGE"), 409, "wms.place_exists")
    nobody = api(world.org.token(["wms.document.create"]))
    refused(
        world.call("wms_position_create", nobody, warehouse_id=one.id, code="P", name="P"),
        403,
        "core.permission_missing",
    )


def test_stock_changes_its_warehouse_by_a_document_only(world: World, one: Warehouse, two: Warehouse) -> None:
    item = world.item()
    rack = world.done("wms_position_create", warehouse_id=one.id, code="R1", name="Rack 1")
    shelf = world.done("wms_position_create", warehouse_id=one.id, parent_id=rack["id"], code="S1", name="Shelf 1")
    line = {"item_id": item, "quantity": 3}
    world.posted("IMPORT", {**line, "to_position_id": shelf["id"]}, to_location_id=one.id)

    def move(parent_id: str) -> Any:
        return world.call("location_move", id=rack["id"], parent_id=parent_id)

    refused(move(two.id), 409, "wms.place_holds_stock")
    world.posted("EXPORT", {**line, "from_position_id": shelf["id"]}, from_location_id=one.id)
    assert move(two.id).status_code == 200, "an empty rack may go"
    world.posted("IMPORT", {**line, "to_position_id": shelf["id"]}, to_location_id=two.id)
    assert world.stock(warehouse_id=f"eq.{two.id}") == {(item, shelf["id"]): 3}
    assert world.stock(warehouse_id=f"eq.{one.id}") == {}
