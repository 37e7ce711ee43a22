"""What stock is worth: moving average and layers, agreeing with the ledger to the last digit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wms.support import Warehouse, World, refused, violations


def on(days_ago: int) -> str:
    return str(datetime.now(UTC).date() - timedelta(days=days_ago))


def method(world: World, name: str) -> None:
    world.db.execute(
        "insert into core.setting (org_id, code, value) values (%s, 'wms.valuation_method', to_jsonb(%s::text))"
        " on conflict (org_id, code) do update set value = excluded.value, version = core.setting.version",
        [world.org.id, name],
    )


def bought(world: World, one: Warehouse, item: str, quantity: float, price: float | None, **header: Any) -> Any:
    line = {"item_id": item, "quantity": quantity, "to_position_id": one.storage, "unit_price": price}
    return world.posted("IMPORT", line, to_location_id=one.id, **header)


def sold(world: World, one: Warehouse, item: str, quantity: float, **header: Any) -> Any:
    return world.posted(
        "SALE", {"item_id": item, "quantity": quantity, "unit_price": 99}, from_location_id=one.id, **header
    )


def cost(world: World, document: dict[str, Any]) -> float:
    """What left or came into real places with a document."""
    rows = world.rows("wms_ledger", document_id=f"eq.{document['id']}", is_virtual="is.false")
    return float(sum(r["value_delta"] for r in rows))


def worth(world: World, **arguments: Any) -> dict[tuple[str, str], tuple[float, float]]:
    """{(item, warehouse): (quantity, value)}."""
    rows = world.done("wms_valuation", **arguments)
    return {(r["item_id"], r["warehouse_code"]): (float(r["quantity"]), float(r["value"])) for r in rows}


def test_moving_average(world: World, one: Warehouse, two: Warehouse) -> None:
    item = world.item()
    bought(world, one, item, 10, 1)
    bought(world, one, item, 5, 4)
    assert cost(world, sold(world, one, item, 1)) == -2
    assert cost(world, bought(world, one, item, 1, None)) == 2, "without a price: at the cost of what lies there"
    moved = world.posted("TRANSFER", {"item_id": item, "quantity": 5}, from_location_id=one.id, to_location_id=two.id)
    assert cost(world, moved) == 0
    assert worth(world) == {(item, "ONE"): (10, 20), (item, "TWO"): (5, 10)}
    inside = world.posted(
        "MOVE", {"item_id": item, "quantity": 3, "from_position_id": one.storage, "to_position_id": one.receiving},
        from_location_id=one.id,
    )  # fmt: skip
    assert {r["value_delta"] for r in world.rows("wms_ledger", document_id=f"eq.{inside['id']}")} == {0}
    lost = world.posted(
        "ADJUSTMENT", {"item_id": item, "quantity": 1, "from_position_id": one.storage}, from_location_id=one.id
    )
    assert cost(world, lost) == -2
    back = world.posted("RETURN", {"item_id": item, "quantity": 1, "unit_price": 99}, to_location_id=one.id)
    assert cost(world, back) == 2, "the customer's price is not our cost"
    assert worth(world, warehouse_id=one.id) == {(item, "ONE"): (10, 20)}
    assert violations(world.db, world.org.id) == {}


def test_no_cent_is_lost(world: World, one: Warehouse) -> None:
    """Ten thirds: each piece leaves at a rounded cost, the last one takes what is left."""
    item = world.item()
    bought(world, one, item, 3, 3.3333)
    bought(world, one, item, 4, 0.0001)
    spent = sum(cost(world, sold(world, one, item, 1)) for _ in range(7))
    assert round(spent, 4) == -10.0003
    assert worth(world) == {}
    assert violations(world.db, world.org.id) == {}


def test_layers_first_in_first_out(world: World, one: Warehouse, two: Warehouse) -> None:
    method(world, "FIFO")
    item = world.item()
    bought(world, one, item, 10, 1)
    second = bought(world, one, item, 10, 4)
    assert cost(world, sold(world, one, item, 4)) == -4
    sale = sold(world, one, item, 8)
    assert cost(world, sale) == -(6 * 1 + 2 * 4)
    world.posted("TRANSFER", {"item_id": item, "quantity": 2}, from_location_id=one.id, to_location_id=two.id)
    assert worth(world) == {(item, "ONE"): (6, 24), (item, "TWO"): (2, 8)}
    mirror = world.done("wms_document_reverse", id=sale["id"], reason="x")
    assert cost(world, mirror) == 14, "it comes back at what it had cost"
    refused(world.call("wms_document_reverse", id=second["id"], reason="x", version=9), 412, "core.stale_version")
    assert violations(world.db, world.org.id) == {}


def test_a_reversed_receipt_leaves_at_its_own_value(world: World, one: Warehouse) -> None:
    for name, kept in (("AVERAGE", 10), ("FIFO", 10)):
        method(world, name)
        item = world.item()
        bought(world, one, item, 10, 1)
        dear = bought(world, one, item, 10, 4)
        mirror = world.done("wms_document_reverse", id=dear["id"], reason="x")
        assert cost(world, mirror) == -40
        assert worth(world)[item, "ONE"] == (10, kept)
    assert violations(world.db, world.org.id) == {}


def test_a_reversal_takes_no_more_value_than_there_is(world: World, one: Warehouse) -> None:
    """Ten of twenty left at the average: what the dear ten had cost is not all there any more."""
    item = world.item()
    bought(world, one, item, 10, 1)
    dear = bought(world, one, item, 10, 4)
    sold(world, one, item, 10)
    mirror = world.done("wms_document_reverse", id=dear["id"], reason="x")
    assert cost(world, mirror) == -25
    assert worth(world) == {}
    assert violations(world.db, world.org.id) == {}


@pytest.mark.parametrize("name", ["AVERAGE", "FIFO"])
def test_what_is_entered_later_changes_nothing_that_was_entered_before(world: World, one: Warehouse, name: str) -> None:
    method(world, name)
    item = world.item()
    bought(world, one, item, 10, 2, posting_date=on(9))
    sale = sold(world, one, item, 5, posting_date=on(5))
    before = world.rows("wms_ledger", document_id=f"eq.{sale['id']}", order="id")
    bought(world, one, item, 10, 8, posting_date=on(7))
    assert world.rows("wms_ledger", document_id=f"eq.{sale['id']}", order="id") == before
    assert worth(world, on_date=on(10)) == {}
    assert worth(world, on_date=on(8)) == {(item, "ONE"): (10, 20)}
    assert worth(world, on_date=on(6)) == {(item, "ONE"): (20, 100)}
    assert worth(world, on_date=on(5)) == {(item, "ONE"): (15, 90)} == worth(world)
    assert violations(world.db, world.org.id) == {}


def test_the_method_is_changed_under_way(world: World, one: Warehouse) -> None:
    item = world.item()
    bought(world, one, item, 10, 1)
    bought(world, one, item, 10, 3)
    method(world, "FIFO")
    bought(world, one, item, 10, 9)
    assert cost(world, sold(world, one, item, 25)) == -(40 + 45), "what lay there is one layer"
    assert violations(world.db, world.org.id) == {}
    method(world, "AVERAGE")
    bought(world, one, item, 5, 1)
    assert cost(world, sold(world, one, item, 10)) == -50
    assert violations(world.db, world.org.id) == {}


def test_valuation_is_for_members_of_the_organisation(world: World, one: Warehouse, new_org: Any, api: Any) -> None:
    bought(world, one, world.item(), 1, 1)
    stranger = World(new_org(), api(new_org().admin_token), world.db)
    assert stranger.done("wms_valuation", warehouse_id=one.id) == []
    external = api(world.org.token(partner_id=world.partner()))
    assert external.post("rpc/wms_valuation", json={}).status_code in (403, 404)
