"""Posting: what it does to stock, ledger and numbers, and every way in which it is refused."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from wms.conftest import Acting
from wms.support import Connection, Warehouse, World, refused, violations


def ledger(world: World, document_id: str) -> set[tuple[str, float]]:
    return {(r["location_code"], float(r["delta"])) for r in world.rows("wms_ledger", document_id=f"eq.{document_id}")}


def test_goods_come_in_move_and_go_out(world: World, one: Warehouse, two: Warehouse) -> None:
    item = world.item()
    came = world.posted(
        "IMPORT", {"item_id": item, "quantity": 10, "to_position_id": one.storage}, to_location_id=one.id
    )
    assert (came["status"], came["version"]) == ("POSTED", 2)
    assert came["posted_at"] is not None and came["posting_date"] is not None
    assert came["posted_by"] == str(world.org.users["admin"])
    assert ledger(world, came["id"]) == {("SUPPLIER", -10), ("STORAGE", 10)}
    moved = world.posted("TRANSFER", {"item_id": item, "quantity": 4}, from_location_id=one.id, to_location_id=two.id)
    assert ledger(world, moved["id"]) == {("STORAGE", -4), ("RECEIVING", 4)}
    for kind in ("EXPORT", "SALE"):
        left = world.posted(kind, {"item_id": item, "quantity": 1}, from_location_id=one.id)
        assert ledger(world, left["id"]) == {("STORAGE", -1), ("CUSTOMER", 1)}
    assert world.stock() == {(item, one.storage): 4, (item, two.receiving): 4}
    row = world.rows("wms_stock", warehouse_id=f"eq.{two.id}")[0]
    assert (row["available"], row["warehouse_code"], row["location_code"]) == (4, "TWO", "RECEIVING")
    assert violations(world.db, world.org.id) == {}


def test_numbers_have_no_gap_and_each_type_its_own(world: World, one: Warehouse) -> None:
    item = world.item()
    year = datetime.now(UTC).year
    first = world.posted(
        "IMPORT", {"item_id": item, "quantity": 2, "to_position_id": one.storage}, to_location_id=one.id
    )
    short = world.draft("EXPORT", {"item_id": item, "quantity": 9}, from_location_id=one.id)
    refused(world.call("wms_document_post", id=short["id"]), 422, "wms.insufficient_stock")
    left = world.posted("EXPORT", {"item_id": item, "quantity": 1}, from_location_id=one.id)
    second = world.posted("IMPORT", {"item_id": item, "quantity": 2}, to_location_id=one.id)
    assert [first["number"], second["number"]] == [f"IMP-{year}-000001", f"IMP-{year}-000002"]
    assert left["number"] == f"EXP-{year}-000001", "the refused export gave its number back"


def test_a_post_is_refused(world: World, one: Warehouse, api: Any) -> None:
    draft = world.draft("IMPORT", {"item_id": world.item(), "quantity": 1}, to_location_id=one.id)
    refused(world.call("wms_document_post", id=str(uuid.uuid4())), 404, "wms.document_not_found")
    refused(world.call("wms_document_post", id=draft["id"], version=7), 412, "core.stale_version")
    clerk = api(world.org.token(["wms.document.create", "wms.document.cancel"]))
    refused(world.call("wms_document_post", clerk, id=draft["id"]), 403, "core.permission_missing")
    assert world.done("wms_document_post", id=draft["id"], version=1)["status"] == "POSTED"
    details = refused(world.call("wms_document_post", id=draft["id"]), 409, "wms.document_not_draft")
    assert details["status"] == "POSTED"
    assert len(world.rows("wms_ledger")) == 2, "moved once"


def test_every_short_item_is_named(world: World, one: Warehouse) -> None:
    plenty, little, nothing = world.item(sku="A-PLENTY"), world.item(sku="B-LITTLE"), world.item(sku="C-NOTHING")
    for item, quantity in ((plenty, 100), (little, 2.5)):
        world.posted(
            "IMPORT", {"item_id": item, "quantity": quantity, "to_position_id": one.storage}, to_location_id=one.id
        )
    before = world.stock()
    draft = world.draft(
        "EXPORT", {"item_id": plenty, "quantity": 1}, {"item_id": little, "quantity": 2},
        {"item_id": little, "quantity": 1},
        {"item_id": nothing, "quantity": 1}, from_location_id=one.id,
    )  # fmt: skip
    details = refused(world.call("wms_document_post", id=draft["id"]), 422, "wms.insufficient_stock")
    assert [(s["item"], s["place"], s["requested"], s["available"]) for s in details["short"]] == [
        ("B-LITTLE", "STORAGE", 3, 2.5), ("C-NOTHING", "STORAGE", 1, 0),
    ]  # fmt: skip
    assert (details["item"], details["requested"], details["available"]) == ("B-LITTLE", 3, 2.5)
    assert world.stock() == before
    assert len(world.rows("wms_stock")) == 2, "not even an empty balance is left behind"


def test_what_is_reserved_is_not_available(world: World, one: Warehouse) -> None:
    item = world.item()
    world.posted("IMPORT", {"item_id": item, "quantity": 5, "to_position_id": one.storage}, to_location_id=one.id)
    world.db.execute("update wms.balance set reserved = 3 where org_id = %s", [world.org.id])
    draft = world.draft("EXPORT", {"item_id": item, "quantity": 3}, from_location_id=one.id)
    details = refused(world.call("wms_document_post", id=draft["id"]), 422, "wms.insufficient_stock")
    assert (details["requested"], details["available"]) == (3, 2)
    world.posted("EXPORT", {"item_id": item, "quantity": 2}, from_location_id=one.id)
    world.posted("IMPORT", {"item_id": item, "quantity": 1, "to_position_id": one.storage}, to_location_id=one.id)
    world.db.execute("update wms.balance set reserved = 0 where org_id = %s", [world.org.id])


def test_what_is_just_enough_leaves_nothing(world: World, one: Warehouse) -> None:
    enough, short = world.item(sku="A-ENOUGH"), world.item(sku="B-SHORT")
    for item in (enough, short):
        world.posted("IMPORT", {"item_id": item, "quantity": 5, "to_position_id": one.storage}, to_location_id=one.id)
    world.db.execute("update wms.balance set reserved = 2 where org_id = %s", [world.org.id])
    before = world.stock()
    draft = world.draft(
        "EXPORT", {"item_id": enough, "quantity": 3}, {"item_id": short, "quantity": 3.000001}, from_location_id=one.id
    )
    details = refused(world.call("wms_document_post", id=draft["id"]), 422, "wms.insufficient_stock")
    assert [(s["item"], s["requested"], s["available"]) for s in details["short"]] == [("B-SHORT", 3.000001, 3)]
    assert world.stock() == before
    world.posted("EXPORT", {"item_id": enough, "quantity": 3}, from_location_id=one.id)
    assert {s["sku"]: (s["quantity"], s["reserved"]) for s in world.rows("wms_stock")} == {
        "A-ENOUGH": (2, 2), "B-SHORT": (5, 2),
    }  # fmt: skip
    world.db.execute("update wms.balance set reserved = 0 where org_id = %s", [world.org.id])


@pytest.mark.parametrize("tracking", ["LOT", "SERIAL"])
def test_a_tracked_item_needs_a_lot(world: World, one: Warehouse, tracking: str) -> None:
    item = world.item(tracking=tracking, sku="TRACKED")
    draft = world.draft("IMPORT", {"item_id": item, "quantity": 1}, to_location_id=one.id)
    details = refused(world.call("wms_document_post", id=draft["id"]), 422, "wms.lot_required")
    assert (details["line"], details["item"]) == (1, "TRACKED")


def test_lots_are_told_apart(world: World, one: Warehouse) -> None:
    item = world.item(tracking="LOT")
    first, second = world.lot(item, "L1"), world.lot(item, "L2")
    place = {"to_position_id": one.storage}
    world.posted(
        "IMPORT", {"item_id": item, "quantity": 5, "lot_id": first, **place},
        {"item_id": item, "quantity": 1, "lot_id": second, **place}, to_location_id=one.id,
    )  # fmt: skip
    draft = world.draft("EXPORT", {"item_id": item, "quantity": 2, "lot_id": second}, from_location_id=one.id)
    details = refused(world.call("wms_document_post", id=draft["id"]), 422, "wms.insufficient_stock")
    assert (details["lot"], details["available"]) == ("L2", 1)
    world.posted("EXPORT", {"item_id": item, "quantity": 2, "lot_id": first}, from_location_id=one.id)
    assert {r["lot_no"]: r["quantity"] for r in world.rows("wms_stock")} == {"L1": 3, "L2": 1}


def test_what_became_inactive_does_not_move(world: World, one: Warehouse, two: Warehouse) -> None:
    item = world.item()
    draft = world.draft("IMPORT", {"item_id": item, "quantity": 1}, to_location_id=one.id)

    def switch(table: str, key: str, on: bool) -> None:
        world.db.execute(
            psycopg.sql.SQL("update core.{} set is_active = %s where id = %s").format(psycopg.sql.Identifier(table)),
            [on, key],
        )

    switch("item", item, False)
    refused(world.call("wms_document_post", id=draft["id"]), 422, "wms.item_inactive")
    switch("item", item, True)
    switch("location", one.receiving, False)
    details = refused(world.call("wms_document_post", id=draft["id"]), 422, "wms.place_inactive")
    assert details["place"] == "RECEIVING"
    switch("location", one.receiving, True)
    world.db.execute("update core.location set parent_id = %s, code = 'R2' where id = %s", [two.id, one.receiving])
    details = refused(world.call("wms_document_post", id=draft["id"]), 422, "wms.place_elsewhere")
    assert details["place"] == "R2"
    world.db.execute("update core.location set parent_id = %s where id = %s", [one.id, one.receiving])
    assert world.done("wms_document_post", id=draft["id"])["status"] == "POSTED"


def test_an_inactive_warehouse_does_not_receive(world: World, one: Warehouse) -> None:
    draft = world.draft("IMPORT", {"item_id": world.item(), "quantity": 1}, to_location_id=one.id)
    world.db.execute(
        "update core.location set is_active = false where id = any (%s)", [[one.id, *one.positions.values()]]
    )
    details = refused(world.call("wms_document_post", id=draft["id"]), 422, "wms.place_inactive")
    assert details["place"] == "ONE"


def test_a_quantity_is_moved_in_the_unit_of_the_item(world: World, one: Warehouse) -> None:
    item = world.item(unit_code="KGM")
    world.db.execute(
        "insert into core.unit_conversion (org_id, item_id, from_unit, to_unit, factor_numerator)"
        " values (%s, %s, 'XBB', 'KGM', 12.5)",
        [world.org.id, item],
    )
    world.posted(
        "IMPORT", {"item_id": item, "quantity": 3, "unit_code": "XBB", "unit_price": 10},
        {"item_id": item, "quantity": 500, "unit_code": "GRM"}, to_location_id=one.id,
    )  # fmt: skip
    assert world.stock() == {(item, one.receiving): 38}


def test_the_posting_date(world: World, one: Warehouse) -> None:
    item = world.item()
    today = datetime.now(UTC).date()
    ahead = world.draft(
        "IMPORT", {"item_id": item, "quantity": 1}, to_location_id=one.id, posting_date=str(today + timedelta(days=2))
    )
    refused(world.call("wms_document_post", id=ahead["id"]), 422, "wms.posting_date_ahead")
    past = world.posted(
        "IMPORT", {"item_id": item, "quantity": 1}, to_location_id=one.id, posting_date=str(today - timedelta(days=9))
    )
    assert past["posting_date"] == str(today - timedelta(days=9))
    occurred = {r["occurred_at"][:23] for r in world.rows("wms_ledger", document_id=f"eq.{past['id']}")}
    assert occurred == {f"{today - timedelta(days=9)}T23:59:59.999"}


def test_stock_as_of_a_moment(world: World, one: Warehouse, two: Warehouse) -> None:
    item, other = world.item(), world.item()
    now = datetime.now(UTC)

    def on(days_ago: int) -> str:
        return str((now - timedelta(days=days_ago)).date())

    def at(days_ago: float, **arguments: Any) -> dict[tuple[str, str], float]:
        """Stock at noon of a day."""
        moment = f"{on(int(days_ago))}T12:00:00Z" if days_ago else (now + timedelta(days=1)).isoformat()
        rows = world.done("wms_stock_as_of", at=moment, **arguments)
        return {(r["item_id"], r["location_id"]): r["quantity"] for r in rows}

    line = {"item_id": item, "to_position_id": one.storage}
    world.posted(
        "IMPORT", {**line, "quantity": 10}, {"item_id": other, "quantity": 7}, to_location_id=one.id, posting_date=on(9)
    )
    world.posted(
        "TRANSFER", {"item_id": item, "quantity": 4}, from_location_id=one.id, to_location_id=two.id, posting_date=on(5)
    )
    world.posted("IMPORT", {**line, "quantity": 1}, to_location_id=one.id, posting_date=on(7))  # entered later
    world.posted("EXPORT", {"item_id": item, "quantity": 2}, from_location_id=one.id)
    assert at(9) == {}
    assert at(8) == {(item, one.storage): 10, (other, one.receiving): 7}
    assert at(6) == {(item, one.storage): 11, (other, one.receiving): 7}
    assert at(4, location_id=one.id) == {(item, one.storage): 7, (other, one.receiving): 7}
    assert at(4, location_id=two.id) == {(item, two.receiving): 4}
    assert at(4, location_id=one.storage) == {(item, one.storage): 7}
    assert at(4, item_id=other) == {(other, one.receiving): 7}
    assert at(0) == world.stock()
    assert at(4, location_id=str(uuid.uuid4())) == {}


def test_stock_as_of_may_be_asked_with_get(world: World, one: Warehouse) -> None:
    item = world.item()
    world.posted("IMPORT", {"item_id": item, "quantity": 3}, to_location_id=one.id)
    response = world.client.get(
        "rpc/wms_stock_as_of", params={"at": "2100-01-01", "limit": "20", "select": "sku,quantity"}
    )
    assert [row["quantity"] for row in response.json()] == [3]


def test_a_post_that_waits_too_long_says_so(world: World, one: Warehouse, stack: Any) -> None:
    """Another session holds the balance; the lock timeout of the request's role ends the wait."""
    item = world.item()
    world.posted("IMPORT", {"item_id": item, "quantity": 3, "to_position_id": one.storage}, to_location_id=one.id)
    draft = world.draft("EXPORT", {"item_id": item, "quantity": 1}, from_location_id=one.id)
    with psycopg.connect(stack.dsn("migrator")) as other:
        other.execute("select from wms.balance where org_id = %s for update", [world.org.id])
        response = world.call("wms_document_post", id=draft["id"])
        refused(response, 503, "wms.busy")
        assert response.headers["Retry-After"] == "1"
    assert world.done("wms_document_post", id=draft["id"])["status"] == "POSTED"


def test_a_right_is_remembered_for_the_same_claims_only(world: World, acting: Acting) -> None:
    """Within a transaction it is asked for once; not for others, nor for what somebody else may do, nor for longer."""
    poster, other = world.org.user(["wms.document.post"]), world.org.user([])

    def remembered(session: Connection, permission: str) -> bool:
        row = session.execute("select core.is_granted_already(%s)", [permission]).fetchone()
        assert row is not None
        return bool(row[0])

    with acting(world.org, poster) as session:
        with session.transaction():
            assert not remembered(session, "wms.document.post")
            session.execute("select core.require_permission_once('wms.document.post')")
            assert remembered(session, "wms.document.post")
            assert not remembered(session, "wms.document.create")
            session.execute(
                "select set_config('request.jwt.claims', %s, true)",
                [json.dumps({"role": "member", "sub": str(other), "org_id": str(world.org.id)})],
            )
            assert not remembered(session, "wms.document.post")
        assert not remembered(session, "wms.document.post")
    with acting(world.org, other) as session, pytest.raises(psycopg.Error, match=r"core\.permission_missing"):
        session.execute("select core.require_permission_once('wms.document.post')")
