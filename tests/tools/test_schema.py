"""The schema snapshot: stable, complete, and able to see a difference. `erpgres verify` on a small tree."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from erpgres import verify
from erpgres.errors import Refused
from erpgres.migrate import cluster, runner, snapshot

from .conftest import Server, Tree


@pytest.mark.drill
def test_two_fresh_databases_have_the_same_snapshot(server: Server, new_database: Callable[[], str]) -> None:
    found = []
    for _ in range(2):
        dsn = server.as_role("migrator", new_database())
        runner.migrate(dsn)
        found.append(snapshot.dump(dsn, server.bindir))
    assert snapshot.difference(*found) == ""
    assert {"core.sql", "api.sql", "roles.sql", "database.sql"} <= found[0].keys()
    assert "alter role member set statement_timeout = '30s';" in found[0]["roles.sql"]
    assert "scram" not in found[0]["roles.sql"].lower()
    assert all("restrict " not in text or "\\" not in text for text in found[0].values())


def test_the_snapshot_names_each_kind_of_difference(shop: Tree, server: Server) -> None:
    shop.migrate()
    good = snapshot.dump(shop.dsn, server.bindir)
    differences = (
        ("alter table core.item add column weight int", "+    weight integer"),
        ("create index item_name_idx on core.item (name)", "+CREATE INDEX item_name_idx"),
        ("grant delete on core.item to partner", "+GRANT DELETE ON TABLE core.item TO partner;"),
        ("grant update (name) on core.item to anon", "+GRANT UPDATE(name) ON TABLE core.item TO anon;"),
        ("alter policy item_owner on core.item using (false)", "+CREATE POLICY item_owner ON core.item TO owner USING"),
        ("comment on column core.item.name is 'new'", "+COMMENT ON COLUMN core.item.name IS 'new';"),
        ("alter function core.item_price volatile", "-    LANGUAGE sql STABLE"),
        ("alter table core.item disable trigger item__name", "+ALTER TABLE core.item DISABLE TRIGGER item__name;"),
        ("grant usage on schema core to anon", "+GRANT USAGE ON SCHEMA core TO anon;"),
        ("alter default privileges for role owner grant select on tables to anon", "on tables: {anon=r/owner"),
        ("create extension citext schema public", "+create extension citext schema public;"),
        ("grant temporary on database current to anon", "+grant temporary on database"),
        ("alter role anon in database current set work_mem = '1MB'", "+alter role anon in database :"),
    )  # fmt: skip
    with psycopg.connect(shop.admin_dsn) as connection:
        name = f'database "{connection.info.dbname}"'
    for statement, _ in differences:
        shop.execute(statement.replace("database current", name))
    found = snapshot.difference(good, snapshot.dump(shop.dsn, server.bindir))
    for statement, expected in differences:
        assert expected in found, statement
    assert snapshot.difference(good, good) == ""


def test_partitions_are_not_part_of_it(shop: Tree, server: Server) -> None:
    shop.migration(
        2, "ops_log", "create table ops.log (id int, constraint log_pkey primary key (id)) partition by range (id);"
    )
    shop.migrate()
    before = snapshot.dump(shop.dsn, server.bindir)
    assert "CREATE TABLE ops.log (" in before["ops.sql"]
    shop.execute("create table ops.log_1 partition of ops.log for values from (1) to (2)")
    shop.execute("create table ops.log_2 (like ops.log including all); comment on table ops.log_2 is 'x'")
    shop.execute("alter table ops.log attach partition ops.log_2 for values from (2) to (3)")
    assert snapshot.difference(before, snapshot.dump(shop.dsn, server.bindir)) == ""


def test_it_is_written_and_read_back(shop: Tree, server: Server) -> None:
    shop.migrate()
    found = snapshot.dump(shop.dsn, server.bindir)
    stale = shop.write("sql/schema/cotton.sql", "create schema cotton;\n")
    assert "core.sql" in snapshot.write(found, shop.root)
    assert not stale.exists() and snapshot.read(shop.root) == found
    assert snapshot.write(found, shop.root) == []
    shop.write("sql/schema/core.sql", found["core.sql"].replace("price numeric(10,2)", "price numeric(8,2)"))
    assert "-    price numeric(8,2)\n+    price numeric(10,2)" in snapshot.difference(snapshot.read(shop.root), found)


def test_invariants(shop: Tree) -> None:
    shop.write("policies/core/item.sql", "create policy item_migrator on core.item to migrator using (true);\n"
               "create policy item_owner on core.item to owner using (true);\n"
               "grant select on core.item to migrator;\n")  # fmt: skip
    shop.write("policies/core/_schema.sql", "grant usage on schema core to migrator;\n")
    shop.migrate()
    shop.write(
        "sql/invariants/core/0001_names.sql",
        "-- title: Every item has a name\nselect id from core.item where name = '';\n",
    )
    shop.write(
        "sql/invariants/core/0002_prices.sql",
        "-- title: Every item has a price\n-- why: it is sold\n"
        "select id, name, price from core.item where price is null;\n",
    )
    shop.write("sql/invariants/wms/0001_many.sql", "-- title: Few\nselect n from generate_series(1, 1234) n;\n")
    shop.write("sql/invariants/wms/0002_writes.sql", "-- title: Reads\nselect nextval('core.missing');\n")
    findings = verify.run(shop.dsn, root=shop.root)
    assert [(f.domain, f.name, f.violations, f.holds) for f in findings] == [
        ("core", "0001_names", 0, True),
        ("core", "0002_prices", 1, False),
        ("wms", "0001_many", 1234, False),
        ("wms", "0002_writes", 0, False),
    ]
    assert (findings[1].title, findings[1].why) == ("Every item has a price", "it is sold")
    assert (findings[1].columns, findings[1].rows) == (["id", "name", "price"], [["2", "Trousers", None]])
    assert len(findings[2].rows) == verify.SHOWN
    assert findings[3].error is not None and 'relation "core.missing" does not exist' in findings[3].error
    assert len(verify.run(shop.dsn, ["wms"], root=shop.root)) == 2


def test_an_invariant_cannot_write_and_cannot_run_for_ever(shop: Tree) -> None:
    shop.migration(
        2,
        "core_seq",
        "create sequence core.seq; grant all on sequence core.seq to migrator; grant usage on schema core to migrator;",
    )
    shop.remove("policies/core/_schema.sql")
    shop.migrate()
    shop.write("sql/invariants/core/0001_writes.sql", "-- title: Writes\nselect nextval('core.seq');\n")
    shop.write("sql/invariants/core/0002_slow.sql", "-- title: Slow\nselect pg_sleep(30);\n")
    findings = verify.run(shop.dsn, root=shop.root, timeout="200ms")
    assert "read-only transaction" in str(findings[0].error)
    assert "statement timeout" in str(findings[1].error)


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("core/names.sql", "-- title: x\nselect 1", "the name must be NNNN_name.sql"),
        ("core/0001_names.sql", "select 1", "the first line must be"),
        ("core/0001_names.sql", "-- title: x\nselect 1; select 2", "an invariant is one query"),
        ("core/0001_names.sql", "-- title: x\ndelete from core.item", "an invariant is one query"),
        ("nowhere/0001_names.sql", "-- title: x\nselect 1", "no such domain"),
    ],
)
def test_files_that_are_no_invariant(tree: Tree, path: str, text: str, reason: str) -> None:
    tree.write(f"sql/invariants/{path}", text + "\n")
    with pytest.raises(Refused, match=reason):
        verify.run(tree.dsn, root=tree.root)


def test_scram_verifiers_are_compared(server: Server) -> None:
    with server.admin() as connection:
        verifier = connection.pgconn.encrypt_password(b"right", b"anybody", b"scram-sha-256").decode()
    assert cluster.matches("right", verifier)
    assert not cluster.matches("wrong", verifier)
    assert not cluster.matches("right", "md5 or nonsense")
    assert cluster.iterations(verifier) == 4096
