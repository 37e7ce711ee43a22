"""Histories of concurrent work, made up by hypothesis and played by real sessions: the invariants hold after each."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from wms.support import Connection, violations

CLIENTS = 4
STEPS = (
    "receive", "order", "order", "sell", "move", "reserve", "reserve", "release", "let_go", "post", "post", "post_many",
    "cancel", "reverse", "close", "reopen", "hold", "expire",
)  # fmt: skip
# What a step may be refused with; anything else is a fault: an error of a constraint, a deadlock, a wrong state.
REFUSED = {
    "wms.insufficient_stock", "wms.document_not_draft", "wms.document_status", "wms.document_reversed",
    "wms.reversal_stands", "wms.period_closed", "wms.period_closed_already", "wms.period_open", "wms.lot_not_approved",
    "wms.lot_required", "wms.lot_status_unchanged", "wms.serial_elsewhere", "wms.serial_quantity",
    "wms.reservation_ended", "wms.not_reservable", "wms.busy", "core.transition_refused", "wms.documents_out_of_range",
}  # fmt: skip
Step = tuple[str, int, int, int]


@dataclass
class Shop:
    """An organisation of one history: two warehouses, a plain, a batched and a serial item, documents made so far."""

    org: str
    claims: dict[str, str]
    warehouses: list[str]
    places: list[list[str]]
    items: list[str]
    lots: list[list[str]]
    documents: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)


def scalar(connection: Connection, query: str, *values: Any) -> Any:
    row = connection.execute(query, values).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return row[0]


def act(connection: Connection, shop: Shop) -> None:
    connection.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps(shop.claims)])


def open_shop(db: Connection, method: str) -> Shop:
    tag = uuid.uuid4().hex[:12].upper()
    org = scalar(db, "select core.create_organization(%s, 'History', 'BD', 'USD')", f"H{tag}")
    user = scalar(
        db,
        "insert into core.app_user (email, name, kind) values (%s, 'H', 'INTERNAL') returning id",
        f"{tag}@example.com",
    )
    role = scalar(
        db, "insert into core.role (org_id, code, name, is_administrator) values (%s, 'h', 'H', true) returning id", org
    )
    db.execute("insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [org, user])
    db.execute("insert into core.user_role (org_id, user_id, role_id) values (%s, %s, %s)", [org, user, role])
    db.execute(
        "insert into core.setting (org_id, code, value) values (%s, 'wms.valuation_method', to_jsonb(%s::text))",
        [org, method],
    )
    shop = Shop(str(org), {"role": "member", "sub": str(user), "org_id": str(org)}, [], [], [], [])
    for tracking, count in (("NONE", 0), ("LOT", 2), ("SERIAL", 3)):
        item = scalar(
            db, "insert into core.item (org_id, sku, name, class, unit_code, tracking)"
            " values (%s, %s, 'H', 'GOODS', 'C62', %s) returning id", org, tracking, tracking,
        )  # fmt: skip
        lots = [
            scalar(
                db, "insert into wms.lot (org_id, item_id, lot_no) values (%s, %s, %s) returning id", org, item, str(n)
            )
            for n in range(count)
        ]
        shop.items.append(str(item))
        shop.lots.append([str(lot) for lot in lots])
    act(db, shop)
    for code in "AB":
        warehouse = scalar(db, "select id from api.wms_warehouse_create(%s, %s)", code, code)
        shop.warehouses.append(str(warehouse))
        shop.places.append([
            str(row[0]) for row in db.execute(
                "select id from api.wms_positions where warehouse_id = %s order by kind = 'STORAGE' desc, id",
                [warehouse],
            )
        ])  # fmt: skip
    db.execute("select set_config('request.jwt.claims', '', false)")
    return shop


def line(shop: Shop, a: int, b: int) -> dict[str, Any]:
    """A line of an item and its lot chosen by the numbers; of a serial, one piece."""
    item = a % 3
    made: dict[str, Any] = {
        "item_id": shop.items[item],
        "quantity": 1 if item == 2 else 1 + b % 5,
        "unit_price": 1 + b % 3,
    }
    return made if item == 0 else {**made, "lot_id": shop.lots[item][b % len(shop.lots[item])]}


def play(connection: Connection, db: Connection, shop: Shop, step: Step) -> None:
    """One step of a client; raises what the database refuses it with."""
    name, a, b, c = step
    here, there = a % 2, 1 - a % 2
    document = shop.documents[c % len(shop.documents)] if shop.documents else None

    def make(kind: str, source: str | None, target: str | None, *lines: dict[str, Any], back: int = 0) -> str:
        return str(
            scalar(
                connection, "select id from api.wms_document_create(%s, %s, %s, posting_date => %s, lines => %s)", kind,
                source, target, datetime.now(UTC).date() - timedelta(days=back), Jsonb(list(lines)),
            )
        )  # fmt: skip

    def post(document_id: str) -> None:
        connection.execute("select id from api.wms_document_post(%s)", [document_id])

    first = shop.places[here][0]
    if name == "receive":
        lines = [{**line(shop, a + n, b + n), "to_position_id": first} for n in range(2)]
        made = make("IMPORT", None, shop.warehouses[here], *lines, back=c % 4)
        shop.documents.append(made)
        post(made)
    elif name == "order":
        free = {k: v for k, v in line(shop, b, c).items() if k != "lot_id"}
        kind, target = (("TRANSFER", shop.warehouses[there]), ("SALE", None))[c % 2]
        shop.documents.append(make(kind, shop.warehouses[here], target, free, line(shop, b + 1, c)))
    elif name == "sell":
        made = make("SALE", shop.warehouses[here], None, line(shop, b, c), back=c % 4)
        shop.documents.append(made)
        post(made)
    elif name == "move":
        ends = {"from_position_id": shop.places[here][b % 2], "to_position_id": shop.places[here][1 - b % 2]}
        made = make("MOVE", shop.warehouses[here], None, {**line(shop, c, b), **ends})
        shop.documents.append(made)
        post(made)
    elif name == "close":
        connection.execute("select from api.wms_period_close(current_date - %s)", [1 + b % 3])
    elif name == "reopen":
        connection.execute("select from api.wms_period_reopen(current_date - %s, 'again')", [1 + b % 3])
    elif name == "hold":
        status = ("ON_HOLD", "APPROVED")[b % 2]
        connection.execute("select from api.wms_lot_set_status(%s, %s, 'x')", [shop.lots[1][c % 2], status])
    elif name == "expire":
        db.execute("update wms.reservation set expires_at = now() where org_id = %s and status = 'HELD'", [shop.org])
        with db.transaction():
            db.execute("select set_config('erpgres.org_id', %s, true)", [shop.org])
            db.execute("select wms.expire_reservations_here()")
    elif name == "let_go":
        held = connection.execute("select id from api.wms_reservations where status = 'HELD' order by id").fetchall()
        if held:
            connection.execute("select id from api.wms_reservation_release(%s)", [held[c % len(held)][0]])
    elif name == "post_many":
        connection.execute("select id from api.wms_documents_post(%s::uuid[])", [shop.documents[-3:]])
    elif document is not None:
        query = {
            "reserve": "select id from api.wms_document_reserve(%(id)s, %(strategy)s, %(partial)s)",
            "release": "select id from api.wms_document_release(%(id)s)",
            "post": "select id from api.wms_document_post(%(id)s)",
            "cancel": "select id from api.wms_document_cancel(%(id)s, 'x')",
            "reverse": "select id from api.wms_document_reverse(%(id)s, 'x')",
        }[name]
        values = {"id": document, "strategy": ("FEFO", "FIFO", "NEAREST", "POSITION")[b % 4], "partial": a % 2 == 0}
        connection.execute(query, values)


def run(sessions: list[Connection], tools: list[Connection], shop: Shop, history: list[list[Step]]) -> None:
    """Let each client play its steps at the same time as the others; notes how each ended."""
    start = threading.Barrier(len(history))

    def client(number: int) -> list[str]:
        connection, outcomes = sessions[number], []
        act(connection, shop)
        start.wait(timeout=60)
        for step in history[number]:
            try:
                play(connection, tools[number], shop, step)
                outcomes.append("done")
            except psycopg.Error as error:
                try:
                    outcomes.append(json.loads(error.diag.message_primary or "")["code"])
                except ValueError:
                    outcomes.append(f"{step}: {error.sqlstate} {error}")
        return outcomes

    with ThreadPoolExecutor(len(history)) as pool:
        for done in pool.map(client, range(len(history))):
            shop.outcomes.extend(done)


@contextmanager
def sessions_of(stack: Any) -> Iterator[tuple[list[Connection], list[Connection]]]:
    """Sessions of the clients, as members, and one of the tools for each."""
    with ExitStack() as opened:
        made = [
            [opened.enter_context(psycopg.connect(stack.dsn("migrator"), autocommit=True)) for _ in range(CLIENTS)]
            for _ in range(2)
        ]
        for connection in made[0]:
            connection.execute("set role member")
        yield made[0], made[1]


def deadlocks(db: Connection) -> int:
    db.execute("select pg_stat_force_next_flush()")
    return int(scalar(db, "select deadlocks from pg_stat_database where datname = current_database()"))


STEP = st.tuples(st.sampled_from(STEPS), *[st.integers(0, 11)] * 3)
HISTORY = st.lists(st.lists(STEP, min_size=3, max_size=9), min_size=CLIENTS, max_size=CLIENTS)


def check(stack: Any, examples: int) -> set[str]:
    """Play so many histories; returns how steps ended. Raises AssertionError for the first that breaks a rule."""
    seen: set[str] = set()
    with sessions_of(stack) as (sessions, tools), psycopg.connect(stack.dsn("migrator"), autocommit=True) as db:
        before = deadlocks(db)

        @settings(
            max_examples=examples, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
            # What depends on who was faster does not shrink: the history that failed is shown as it was.
            phases=[Phase.explicit, Phase.generate],
        )  # fmt: skip
        @given(HISTORY, st.sampled_from(["AVERAGE", "FIFO"]))
        def histories(history: list[list[Step]], method: str) -> None:
            shop = open_shop(db, method)
            stocking: list[Step] = [("receive", place, item, 0) for place in range(2) for item in range(4)]
            run(sessions[:1], tools[:1], shop, [stocking])
            run(sessions, tools, shop, history)
            assert set(shop.outcomes) <= {"done", *REFUSED}, history
            assert violations(db, shop.org) == {}
            seen.update(shop.outcomes)

        histories()
        assert deadlocks(db) == before, "locks are taken in one order"
    return seen


def test_histories(stack: Any) -> None:
    seen = check(stack, 8)
    assert {"done", "wms.insufficient_stock"} <= seen


@pytest.mark.drill
def test_many_histories(stack: Any) -> None:
    seen = check(stack, 300)
    assert {"done", "wms.insufficient_stock", "wms.period_closed", "wms.document_reversed"} <= seen
