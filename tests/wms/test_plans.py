"""The hot queries of the warehouse use their indexes and no more partitions than they must, on many rows."""

from __future__ import annotations

import json
import re
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from wms.support import World, own

DOCUMENTS = 24_000
# Three years of documents: a partition a quarter, one row a document, one line each, one ledger pair each.
FILL = """
  create temporary table made on commit drop as
  select
    core.uuid_floor(t.at) as floor,
    overlay(core.uuid_floor(t.at)::text placing lpad(to_hex(t.n), 12, '0') from 25)::uuid as id,
    overlay(core.uuid_floor(t.at)::text placing lpad(to_hex(t.n + 1000000), 12, '0') from 25)::uuid as other_id,
    t.n, t.at
  from (
    select n, now() - interval '3 years' + n * (interval '3 years' / %(count)s) as at
    from generate_series(1, %(count)s - 1) as n
  ) as t
"""


@pytest.fixture
def filled(clone: str) -> Any:
    """A database of one organisation with three years of documents, and a session of its member."""
    with psycopg.connect(clone, autocommit=True) as db:

        def one(query: str, **values: Any) -> Any:
            row = db.execute(query, values).fetchone()  # type: ignore[call-overload]
            return row and row[0]

        own(db)
        db.execute("set session authorization migrator")
        org = one("select core.create_organization('PLAN', 'Plan', 'BD', 'USD')")
        user_id = one(
            "insert into core.app_user (email, name, kind) values ('p@example.com', 'P', 'INTERNAL') returning id"
        )
        db.execute("insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [org, user_id])
        db.execute(
            "insert into core.user_role (org_id, user_id, role_id)"
            " select org_id, %s, id from core.role where org_id = %s",
            [user_id, org],
        )
        db.execute(
            "select set_config('request.jwt.claims', %s, false)", [json.dumps({"org_id": str(org), "role": "member"})]
        )
        warehouses = [one("select id from api.wms_warehouse_create(%(c)s, %(c)s)", c=c) for c in ("A", "B", "RARE")]
        for age in range(13):
            for table in ("document", "document_line", "stock_ledger", "reservation"):
                db.execute(
                    "select ops.create_partition(%s, now() - make_interval(months => 3 * %s::int))",
                    [f"wms.{table}", age],
                )
        db.execute("reset session authorization")
        with db.transaction():
            db.execute(
                "set local session_replication_role = replica"
            )  # the rows are right; triggers would take minutes
            db.execute(
                "insert into core.item (org_id, sku, name, class, unit_code) select %s, 'S' || n, 'S', 'GOODS', 'C62'"
                " from generate_series(1, 2000) as n", [org],
            )  # fmt: skip
            db.execute(FILL.replace("%(count)s", str(DOCUMENTS)))
            values = {"org": org, "a": warehouses[0], "b": warehouses[1], "rare": warehouses[2], "user": user_id}
            for statement in STATEMENTS:
                db.execute(statement, values)
        db.execute("analyze")
        db.execute("set session authorization migrator")
        db.execute(
            "select set_config('request.jwt.claims', %s, false)",
            [json.dumps({"org_id": str(org), "role": "member", "sub": str(user_id)})],
        )
        db.execute("set role member")
        yield World(org, None, db), warehouses, user_id  # type: ignore[arg-type]


STATEMENTS = [
    """
    insert into wms.document (org_id, id, document_type, status, number, from_location_id, to_location_id, posting_date,
      currency, line_count, posted_at, created_by, created_at)
    select %(org)s, m.id, case when m.n %% 2 = 0 then 'IMPORT' else 'EXPORT' end,
      case when m.n %% 100 < 2 then 'DRAFT' else 'POSTED' end,
      case when m.n %% 100 >= 2 then 'N' || m.n end,
      case when m.n %% 2 = 1 then w.id end, case when m.n %% 2 = 0 then w.id end,
      m.at::date, 'USD', 1, case when m.n %% 100 >= 2 then m.at end,
      case when m.n %% 50 = 0 then %(user)s::uuid else uuidv7() end, m.at
    from made as m
    cross join lateral (
      select case when m.n %% 400 in (1, 2) then %(rare)s when m.n %% 3 = 1 then %(b)s else %(a)s end::uuid as id
    ) as w
    """,
    """
    insert into wms.document_line (org_id, document_id, id, line_no, item_id, from_position_id, to_position_id,
      quantity, unit_code, quantity_base)
    select %(org)s, m.id, m.id, 1, i.id, %(a)s, %(b)s, 1, 'C62', 1
    from made as m join core.item as i on i.org_id = %(org)s and i.sku = 'S' || 1 + m.n %% 2000
    """,
    """
    insert into wms.stock_ledger (org_id, id, item_id, location_id, delta, document_id, line_id, occurred_at)
    select %(org)s, x.id, i.id, p.id, x.delta, m.id, m.id, m.at - interval '1 second'
    from made as m
    cross join lateral (values (m.id, 'SUPPLIER', -1), (m.other_id, 'STORAGE', 1)) as x (id, kind, delta)
    join core.item as i on i.org_id = %(org)s and i.sku = 'S' || 1 + m.n %% 2000
    join core.location as p on p.org_id = %(org)s and p.kind = x.kind and (p.is_virtual or p.parent_id = %(a)s)
    """,
    """
    insert into wms.balance (org_id, item_id, location_id, warehouse_id, quantity)
    select %(org)s, i.id, p.id, p.parent_id, 30
    from core.item as i
    join core.location as p on p.org_id = %(org)s and p.parent_id is not null
      and (p.parent_id <> %(rare)s or i.sku like 'S1__')
    """,
    # One for each document that leaves a warehouse; what drafts promise is held.
    """
    insert into wms.reservation (org_id, document_id, id, line_id, item_id, location_id, warehouse_id, quantity, status,
      expires_at, ended_at, reserved_at)
    select %(org)s, m.id, m.id, m.id, i.id, p.id, p.parent_id, 1,
      case when m.n %% 100 = 1 then 'HELD' else 'CONSUMED' end, m.at + interval '3 days',
      case when m.n %% 100 > 1 then m.at end, m.at
    from made as m
    join core.item as i on i.org_id = %(org)s and i.sku = 'S' || 1 + m.n %% 2000
    join core.location as p on p.org_id = %(org)s and p.kind = 'STORAGE'
      and p.parent_id = case when m.n %% 400 = 1 then %(rare)s else %(a)s end::uuid
    where m.n %% 2 = 1
    """,
    """
    insert into wms.reversal (org_id, document_id, reversal_id, created_at)
    select %(org)s, m.id, m.other_id, m.at from made as m where m.n %% 4 = 0
    """,
    """
    insert into wms.stock_period (org_id, warehouse_id, last_closed_on)
    select %(org)s, w.id, '2020-01-01'::date from core.location as w where w.org_id = %(org)s and w.kind = 'WAREHOUSE'
    """,
]


def plan(session: psycopg.Connection[Any], query: str, *values: Any) -> str:
    rows = session.execute(f"explain (analyze, buffers off, timing off, costs off) {query}", values)  # type: ignore[call-overload]
    return "\n".join(row[0] for row in rows)


def plan_lines(text: str) -> list[str]:
    """The lines of a plan without what was never run, and without the empty partitions of the quarters to come."""
    return [
        line
        for line in text.splitlines()
        if "never executed" not in line and not ("Seq Scan" in line and "rows=0.00" in line)
    ]


def scanned(text: str, table: str) -> set[str]:
    """The partitions of a table that rows came from."""
    return {
        match[1]
        for line in plan_lines(text)
        if "rows=0.00" not in line and (match := re.search(rf" on ({table}_[0-9q]+) ", line))
    }


def reads_all(text: str, table: str) -> bool:
    """Whether a table or a partition of it that has rows is read from end to end."""
    return any(re.search(rf"Seq Scan on {table}", line) for line in plan_lines(text))


def lists_of_documents(filled: Any) -> None:
    world, (a, _, rare), user_id = filled
    ids = [
        row[0] for row in world.db.execute("select id from api.wms_documents order by id desc offset 12000 limit 21")
    ]
    lists = {
        "page": ("true", [], "pkey", 2),
        "drafts": ("status = 'DRAFT'", [], "org_id_status_id_idx", 2),
        "drafts of a type": (
            "document_type = 'IMPORT' and status = 'DRAFT'", [], "org_id_(document_type_)?status_id_idx", 2,
        ),
        "posted of a type": (
            "document_type = 'IMPORT' and status = 'POSTED'", [], "(org_id_document_type_status_id_idx|pkey)", 2,
        ),
        "from a busy warehouse": ("from_location_id = %s", [a], "(org_id_from_location_id_id_idx|pkey)", 2),
        "from a quiet warehouse": ("from_location_id = %s", [rare], "org_id_from_location_id_id_idx", 7),
        "to a quiet warehouse": ("to_location_id = %s", [rare], "org_id_to_location_id_id_idx", 7),
        "made by me": ("created_by = %s", [user_id], "org_id_created_by_id_idx", 2),
    }  # fmt: skip
    for name, (condition, values, index, most) in lists.items():
        for cursor in ([], [ids[0]]):
            where = f"{condition}{' and id < %s' if cursor else ''}"
            text = plan(
                world.db, f"select * from api.wms_documents where {where} order by id desc limit 20", *values, *cursor
            )
            assert "Sort" not in text and not reads_all(text, "document"), f"{name}\n{text}"
            assert re.search(rf"using document_\d{{4}}q\d_{index}", text), f"{name} uses another index\n{text}"
            assert 1 <= len(scanned(text, "document")) <= most, f"{name} reads too many partitions\n{text}"
    deep = [row[0] for row in world.db.execute(
        "select id from api.wms_documents where id < %s order by id desc limit 20", [ids[0]])]  # fmt: skip
    assert deep == ids[1:]


def one_document_is_found_in_one_partition(filled: Any) -> None:
    world, _, _ = filled
    document_id = world.db.execute("select id from api.wms_documents order by id limit 1").fetchone()[0]
    text = plan(world.db, "select * from api.wms_documents where id = %s", document_id)
    assert len(scanned(text, "document")) == 1 and "_pkey" in text, text
    text = plan(
        world.db, "select * from api.wms_document_lines where document_id = %s order by line_no limit 20", document_id
    )
    assert len(scanned(text, "document_line")) == 1 and not reads_all(text, "document_line"), text
    assert "org_id_document_id" in text, text


def stock_of_a_warehouse(filled: Any) -> None:
    world, (a, _, rare), _ = filled
    item, place = world.db.execute(
        "select item_id, location_id from api.wms_stock where warehouse_id = %s limit 1", [a]
    ).fetchone()
    lists = {
        "balance_warehouse_idx|balance_pkey": ("warehouse_id = %s", [a], "id desc"),
        "balance_warehouse_idx": ("warehouse_id = %s", [rare], "id desc"),
        "balance_warehouse_item_idx": ("warehouse_id = %s", [a], "item_id, id"),
        "balance_location_item_idx": ("location_id = %s", [place], "item_id, id"),
        "one_balance_per_item_place_and_lot": ("item_id = %s", [item], "id desc"),
    }
    for index, (condition, values, order) in lists.items():
        text = plan(world.db, f"select * from api.wms_stock where {condition} order by {order} limit 20", *values)
        assert re.search(rf"using ({index}) on balance|on ({index})", text), f"{index}\n{text}"
        assert "Seq Scan on balance" not in text, text


def the_ledger_of_an_item_and_a_document(filled: Any) -> None:
    world, _, _ = filled
    item, document_id = world.db.execute(
        "select item_id, document_id from api.wms_ledger order by id desc limit 1"
    ).fetchone()
    for query, index in (
        ("select * from api.wms_ledger order by id desc limit 20", "pkey"),
        ("select * from api.wms_ledger where item_id = %(item)s order by id desc limit 20", "org_id_item_id_id_idx"),
        (
            "select * from api.wms_ledger where document_id = %(document)s order by id desc limit 20",
            "org_id_document_id_line_id_idx",
        ),
    ):
        named = query.replace("%(item)s", f"'{item}'").replace("%(document)s", f"'{document_id}'")
        text = plan(world.db, named)
        assert re.search(rf"stock_ledger_\d{{4}}q\d_{index}", text), text
        assert not reads_all(text, "stock_ledger"), text


def stock_as_of_reads_only_what_came_after(filled: Any) -> None:
    world, _, _ = filled
    with world.db.transaction():
        world.db.execute("set local role member")
        at = world.db.execute("select now() - interval '20 days'").fetchone()[0]
        body = world.db.execute("select count(*), sum(quantity) from api.wms_stock_as_of(%s)", [at]).fetchone()
        text = plan(world.db, "select * from api.wms_stock_as_of(%s)", at)
    assert body[0] > 0
    assert len(scanned(text, "stock_ledger")) <= 2, text
    since = world.db.execute(
        "select sum(delta) from api.wms_ledger where occurred_at > %s and not is_virtual", [at]
    ).fetchone()[0]
    total = world.db.execute("select sum(quantity) from api.wms_stock").fetchone()[0]
    assert body[1] == total - since


def what_is_promised(filled: Any) -> None:
    world, (_, _, rare), _ = filled
    item, place, document_id = world.db.execute(
        "select item_id, location_id, document_id from api.wms_reservations where status = 'HELD' order by id limit 1"
    ).fetchone()
    lists = {
        "all": ("true", [], "org_id_id_idx"),
        "what is held": ("status = 'HELD'", [], "org_id_(item_id_location_id_lot_id|expires_at_id|id)_idx"),
        "of an item": ("item_id = %s", [item], "org_id_item_id_lot_id_id_idx"),
        "held of an item": (
            "item_id = %s and status = 'HELD'", [item], "org_id_item_id_(location_id_lot_id|lot_id_id)_idx",
        ),
        "at a position": ("location_id = %s", [place], "org_id_(location_id_id|id)_idx"),
        "in a quiet warehouse": ("warehouse_id = %s", [rare], "org_id_warehouse_id_id_idx"),
        "of a document": ("document_id = %s", [document_id], "(pkey|org_id_document_id_line_id_idx)"),
    }  # fmt: skip
    for name, (condition, values, index) in lists.items():
        text = plan(
            world.db, f"select * from api.wms_reservations where {condition} order by id desc limit 20", *values
        )
        assert re.search(rf"(using|on) reservation_\d{{4}}q\d_{index}", text), f"{name}\n{text}"
        assert not reads_all(text, "reservation"), f"{name}\n{text}"
    assert len(scanned(text, "reservation")) == 1, text


def reversals_and_closed_days(filled: Any) -> None:
    world, (a, _, _), _ = filled
    document_id, mirror = world.db.execute(
        "select document_id, reversal_id from api.wms_reversals order by document_id limit 1"
    ).fetchone()
    for query, values, index in (
        ("wms_reversals order by document_id desc limit 20", [], "reversal_pkey"),
        ("wms_reversals where document_id < %s order by document_id desc limit 20", [document_id], "reversal_pkey"),
        ("wms_reversals where document_id = %s", [document_id], "reversal_pkey"),
        ("wms_reversals where reversal_id = %s", [mirror], "mirror_of_one_document"),
        ("wms_periods order by id desc limit 20", [], "stock_period_pkey"),
        ("wms_periods where warehouse_id = %s order by id desc limit 20", [a], "one_period_per_warehouse"),
    ):
        with world.db.transaction():
            # A handful of closed periods is read as a whole; what is asked here is whether there is an index for them.
            world.db.execute("select set_config('enable_seqscan', %s, true)", ["off" if "periods" in query else "on"])
            text = plan(world.db, f"select * from api.{query}", *values)
        assert re.search(rf"(using|on) {index}", text), text
        assert "Seq Scan" not in text and ("reversals" not in query or "Sort" not in text), text


def a_posting_reads_what_it_moves(filled: Any) -> None:
    """A document of five lines among two thousand items and eight thousand balances, alone and with another."""
    world, (a, b, _), _ = filled
    items = [row[0] for row in world.db.execute("select id from api.items order by id limit 5")]
    lines = Jsonb([{"item_id": str(item), "quantity": 1} for item in items])
    create = "select id from api.wms_document_create('TRANSFER', %s, %s, lines => %s)"
    drafts = [world.db.execute(create, [a, b, lines]).fetchone()[0] for _ in range(3)]
    for function, value in (("wms_document_post", drafts[0]), ("wms_documents_post", drafts[1:])):
        world.db.execute("select pg_stat_force_next_flush()")  # what was read before is not told again
        with world.db.transaction():
            world.db.execute(f"select api.{function}(%s)", [value])  # type: ignore[call-overload]
            read = dict(
                world.db.execute(
                    "select schemaname || '.' || relname, seq_tup_read + coalesce(idx_tup_fetch, 0)"
                    " from pg_stat_xact_user_tables where relname ~ '^(document|stock|balance|item|location)'"
                ).fetchall()
            )
        # Each line is read, checked by the key that the ledger has to it, and so on: a few times, not with all others.
        much = {table: rows for table, rows in read.items() if rows > 100}
        assert not much and read["core.item"] >= 5, much


def test_hot_queries(filled: Any, subtests: pytest.Subtests) -> None:
    """One database for all of them: filling it is what takes time."""
    for check in (
        lists_of_documents, one_document_is_found_in_one_partition, stock_of_a_warehouse,
        the_ledger_of_an_item_and_a_document, stock_as_of_reads_only_what_came_after, what_is_promised,
        reversals_and_closed_days, a_posting_reads_what_it_moves,
    ):  # fmt: skip
        with subtests.test(check.__name__):
            check(filled)
