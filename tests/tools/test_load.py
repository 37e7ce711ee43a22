"""The TPC-H load: complete, the same every time, all or nothing, and a warehouse that works on afterwards."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.pq import TransactionStatus

from conftest import TEMPLATE, locked
from erpgres import verify
from erpgres.data import beside, bulk
from erpgres.data.bulk import Partition, Table
from erpgres.data.tpch import DOCUMENT, LEDGER, LINE, PARTITIONED, Loaded, load
from erpgres.errors import CannotRun, Refused
from erpgres.settings import ROOT
from erpgres.stack.state import State
from tools.loads import SMALL, generated, rows, value

Connection = psycopg.Connection[Any]


@pytest.fixture
def loaded(stack: State, request: pytest.FixtureRequest) -> tuple[str, Loaded]:
    """The conninfo of a database that holds the load, and what the load said: shared by tests that change nothing."""
    dsn = stack.dsn("migrator", "tpch_loaded")
    with locked("tpch") as shared:
        if not (shared / "tpch").exists():
            request.getfixturevalue("clone")  # so that there is a template
            with locked("template"), psycopg.connect(stack.dsn("postgres"), autocommit=True) as admin:
                admin.execute(sql.SQL("create database tpch_loaded template {}").format(sql.Identifier(TEMPLATE)))
            (shared / "tpch").write_bytes(pickle.dumps(load(dsn, SMALL)))
        return dsn, pickle.loads((shared / "tpch").read_bytes())


def command(dsn: str, *arguments: str, scratch: Path | None = None) -> subprocess.Popen[str]:
    """Start `erpgres load tpch` on a database."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ERPGRES_")}
    environment |= {"PYTHONPATH": str(ROOT / "tools"), "ERPGRES_DATABASE_URL": dsn}
    if scratch:
        environment["TMPDIR"] = str(scratch)
    return subprocess.Popen(
        [sys.executable, "-m", "erpgres", "load", "tpch", *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def until(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Wait for a condition and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return found


def digests(dsn: str) -> list[str]:
    """A digest of the ids of each table."""
    tables = ["core.partner", "core.contact", "core.address", "core.item", "wms.balance", *map(str, PARTITIONED)]
    return [value(dsn, f"select md5(string_agg(id::text, ',' order by id)) from {table}") for table in tables]


def partitions(dsn: str) -> list[str]:
    return [name for (name,) in rows(dsn, "select inhrelid::regclass::text from pg_inherits order by 1")]


# ---- what is loaded --------------------------------------------------------------------------------------------------


def test_every_row_arrives_and_the_invariants_hold(loaded: tuple[str, Loaded], tmp_path: Path) -> None:
    migrator, done = loaded
    with generated(SMALL, tmp_path) as source:
        count = {
            table: source.duckdb.sql(f"select count(*) from {table}").fetchall()[0][0]
            for table in ("customer", "supplier", "part", "orders", "lineitem")
        }
        sold = source.duckdb.sql("select sum(l_quantity), sum(l_extendedprice) from lineitem").fetchall()[0]
        left = source.duckdb.sql("select sum(ps_availqty) from partsupp").fetchall()[0][0]
        cheapest = source.duckdb.sql(
            "select count(distinct s) from (select arg_min(ps_suppkey, ps_supplycost * 1000000 + ps_suppkey) as s"
            " from partsupp group by ps_partkey)"
        ).fetchall()[0][0]
    assert done.violated == [] and len(done.findings) >= 8
    assert value(migrator, "select count(*) from core.partner") == count["customer"] + count["supplier"]
    assert rows(migrator, "select role, count(*) from core.partner_role group by role order by role") == [
        ("CUSTOMER", count["customer"]),
        ("SUPPLIER", count["supplier"]),
    ]
    for table in ("core.contact", "core.address"):
        assert value(migrator, f"select count(*) from {table}") == count["customer"] + count["supplier"]
    assert value(migrator, "select count(*) from core.item where class = 'GOODS' and price > 0") == count["part"]
    assert rows(migrator, "select document_type, status, count(*) from wms.document group by 1, 2 order by 1") == [
        ("IMPORT", "POSTED", cheapest),
        ("SALE", "POSTED", count["orders"]),
    ]
    lines = rows(
        migrator,
        "select d.document_type, count(*), sum(l.quantity), sum(l.amount) from wms.document_line as l"
        " join wms.document as d on d.org_id = l.org_id and d.id = l.document_id group by 1 order by 1",
    )
    assert lines[1] == ("SALE", count["lineitem"], *sold)
    assert lines[0][1:3] == (count["part"], sold[0] + left)  # what is sold and what is left has come in
    assert done.rows["lines"] == lines[0][1] + lines[1][1]
    assert (
        done.rows["ledger_rows"] == value(migrator, "select count(*) from wms.stock_ledger") == 2 * done.rows["lines"]
    )
    assert rows(migrator, "select count(*), sum(quantity) from wms.balance") == [(count["part"], left)]
    told = "select payload ->> 'rows' from events.event where type = 'organization.bulk_loaded' and payload ? 'rows'"
    partners = str(count["customer"] + count["supplier"])
    assert sorted(rows(migrator, told)) == sorted([(partners,)] * 4 + [(str(count["part"]),)])
    assert value(migrator, "select count(*) from events.event where type in ('partner.created', 'item.created')") == 0


def test_an_order_is_what_the_generator_says(loaded: tuple[str, Loaded], tmp_path: Path) -> None:
    migrator, _ = loaded
    with generated(SMALL, tmp_path) as source:
        (order,) = source.duckdb.sql(
            "select o_orderkey, o_orderdate, c_name, o_clerk, trim(o_comment) from orders"
            " join customer on c_custkey = o_custkey where o_orderkey = 7"
        ).fetchall()
        lines = source.duckdb.sql(
            "select l_linenumber, p_name, l_quantity, l_extendedprice from lineitem join part on p_partkey = l_partkey"
            " where l_orderkey = 7 order by 1"
        ).fetchall()
    (found,) = rows(
        migrator,
        "select d.id, d.posting_date, p.name, d.reference, d.total, d.line_count, d.number,"
        " uuid_extract_timestamp(d.id), d.posted_at, uuid_extract_version(d.id) from wms.document as d"
        " join core.partner as p on p.org_id = d.org_id and p.id = d.partner_id"
        " where d.reference like 'Order 7, %'",
    )
    assert found[1:4] == (order[1], order[2], f"Order 7, {order[3]}: {order[4]}")
    assert found[4:6] == (sum(line[3] for line in lines), len(lines))
    assert re.fullmatch(rf"SAL-{order[1].year}-\d{{6}}", found[6])
    assert found[7] == found[8] and found[7].date() == order[1] and found[9] == 7
    assert lines == rows(
        migrator,
        "select l.line_no, i.name, l.quantity, l.amount from wms.document_line as l"
        " join core.item as i on i.org_id = l.org_id and i.id = l.item_id where l.document_id = %s order by 1",
        found[0],
    )


def test_stock_never_falls_below_zero_on_the_way(loaded: tuple[str, Loaded]) -> None:
    migrator, _ = loaded
    lowest, in_order = rows(
        migrator,
        """
        select min(l.running), bool_and(l.in_order)
        from (
          select
            sum(s.delta) over (partition by s.item_id order by s.id) as running,
            s.occurred_at >= lag(s.occurred_at, 1, '-infinity') over (order by s.id) as in_order
          from wms.stock_ledger as s
          join core.location as p on p.org_id = s.org_id and p.id = s.location_id
          where not p.is_virtual
        ) as l
        """,
    )[0]
    assert lowest > 0 and in_order


def test_partitions_are_like_any_other(loaded: tuple[str, Loaded]) -> None:
    with psycopg.connect(loaded[0]) as connection:
        for table in PARTITIONED:
            connection.execute("select ops.create_partition(%s, '1980-01-01')", [str(table)])
            assert shape(connection, f"{table}_1992q1") == shape(connection, f"{table}_1980q1")
        connection.rollback()


# Everything the catalog says of a partition, but its rows and bounds.
SHAPE = {
    "table": """
        select relkind, relpersistence, relrowsecurity, relforcerowsecurity, relacl, reloptions, relispartition,
          relowner::regrole, relreplident, obj_description(oid, 'pg_class')
        from pg_class where oid = %s::regclass
        """,
    "columns": """
        select attname, format_type(atttypid, atttypmod), attnotnull, attgenerated, attstorage, attcompression,
          attstattarget, attislocal, attinhcount, col_description(attrelid, attnum), pg_get_expr(adbin, adrelid)
        from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
        where attrelid = %s::regclass and attnum > 0
        """,
    "constraints": """
        select conname, contype, convalidated, conislocal, coninhcount, connoinherit, conparentid <> 0,
          pg_get_constraintdef(oid)
        from pg_constraint where conrelid = %s::regclass
        """,
    "indexes": """
        select indexrelid::regclass, indisvalid, pg_get_indexdef(indexrelid), inhparent::regclass
        from pg_index left join pg_inherits on inhrelid = indexrelid
        where indrelid = %s::regclass
        """,
    "triggers": """
        select tgenabled, tgparentid <> 0,
          case when tgisinternal then tgfoid::regproc::text else pg_get_triggerdef(oid) end
        from pg_trigger where tgrelid = %s::regclass
        """,
    "policies": "select polname from pg_policy where polrelid = %s::regclass",
}


def shape(connection: Connection, name: str) -> dict[str, list[str]]:
    """What SHAPE gives for a partition; its own name is left out."""
    plain = name.partition(".")[2]

    def tidy(row: tuple[Any, ...]) -> str:
        return re.sub(r"\d{4}-\d\d-\d\d", "DAY", str(row).replace(plain, "SELF"))

    found = {kind: sorted(map(tidy, connection.execute(query, [name]))) for kind, query in SHAPE.items()}
    assert found["constraints"] and found["indexes"] and found["triggers"]
    return found


# ---- afterwards ------------------------------------------------------------------------------------------------------


def test_a_load_after_one_that_ended_gives_the_same_ids_and_the_warehouse_works_on(
    loaded: tuple[str, Loaded], migrator: str, clone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One load, as each takes seconds: tables that the end of a server left go, ids are equal, numbers continue."""
    left = "select count(*) from pg_class where relname ~ '_1985q1$'"
    with psycopg.connect(migrator) as connection:
        connection.execute("set local role owner")
        quarter_of_1985(connection, DOCUMENT)
        quarter_of_1985(connection, LEDGER)
        connection.commit()
    assert value(clone, left) == 2
    with psycopg.connect(clone) as connection, pytest.raises(CannotRun, match="another load"):
        connection.execute("select pg_advisory_xact_lock(4711202602)")
        load(migrator, SMALL)
    assert value(clone, left) == 2
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = load(migrator, SMALL)
    assert value(clone, left) == 0
    assert digests(migrator) == digests(loaded[0])
    assert list(tmp_path.iterdir()) == []
    works_on(migrator, done)


def works_on(migrator: str, done: Loaded) -> None:
    """Documents are posted after a load, their numbers continue, and the invariants hold."""
    user = value(migrator, "select id from core.app_user where email = 'admin@tpch.example'")
    claims = {"role": "member", "sub": str(user), "org_id": str(done.org_id)}
    with psycopg.connect(migrator) as connection:
        connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
        connection.execute("set local role member")

        def one(query: str, *values: Any) -> Any:
            row = connection.execute(query, values or None).fetchone()  # type: ignore[arg-type]
            assert row is not None
            return row[0]

        main = one("select id from api.wms_warehouses where code = 'MAIN'")
        second = one("select id from api.wms_warehouse_create('SECOND', 'Second warehouse')")
        item, quantity = connection.execute(
            "select item_id, quantity from api.wms_stock order by id limit 1"
        ).fetchone() or (None, None)
        last = {
            kind: one("select max(number) from api.wms_documents where document_type = %s and posting_date >= %s"
                      " and posting_date <= '1998-12-31'", kind, f"{year}-01-01")
            for kind, year in (("SALE", 1998), ("IMPORT", 1992))
        }  # fmt: skip
        lines = json.dumps([{"item_id": str(item), "quantity": 5}])
        transfer = one(
            "select id from api.wms_document_create('TRANSFER', from_location_id => %s, to_location_id => %s,"
            " lines => %s)",
            main, second, lines,
        )  # fmt: skip
        assert one("select number from api.wms_document_post(%s)", transfer).endswith("-000001")
        sale = one(
            "select id from api.wms_document_create('SALE', from_location_id => %s, posting_date => '1998-12-31',"
            " lines => %s)",
            main, lines,
        )  # fmt: skip
        assert one("select number from api.wms_document_post(%s)", sale) == following(last["SALE"])
        stock_in = one(
            "select id from api.wms_document_create('IMPORT', to_location_id => %s, posting_date => '1992-12-31',"
            " lines => %s)",
            main, lines,
        )  # fmt: skip
        assert one("select number from api.wms_document_post(%s)", stock_in) == following(last["IMPORT"])
        assert one("select sum(quantity) from api.wms_stock where item_id = %s", item) == quantity
    assert [finding.name for finding in verify.run(migrator, ["core", "wms"]) if not finding.holds] == []


def following(number: str) -> str:
    head, _, count = number.rpartition("-")
    return f"{head}-{int(count) + 1:06}"


@pytest.mark.drill
def test_a_second_load_is_refused_and_another_organisation_shares_the_partitions(migrator: str) -> None:
    load(migrator, SMALL)
    before = partitions(migrator)
    with command(migrator, "--scale", str(SMALL)) as again:
        out, err = again.communicate(timeout=120)
    assert (again.returncode, out) == (1, ""), err
    assert "error: there is an organisation TPCH already" in err and "hint: `--org CODE`" in err

    with command(migrator, "--scale", str(SMALL), "--org", "SECOND", "--format", "json") as other:
        out, err = other.communicate(timeout=240)
    assert other.returncode == 0, err
    result = json.loads(out)
    assert result["administrator"] == "admin@second.example" and result["violated"] == []
    assert result["lines_per_second"] > 0 and {"generate", "numbers", "invariants"} < set(result["phases"])
    assert partitions(migrator) == before
    columns = (
        "document_type, status, number, reference, posting_date, currency, line_count, total, posted_at, created_at"
    )
    halves = rows(migrator, f"select count(*), count(distinct ({columns})) from wms.document")[0]
    assert halves[0] == 2 * halves[1] == 2 * result["documents"]
    for table in ("core.partner", "core.item", "wms.balance", *PARTITIONED):
        assert value(migrator, f"select count(*) - count(distinct id) from {table}") == 0
    counted = "select org_id, period, last_number from core.number_counter order by 2, 3, 1"
    assert len({row[1:] for row in rows(migrator, counted)}) * 2 == len(rows(migrator, counted))


def test_a_violated_invariant_is_exit_code_1(migrator: str, clone: str) -> None:
    with psycopg.connect(clone, autocommit=True) as connection:
        org_id = value(migrator, "select core.create_organization('WRONG', 'Wrong', 'BD', 'USD')")
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "insert into wms.balance (org_id, item_id, location_id, warehouse_id, quantity)"
            " values (%s, uuidv7(), uuidv7(), uuidv7(), 1)",
            [org_id],
        )
    with command(migrator, "--scale", str(SMALL)) as process:
        out, err = process.communicate(timeout=240)
    assert process.returncode == 1, err
    assert "the balance of a place is the sum of its ledger: 1 violation" in out


# ---- all or nothing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("%document_line_199%", "SIGTERM"),
        ("%attach partition%", "SIGKILL"),
        pytest.param("%document_line_199%", "SIGINT", marks=pytest.mark.drill),
        pytest.param("%document_line_199%", "SIGKILL", marks=pytest.mark.drill),
        pytest.param("%attach partition%", "SIGINT", marks=pytest.mark.drill),
        pytest.param("%attach partition%", "SIGTERM", marks=pytest.mark.drill),
    ],
)
def test_an_interrupted_load_leaves_nothing_behind(
    migrator: str, clone: str, tmp_path: Path, name: str, stage: str
) -> None:
    before = partitions(migrator)
    with command(migrator, "--scale", str(SMALL), scratch=tmp_path) as process:
        working = "select count(*) from pg_stat_activity where application_name = 'erpgres load tpch'"
        working += " and datname = current_database()"
        until(lambda: value(clone, f"{working} and query like %s", stage), stage)
        process.send_signal(signal.Signals[name])
        out, err = process.communicate(timeout=60)
    assert out == "" and process.returncode == (-signal.SIGKILL if name == "SIGKILL" else 1), err
    until(lambda: not value(clone, working), "the end of the sessions")
    if name == "SIGKILL" and "attach" in stage and value(migrator, "select count(*) from core.organization") == 1:
        # The server had all it needed to go on to the end.
        assert [finding.name for finding in verify.run(migrator, ["core", "wms"]) if not finding.holds] == []
        assert value(migrator, "select count(*) from wms.stock_ledger") > 12000
        assert value(migrator, UNATTACHED) == 0
        return
    assert value(migrator, "select count(*) from core.organization where code = 'TPCH'") == 0
    assert value(migrator, "select count(*) from core.app_user where email like '%@tpch.example'") == 0
    assert partitions(migrator) == before
    assert value(migrator, "select count(*) from pg_class where relname ~ '_199[0-9]q'") == 0
    if name != "SIGKILL":
        assert list(tmp_path.iterdir()) == [] and "Aborted" in err


UNATTACHED = "select count(*) from pg_class where relname ~ '_199[0-9]q' and relkind = 'r' and not relispartition"


@pytest.mark.parametrize("victim", [pytest.param("first", marks=pytest.mark.drill), "second"])
def test_a_connection_that_breaks_takes_the_other_with_it(migrator: str, clone: str, victim: str) -> None:
    with command(migrator, "--scale", "0.01") as process:
        sessions = "select pid from pg_stat_activity where application_name = 'erpgres load tpch'"
        sessions += " and datname = current_database() and state = 'active' order by backend_start"
        filling = " and query ilike any (array['copy %document%', 'create index%', 'alter table %'])"
        until(lambda: rows(clone, sessions.replace(" order", f"{filling} order")), "the filling")
        all_of_them = rows(clone, sessions.replace(" and state = 'active'", ""))
        assert len(all_of_them) == 2
        rows(clone, "select pg_terminate_backend(%s)", all_of_them[victim == "second"][0])
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "") and "left nothing behind" in err
    until(lambda: not rows(clone, sessions.replace(" and state = 'active'", "")), "the end of the sessions")
    assert value(migrator, "select count(*) from core.organization") == 0
    assert value(migrator, "select count(*) from pg_class where relname ~ '_199[0-9]q'") == 0


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
def test_what_cannot_be_attached_is_dropped(migrator: str, clone: str, moment: str) -> None:
    with psycopg.connect(migrator, autocommit=True) as first, psycopg.connect(migrator) as second:
        first.execute("set role owner")
        second.execute("set local role owner")
        partition = quarter_of_1985(second, DOCUMENT)
        bulk.finish(second, partition)
        first.execute("begin")
        other = quarter_of_1985(first, LINE)
        if moment == "before the commit":
            second.execute("set local lock_timeout = '1ms'")
            second.rollback()  # what a client that dies leaves of its transaction
        else:
            other = Partition(LINE, DOCUMENT, other.start, other.end)  # cannot be attached
        with pytest.raises(psycopg.Error):
            beside.attach(first, second, [partition, other], 4711)
        assert first.info.transaction_status == second.info.transaction_status == TransactionStatus.IDLE
    assert value(clone, "select count(*) from pg_class where relname ~ '_1985q'") == 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_generating_can_be_interrupted(migrator: str, tmp_path: Path, name: str) -> None:
    with command(migrator, "--scale", "0.1", scratch=tmp_path) as process:
        until(lambda: list(tmp_path.glob("erpgres-tpch-*")), "the generator")
        process.send_signal(signal.Signals[name])
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, ""), err
    assert "Aborted" in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_interrupted_while_the_generator_is_loaded(migrator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise RuntimeError("Query interrupted")  # what DuckDB makes of Ctrl-C

    monkeypatch.setattr("erpgres.data.tpch.Rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(migrator, SMALL)


def test_a_load_that_fails_leaves_nothing_behind(migrator: str, clone: str) -> None:
    with psycopg.connect(clone, autocommit=True) as connection:
        connection.execute("alter table core.item add constraint no_lace check (name !~ 'lace')")
    with pytest.raises(CannotRun, match="no_lace"):
        load(migrator, SMALL)
    assert value(migrator, "select count(*) from core.organization") == 0
    assert value(migrator, "select count(*) from core.partner") == 0


def test_what_cannot_be_is_refused_first(migrator: str, stack: State) -> None:
    for scale in (0.0001, 10.5, float("nan")):
        with pytest.raises(Refused, match="no such scale"):
            load(migrator, scale)
    with pytest.raises(Refused, match="no such code"):
        load(migrator, SMALL, "lower")
    with pytest.raises(CannotRun, match="not migrated"):
        load(stack.dsn("postgres", "postgres"), SMALL)


# ---- the machinery ---------------------------------------------------------------------------------------------------


@contextmanager
def as_owner(dsn: str, org_id: Any) -> Iterator[Connection]:
    """A transaction as owner, within an organisation; rolled back."""
    with psycopg.connect(dsn) as connection:
        connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps({"org_id": str(org_id)})])
        connection.execute("set local role owner")
        yield connection
        connection.rollback()


def quarter_of_1985(connection: Connection, parent: Table) -> Partition:
    """An empty table for a partition that is not there yet."""
    partition = bulk.partition_at(connection, parent, "quarter", datetime(1985, 1, 1, tzinfo=UTC))
    bulk.make(connection, partition)
    return partition


SALE = """
insert into {} (org_id, id, document_type, from_location_id, currency, partner_id)
select org_id, core.uuid_floor(%s), 'SALE', from_location_id, currency, coalesce(%s, partner_id)
from wms.document
where document_type = 'SALE'
limit 1
"""


def test_rows_that_point_nowhere_are_refused(loaded: tuple[str, Loaded]) -> None:
    dsn, done = loaded
    with as_owner(dsn, done.org_id) as connection:
        partition = quarter_of_1985(connection, DOCUMENT)
        connection.execute(sql.SQL(SALE).format(partition.table.sql), ["1985-02-01", None])
        bulk.finish(connection, partition)
        bulk.check(connection, partition, {})
        for column, key in (("partner_id", "partner_exists"), ("from_location_id", "from_warehouse_exists")):
            with pytest.raises(CannotRun, match=key), connection.transaction():
                connection.execute(
                    sql.SQL("update {} set {} = uuidv7()").format(partition.table.sql, sql.Identifier(column))
                )
                bulk.check(connection, partition, {})
        bulk.attach(connection, partition)
        assert connection.execute("select count(*) from wms.document where number is null").fetchone() == (1,)


def test_ledger_rows_without_their_line_are_refused(loaded: tuple[str, Loaded]) -> None:
    dsn, done = loaded
    with as_owner(dsn, done.org_id) as connection:
        lines, ledger = (quarter_of_1985(connection, table) for table in (LINE, LEDGER))
        connection.execute(
            sql.SQL(
                "insert into {} (org_id, id, item_id, location_id, delta, document_id, line_id, occurred_at)"
                " select org_id, core.uuid_floor('1985-02-01'), item_id, location_id, delta, document_id, line_id,"
                " '1985-01-31' from wms.stock_ledger limit 1"
            ).format(ledger.table.sql)
        )
        bulk.check(connection, ledger, {})
        with pytest.raises(CannotRun, match="line_exists"):
            bulk.check(connection, ledger, {LINE: lines.table})


def test_rows_of_another_period_are_refused(loaded: tuple[str, Loaded]) -> None:
    dsn, done = loaded
    with as_owner(dsn, done.org_id) as connection:
        partition = quarter_of_1985(connection, DOCUMENT)
        for day in ("1984-12-31", "1985-04-01"):
            with pytest.raises(psycopg.errors.CheckViolation, match=bulk.WITHIN), connection.transaction():
                connection.execute(sql.SQL(SALE).format(partition.table.sql), [day, None])


def test_locks_are_waited_for_in_short_turns(migrator: str, clone: str) -> None:
    held = "select relation::regclass::text from pg_locks where pid = %s and mode = 'ShareRowExclusiveLock' and granted"
    with psycopg.connect(clone) as writer, psycopg.connect(migrator, autocommit=True) as loader:
        loader.execute("set role owner")
        writer.execute("lock table wms.lot in row exclusive mode")
        with loader.transaction():
            with pytest.raises(CannotRun, match="too busy"):
                bulk.lock(loader, PARTITIONED, longest=0.3)
            assert rows(clone, held, loader.info.backend_pid) == []
            writer.rollback()
            bulk.lock(loader, PARTITIONED)
            locked = {table for (table,) in rows(clone, held, loader.info.backend_pid)}
            assert loader.execute("show lock_timeout").fetchone() == ("5s",)
    assert {"core.partner", "core.item", "wms.lot", *map(str, PARTITIONED)} <= locked
