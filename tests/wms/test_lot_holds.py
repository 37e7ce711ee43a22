"""Lots that may not be used: held, put aside in part, expired by the clock of their organisation."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from wms.flows import person, position
from wms.support import Warehouse, World, refused, violations


@pytest.fixture
def lot(world: World, one: Warehouse) -> tuple[str, str]:
    """An item and its lot, of which ten lie in STORAGE."""
    item = world.item(tracking="LOT")
    lot_id = world.lot(item, "B-1")
    world.posted(
        "IMPORT", {"item_id": item, "lot_id": lot_id, "quantity": 10, "to_position_id": one.storage},
        to_location_id=one.id,
    )  # fmt: skip
    return item, lot_id


def status(world: World, lot_id: str) -> tuple[str, str]:
    row = world.rows("wms_lots", id=f"eq.{lot_id}")[0]
    return row["status"], row["status_reason"]


def reserved(world: World, lot_id: str) -> float:
    return sum(row["reserved"] for row in world.rows("wms_stock", lot_id=f"eq.{lot_id}"))


@pytest.mark.parametrize("to", ["ON_HOLD", "QUARANTINED", "RECALLED", "EXPIRED", "DAMAGED"])
def test_what_is_promised_of_a_held_lot_is_released(
    world: World, one: Warehouse, lot: tuple[str, str], to: str
) -> None:
    item, lot_id = lot
    draft = world.draft("EXPORT", {"item_id": item, "quantity": 4}, from_location_id=one.id)
    world.done("wms_document_reserve", id=draft["id"])
    assert reserved(world, lot_id) == 4
    world.done("wms_lot_set_status", id=lot_id, status=to, reason="see report 9")
    assert reserved(world, lot_id) == 0
    ended = world.rows("wms_reservations", document_id=f"eq.{draft['id']}")
    assert [(r["status"], r["ended_because"]) for r in ended] == [("RELEASED", "LOT")]
    again = world.draft("EXPORT", {"item_id": item, "quantity": 1}, from_location_id=one.id)
    refused(world.call("wms_document_reserve", id=again["id"]), 422, "wms.insufficient_stock")
    assert violations(world.db, world.org.id) == {}


def test_who_posts_documents_is_told(world: World, lot: tuple[str, str], stack: Any, api: Any) -> None:
    keeper = person(world, api, "wms.document.post")
    for to in ("QUARANTINED", "DAMAGED"):
        world.done("wms_lot_set_status", id=lot[1], status=to, reason="wet")
    with psycopg.connect(stack.dsn("worker"), autocommit=True) as worker:
        titles: set[str] = set()
        for _ in range(200):
            worker.execute("select events.make_notifications(1000)")
            found = keeper.client.get("notifications", params={"select": "title"}).json()
            titles = {row["title"] for row in found}
            if len(titles) > 1:
                break
    assert titles >= {"A lot was quarantined", "A lot is damaged"}


def test_part_of_a_lot_is_put_aside(world: World, one: Warehouse, lot: tuple[str, str]) -> None:
    item, lot_id = lot
    cage = position(world, "Q-1", kind="QUARANTINE")
    move = {"from_position_id": one.storage, "to_position_id": cage, "item_id": item, "lot_id": lot_id}
    world.done("wms_stock_move", **move, quantity=3, reason="crushed")
    # The rest of the lot is used as before; what lies in the cage is promised to nobody.
    draft = world.draft("EXPORT", {"item_id": item, "quantity": 8}, from_location_id=one.id)
    details = refused(world.call("wms_document_reserve", id=draft["id"]), 422, "wms.insufficient_stock")
    assert details["available"] == 7
    # A held lot goes into the cage, and nowhere else.
    world.done("wms_lot_set_status", id=lot_id, status="ON_HOLD", reason="all of it")
    shelf = position(world, "A-1")
    refused(
        world.call("wms_stock_move", **{**move, "to_position_id": shelf}, quantity=1, reason="x"),
        423,
        "wms.lot_not_approved",
    )
    world.done("wms_stock_move", **move, quantity=7, reason="all of it")
    assert [p["position_code"] for p in world.done(
        "wms_put_away_propose", warehouse_id=one.id, item_id=item, lot_id=lot_id, quantity=1)] == ["Q-1"]  # fmt: skip


def test_a_lot_expires_when_its_last_day_is_over_where_it_lies(
    world: World, stack: Any, new_org: Any, api: Any
) -> None:
    """The same date in two organisations, 25 hours apart on the clock."""
    west, east = world, World(new_org(), world.client, world.db)
    zones = {"Pacific/Pago_Pago": west, "Pacific/Kiritimati": east}
    lots: dict[str, dict[str, str]] = {}
    for zone, side in zones.items():
        side.db.execute("update core.organization set time_zone = %s where id = %s", [zone, side.org.id])
        item = side.item(tracking="LOT")
        lots[zone] = {}
        for name, day in (("today_in_the_east", "Pacific/Kiritimati"), ("today_in_the_west", "Pacific/Pago_Pago")):
            row = side.db.execute(
                "insert into wms.lot (org_id, item_id, lot_no, expires_on) values (%s, %s, %s,"
                " (now() at time zone %s)::date) returning id", [side.org.id, item, name, day],
            ).fetchone()  # fmt: skip
            assert row is not None
            lots[zone][name] = str(row[0])
    with psycopg.connect(stack.dsn("worker"), autocommit=True) as worker:
        assert worker.execute("select wms.expire_lots()").fetchone()[0] >= 1  # type: ignore[index]
    found = {
        (zone, name): side.db.execute("select status from wms.lot where id = %s", [lot_id]).fetchone()[0]  # type: ignore[index]
        for zone, side in zones.items()
        for name, lot_id in lots[zone].items()
    }
    assert found == {
        ("Pacific/Pago_Pago", "today_in_the_east"): "APPROVED",
        ("Pacific/Pago_Pago", "today_in_the_west"): "APPROVED",
        ("Pacific/Kiritimati", "today_in_the_east"): "APPROVED",
        ("Pacific/Kiritimati", "today_in_the_west"): "EXPIRED",
    }
    with psycopg.connect(stack.dsn("worker"), autocommit=True) as worker:
        worker.execute("select wms.expire_lots()")
    assert status(west, lots["Pacific/Pago_Pago"]["today_in_the_west"])[0] == "APPROVED"


def test_an_expired_lot_is_disposed_of(world: World, one: Warehouse, lot: tuple[str, str]) -> None:
    item, lot_id = lot
    world.done("wms_lot_set_status", id=lot_id, status="EXPIRED", reason="out of date")
    done = world.done(
        "wms_stock_adjust", position_id=one.storage, item_id=item, lot_id=lot_id, new_quantity=0, reason="destroyed"
    )
    assert done["status"] == "POSTED"
    assert world.rows("wms_stock", lot_id=f"eq.{lot_id}", quantity="gt.0") == []
