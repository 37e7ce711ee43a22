"""Reservations: what is promised, in which order, who holds it, and how it ends."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from wms.support import Warehouse, World, refused, violations


def lot(world: World, item: str, lot_no: str, days: int | None = None) -> str:
    made = world.lot(item, lot_no)
    if days is not None:
        day = datetime.now(UTC).date() + timedelta(days=days)
        world.db.execute("update wms.lot set expires_on = %s where id = %s", [day, made])
    return made


def held(world: World, document_id: str, status: str = "HELD") -> list[tuple[str | None, str, float]]:
    """(lot, place, quantity) of the reservations of a document."""
    rows = world.rows("wms_reservations", document_id=f"eq.{document_id}", status=f"eq.{status}", order="id")
    return [(r["lot_no"], r["location_code"], float(r["quantity"])) for r in rows]


def stock(world: World, one: Warehouse, item: str, quantity: float, place: str | None = None, **line: Any) -> None:
    world.posted(
        "IMPORT", {"item_id": item, "quantity": quantity, "to_position_id": place or one.storage, **line},
        to_location_id=one.id,
    )  # fmt: skip


def sale(world: World, one: Warehouse, item: str, quantity: float, **line: Any) -> str:
    draft = world.draft("SALE", {"item_id": item, "quantity": quantity, **line}, from_location_id=one.id)
    return str(draft["id"])


def test_first_expired_goes_first_and_what_may_not_be_picked_is_skipped(world: World, one: Warehouse) -> None:
    item = world.item(tracking="LOT")
    never, late, soon = lot(world, item, "NEVER"), lot(world, item, "LATE", 90), lot(world, item, "SOON", 9)
    over, bad = lot(world, item, "OVER", 400), lot(world, item, "BAD", 1)
    for each in (never, late, soon, over, bad):
        stock(world, one, item, 4, lot_id=each)
    stock(world, one, item, 50, one.receiving, lot_id=soon)
    world.db.execute("update wms.lot set expires_on = current_date - 1 where id = %s", [over])
    world.done("wms_lot_set_status", id=bad, status="ON_HOLD", reason="wet")
    order = sale(world, one, item, 10)
    row = world.done("wms_document_reserve", id=order, version=1)
    assert (row["status"], row["version"]) == ("RESERVED", 2)
    assert held(world, order) == [("SOON", "STORAGE", 4), ("LATE", "STORAGE", 4), ("NEVER", "STORAGE", 2)]
    details = refused(world.call("wms_document_reserve", id=sale(world, one, item, 3)), 422, "wms.insufficient_stock")
    assert (details["requested"], details["available"]) == (3, 2)
    posted = world.done("wms_document_post", id=order)
    assert posted["status"] == "POSTED"
    assert held(world, order, "CONSUMED") and not held(world, order)
    rows = world.rows("wms_ledger", document_id=f"eq.{order}", delta="lt.0", order="id")
    assert [(r["lot_no"], float(r["delta"])) for r in rows] == [("SOON", -4), ("LATE", -4), ("NEVER", -2)]
    assert violations(world.db, world.org.id) == {}


def test_other_orders(world: World, one: Warehouse) -> None:
    item = world.item(tracking="LOT")
    old, new = lot(world, item, "OLD", 90), lot(world, item, "NEW", 9)
    shelf = world.done("wms_position_create", warehouse_id=one.id, code="S1", name="Shelf", parent_id=one.storage)["id"]
    stock(world, one, item, 3, lot_id=old)
    stock(world, one, item, 3, shelf, lot_id=new)
    orders = {s: sale(world, one, item, 1, from_position_id=shelf) for s in ("FIFO", "FEFO", "NEAREST", "POSITION")}
    for strategy, order in orders.items():
        world.done("wms_document_reserve", id=order, strategy=strategy)
    found = {strategy: held(world, order)[0][:2] for strategy, order in orders.items()}
    assert found == {
        "FIFO": ("OLD", "STORAGE"), "FEFO": ("NEW", "S1"), "NEAREST": ("NEW", "S1"), "POSITION": ("NEW", "S1"),
    }  # fmt: skip
    refused(
        world.call("wms_document_reserve", id=sale(world, one, item, 1), strategy="LIFO"), 422, "wms.strategy_unknown"
    )


def test_part_of_it_will_do_if_asked(world: World, one: Warehouse) -> None:
    plenty, little = world.item(), world.item()
    stock(world, one, plenty, 10)
    stock(world, one, little, 1)
    draft = world.draft(
        "EXPORT", {"item_id": plenty, "quantity": 5}, {"item_id": little, "quantity": 5}, from_location_id=one.id
    )["id"]
    refused(world.call("wms_document_reserve", id=draft), 422, "wms.insufficient_stock")
    assert held(world, draft) == []
    world.done("wms_document_reserve", id=draft, is_partial=True)
    assert held(world, draft) == [(None, "STORAGE", 5), (None, "STORAGE", 1)]
    stock(world, one, little, 9)
    world.done("wms_document_reserve", id=draft)
    assert held(world, draft) == [(None, "STORAGE", 5), (None, "STORAGE", 1), (None, "STORAGE", 4)]
    assert world.done("wms_document_post", id=draft)["status"] == "POSTED"
    assert violations(world.db, world.org.id) == {}


def test_what_is_promised_is_nobody_elses_until_it_is_released(world: World, one: Warehouse) -> None:
    item = world.item()
    stock(world, one, item, 5)
    order, other = sale(world, one, item, 4), sale(world, one, item, 3)
    world.done("wms_document_reserve", id=order)
    refused(world.call("wms_document_post", id=other), 422, "wms.insufficient_stock")
    reservation = world.rows("wms_reservations", document_id=f"eq.{order}")[0]
    assert (reservation["reserved_by"], reservation["document_type"]) == (str(world.org.users["admin"]), "SALE")
    released = world.done("wms_reservation_release", id=reservation["id"])
    assert (released["status"], released["ended_because"]) == ("RELEASED", "REQUESTED")
    refused(world.call("wms_reservation_release", id=reservation["id"]), 409, "wms.reservation_ended")
    refused(world.call("wms_reservation_release", id=str(uuid.uuid4())), 404, "wms.reservation_not_found")
    world.done("wms_document_post", id=other)
    refused(world.call("wms_document_post", id=order), 422, "wms.insufficient_stock")
    assert violations(world.db, world.org.id) == {}


def test_a_reserved_document_goes_its_way(world: World, one: Warehouse) -> None:
    item = world.item()
    stock(world, one, item, 5)
    order = sale(world, one, item, 4)
    refused(world.call("wms_document_start_picking", id=order), 409, "wms.document_status")
    refused(world.call("wms_document_pack", id=order), 409, "wms.document_status")
    refused(world.call("wms_document_release", id=order), 409, "wms.document_status")
    world.done("wms_document_reserve", id=order)
    refused(world.call("wms_document_lines_put", id=order, version=2, lines=[]), 409, "wms.document_not_draft")
    refused(world.call("wms_document_delete", id=order, version=2), 409, "wms.document_not_draft")
    world.done("wms_document_start_picking", id=order, version=2)
    refused(world.call("wms_document_reserve", id=order), 409, "wms.document_not_draft")
    refused(world.call("wms_document_cancel", id=order, reason="x"), 409, "wms.document_not_draft")
    assert world.done("wms_document_pack", id=order)["status"] == "PACKED"
    assert world.done("wms_document_release", id=order)["status"] == "DRAFT"
    assert held(world, order, "RELEASED") == [(None, "STORAGE", 4)]
    world.done("wms_document_reserve", id=order)
    row = world.done("wms_document_cancel", id=order, reason="customer gave up")
    assert row["status"] == "CANCELLED"
    assert world.rows("wms_reservations", document_id=f"eq.{order}", ended_because="eq.CANCELLED")
    assert violations(world.db, world.org.id) == {}


def test_a_reservation_is_refused(world: World, one: Warehouse, api: Any) -> None:
    item = world.item()
    stock(world, one, item, 5)
    order = sale(world, one, item, 4)
    incoming = world.draft("IMPORT", {"item_id": item, "quantity": 1}, to_location_id=one.id)["id"]
    refused(world.call("wms_document_reserve", id=incoming), 422, "wms.not_reservable")
    refused(world.call("wms_document_reserve", id=order, version=3), 412, "core.stale_version")
    refused(world.call("wms_document_reserve", id=order, expires_at="2020-01-01"), 422, "wms.expiry_past")
    refused(world.call("wms_document_reserve", id=str(uuid.uuid4())), 404, "wms.document_not_found")
    clerk = api(world.org.token(["wms.document.create", "wms.document.post"]))
    for function in ("wms_document_reserve", "wms_document_release", "wms_reservation_release", "wms_document_pack"):
        refused(world.call(function, clerk, id=order), 403, "core.permission_missing")
    refused(world.call("wms_document_start_picking", clerk, id=order), 403, "core.permission_missing")
    refused(world.call("wms_document_delete", clerk, id=order, version=1), 403, "core.permission_missing")


def test_a_draft_is_deleted(world: World, one: Warehouse) -> None:
    item = world.item()
    stock(world, one, item, 5)
    order = sale(world, one, item, 4)
    world.done("wms_document_reserve", id=order)
    world.done("wms_document_release", id=order)
    refused(world.call("wms_document_delete", id=order, version=1), 412, "core.stale_version")
    refused(world.call("wms_document_delete", id=order, version=None), 422, "wms.version_missing")
    assert world.done("wms_document_delete", id=order, version=3)["line_count"] == 1
    refused(world.call("wms_document_delete", id=order, version=3), 404, "wms.document_not_found")
    assert world.rows("wms_document_lines", document_id=f"eq.{order}") == []


def test_reservations_expire(world: World, one: Warehouse, stack: Any) -> None:
    item = world.item()
    stock(world, one, item, 5)
    order, other = sale(world, one, item, 4), sale(world, one, item, 1)
    world.done("wms_document_reserve", id=order)
    world.done("wms_document_reserve", id=other)
    row = world.rows("wms_reservations", document_id=f"eq.{order}")[0]
    assert datetime.fromisoformat(row["expires_at"]) > datetime.now(UTC) + timedelta(hours=71)
    world.db.execute("update wms.reservation set expires_at = now() where id = %s", [row["id"]])
    with psycopg.connect(stack.dsn("worker"), autocommit=True) as worker:
        worker.execute("select wms.expire_reservations()")
    assert world.rows("wms_reservations", document_id=f"eq.{order}")[0]["ended_because"] == "EXPIRED"
    assert held(world, other) == [(None, "STORAGE", 1)]
    assert violations(world.db, world.org.id) == {}


def test_what_is_held_of_a_lot_is_released_with_it(world: World, one: Warehouse) -> None:
    item = world.item(tracking="LOT")
    first, second = world.lot(item, "L1"), world.lot(item, "L2")
    for each in (first, second):
        stock(world, one, item, 4, lot_id=each)
    order = sale(world, one, item, 8)
    world.done("wms_document_reserve", id=order)
    with world.db.transaction():
        world.db.execute("set local role owner")
        world.db.execute("select set_config('request.jwt.claims', %s, true)", [f'{{"org_id": "{world.org.id}"}}'])
        row = world.db.execute("select wms.release_reservations_of_lot(%s, 'LOT')", [first]).fetchone()
    assert row == (1,)
    assert held(world, order) == [("L2", "STORAGE", 4)]
    assert violations(world.db, world.org.id) == {}


@pytest.mark.parametrize("strategy", ["FEFO", "NEAREST"])
def test_the_last_piece_is_promised_once(world: World, one: Warehouse, api: Any, strategy: str) -> None:
    item = world.item(tracking="SERIAL")
    for number in range(3):
        stock(world, one, item, 1, lot_id=world.lot(item, f"SN{number}"))
    orders = [sale(world, one, item, 1) for _ in range(6)]
    start = threading.Barrier(len(orders))
    clients = [api(world.org.admin_token) for _ in orders]

    def reserve(client: Any, order: str) -> int:
        start.wait(timeout=60)
        return int(world.call("wms_document_reserve", client, id=order, strategy=strategy).status_code)

    with ThreadPoolExecutor(len(orders)) as pool:
        assert sorted(pool.map(reserve, clients, orders)) == [200] * 3 + [422] * 3
    lots = [r["lot_no"] for r in world.rows("wms_reservations", status="eq.HELD")]
    assert sorted(lots) == ["SN0", "SN1", "SN2"], "each serial once"
    assert violations(world.db, world.org.id) == {}
