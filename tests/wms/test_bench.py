"""`erpgres bench wms`, `bench search` and `bench posting`: what they fill and measure, and by which index they read."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from conftest import erpgres
from erpgres.bench import posting, search, wms
from erpgres.bench.wms import World
from erpgres.errors import CannotRun
from wms.support import own

Connection = psycopg.Connection[Any]
DOCUMENTS, ITEMS = 4800, 6000


@pytest.fixture
def filled(clone: str) -> Iterator[tuple[Connection, World]]:
    """A database with documents of three years, as the benchmark makes them, and two other organisations."""
    with psycopg.connect(clone, autocommit=True) as db:
        own(db)
        world = wms.fill(db, DOCUMENTS, ITEMS, lambda _: None)
        for _ in range(200):  # many small ones: the average organisation is no measure for a large one
            db.execute(
                "insert into core.searchable (org_id, entity, id, source, code) values (%s, 'item', %s, 'item', 'x')",
                [uuid.uuid4(), uuid.uuid4()],
            )
        db.execute("analyze core.searchable")
        yield db, world


def reads(filled: tuple[Connection, World], query: str, *values: Any) -> dict[str, int]:
    """Rows that a query reads as a member, by index; tables read from end to end by their own name."""
    db, world = filled
    with search.member(db, world.org_id, world.user_id), db.transaction():
        db.execute(query, values)
        before = counted(db)
        rows = db.execute(query, values).fetchall()
        after = counted(db)
    assert rows, query
    return {name: max(count[1] - before[name][1], 1) for name, count in after.items() if count[0] > before[name][0]}


def counted(db: Connection) -> dict[str, tuple[int, int]]:
    """How often each table and index was scanned, and how many rows that gave; of tables those that have rows."""
    rows = db.execute(
        "select c.relname, pg_stat_get_xact_numscans(c.oid), pg_stat_get_xact_tuples_returned(c.oid) from pg_class as c"
        " join pg_namespace as n on n.oid = c.relnamespace where n.nspname in ('core', 'wms')"
        " and (c.relkind = 'i' or (c.relkind = 'r' and c.reltuples > 0))"
    ).fetchall()
    return {name: (int(scans), int(tuples)) for name, scans, tuples in rows}


def partitions(found: dict[str, int], table: str) -> set[str]:
    """The partitions of a table of which any index gave rows."""
    return {name.split("_org_id")[0].removesuffix("_pkey") for name in found if name.startswith(f"{table}_20")}


def the_search_reads_by_index(filled: Any) -> None:
    def of(q: str) -> dict[str, int]:
        return reads(filled, "select * from api.search(%s, array['item'])", q)

    for q, index in (
        ("YRN-CB-00000030", "searchable_code_idx"),
        ("FAB-CR-0000", "searchable_code_idx"),
        ("brushed wool", "searchable_title_idx"),
        ("houndstoth", "searchable_words_idx"),
        ("houndstooth", "searchable_words_idx"),
        ("facone", "search_word_part_idx"),
        ("cotton", "searchable_pkey"),
        ("00003", "searchable_end_of_code_idx"),
        ("denim moss linen", "searchable_words_idx"),
    ):
        found = of(q)
        assert found.get(index), f"{q}: {found}"
        assert "searchable" not in found and "search_word" not in found, f"{q}: {found}"
        most = max(count for name, count in found.items() if name.startswith("search"))
        assert most <= 1500, f"{q} reads {found}"


def lists_read_what_they_show(filled: Any) -> None:
    _, world = filled
    for arguments, values, index in (
        ("status => 'DRAFT'", [], "status_id_idx"),
        ("status => 'POSTED', document_type => 'SALE'", [], "document_type_status_id_idx"),
        ("warehouse_id => %s", [world.warehouse_id], "to_location_id_id_idx"),
        ("created_by => %s", [world.user_id], "(pkey|created_by)"),
        ("", [], "pkey"),
    ):
        found = reads(filled, f"select * from api.wms_document_list({arguments})", *values)
        assert any(re.search(f"document_2.*{index}", name) for name in found), f"{arguments}: {found}"
        assert 1 <= len(partitions(found, "document")) <= 7, f"{arguments}: {found}"
        read = sum(count for name, count in found.items() if name.startswith("document_20"))
        assert read <= 100, f"{arguments} reads {found}"
    found = reads(filled, "select * from api.wms_item_card(%s)", world.item_id)
    assert all("_item_id" in n or "pkey" in n for n in found if n.startswith("stock_ledger_20")), found
    assert not [name for name in found if name in ("stock_ledger", "balance", "document")], found
    stock = f"select * from api.wms_stock where warehouse_id = '{world.warehouse_id}' order by item_id, id limit 20"
    found = reads(filled, stock)
    assert found.get("balance_warehouse_item_idx", 0) in range(1, 60), found


def what_expires_and_what_is_short_is_read_by_index(filled: Any) -> None:
    db, world = filled
    with db.transaction():
        db.execute("set local session_replication_role = replica")
        db.execute(
            """
            with made as (
              insert into wms.lot (org_id, item_id, lot_no, expires_on)
              select i.org_id, i.id, 'L' || n, current_date + (n %% 1000)::integer
              from (
                select i.*, row_number() over (order by i.id) as n from core.item as i where i.org_id = %(org)s
              ) as i
              where i.n <= 4000
              returning org_id, item_id, id
            )
            insert into wms.balance (org_id, item_id, lot_id, location_id, warehouse_id, quantity)
            select m.org_id, m.item_id, m.id, p.id, p.parent_id, 5
            from made as m
            join core.location as p on p.org_id = m.org_id and p.kind = 'RECEIVING' and p.parent_id = %(warehouse)s
            """,
            {"org": world.org_id, "warehouse": world.warehouse_id},
        )
        db.execute(
            "insert into wms.reorder_rule (org_id, item_id, warehouse_id, minimum, maximum)"
            " select i.org_id, i.id, w.id, 1000, 2000 from core.item as i join core.location as w"
            " on w.org_id = i.org_id and w.kind = 'WAREHOUSE' and w.code in ('W01', 'W02') where i.org_id = %s",
            [world.org_id],
        )  # fmt: skip
    db.execute("analyze wms.lot, wms.balance, wms.reorder_rule")
    found = reads(filled, "select * from api.wms_stock_expiring(3)")
    assert found.get("lot_expiry_idx", 0) in range(1, 200), json.dumps(found)
    assert "lot" not in found and "balance" not in found, found
    short = "select * from api.wms_shortages where warehouse_id = %s order by id desc limit 20"
    place = search.one(db, "select id from core.location where org_id = %s and code = 'W01'", world.org_id)
    found = reads(filled, short, place)
    assert "reorder_rule" not in found and "balance" not in found, found
    assert sum(found.values()) < 2000, found


def the_benchmark_measures(filled: Any) -> None:
    db, world = filled
    for query in wms.QUERIES:
        measured = wms.measure(db, query, world, 1)
        assert measured.rows == 20 and measured.sql_p50_ms > 0 and measured.api_p50_ms is None
        assert measured.ratio == pytest.approx(measured.sql_p50_ms / measured.bare_ms)
    few = wms.Query("few", 1, "select * from api.wms_document_list(page_size => 3)", "", "select 1")
    with pytest.raises(CannotRun, match="a page of 3 rows"):
        wms.measure(db, few, world, 1)
    for case in search.CASES:
        if "houndstooth" not in case.q and case.q != "FACONNE":  # seldom
            assert search.measure(db, case, world.org_id, world.user_id, 1).hits >= case.at_least
    nothing = search.Case("nothing", "zyxwvut", 1, "select 1")
    with pytest.raises(CannotRun, match="found 0 rows"):
        search.measure(db, nothing, world.org_id, world.user_id, 1)


def test_hot_queries(filled: Any, subtests: pytest.Subtests) -> None:
    """One database for all of them: filling it is what takes time."""
    for check in (
        the_search_reads_by_index, lists_read_what_they_show, what_expires_and_what_is_short_is_read_by_index,
        the_benchmark_measures,
    ):  # fmt: skip
        with subtests.test(check.__name__):
            check(filled)


@pytest.mark.drill
def test_the_commands(stack: Any) -> None:
    done = erpgres(
        "bench", "search", "--rows", "100000", "--rounds", "3", "--format", "json", "--state", str(stack.path)
    )
    found = json.loads(done.stdout)
    assert [case["name"] for case in found["results"]] == [case.name for case in search.CASES]
    done = erpgres("bench", "wms", "--documents", "4800", "--items", "2000", "--rounds", "3", "--format", "json")
    found = json.loads(done.stdout)
    assert [case["query"] for case in found["results"]] == [query.name for query in wms.QUERIES]
    assert all(case["api_p50_ms"] > 0 for case in found["results"])


def test_postings_are_counted_in_every_way() -> None:
    """A short run with a stack of its own; that the invariants hold afterwards is part of it.

    Not shorter: CPU is counted in hundredths of a second for each process.
    """
    found = posting.run(clients=4, documents=80, batch=5, pairs=2, rounds=1, progress=lambda _: None)
    assert [m.way for m in found] == list(posting.WAYS)
    assert all(m.per_second > 0 and m.cpu_ms > 0 for m in found)
    assert found[0].ratio == 1
    slow = {m.way for m in found if m.per_second < posting.AIM}
    assert {m.way for m in found if m.is_short} == slow & set(posting.JUDGED)
