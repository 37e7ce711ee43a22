"""Migrations in several transactions: steps, being cut off at each, indexes on partitions, what the owner sees."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from conftest import free_port
from erpgres.cli import main
from erpgres.errors import Refused
from erpgres.migrate import drill, indexes, kinds, runner, sqlfile, steps
from erpgres.migrate.bookkeeping import become_owner
from erpgres.migrate.session import MIGRATION_KEY, Session
from erpgres.settings import ROOT

from .conftest import Original, Tree

STEPPED = """
alter table core.part add column note text;
alter table core.part add constraint qty_not_negative check (qty >= 0) not valid;

alter table core.part validate constraint qty_not_negative;

create index concurrently part_qty_idx on core.part (qty, id);

update core.part set note = coalesce(note, '') || 'x' where id <= 10;

drop index concurrently if exists core.part_old_idx;

comment on column core.part.note is 'A note';
"""


def fill(tree: Tree) -> None:
    tree.migration(
        1,
        "core_part",
        """
        create schema core;
        create table core.part (id int constraint part_pkey primary key, qty int not null) partition by range (id);
        create table core.part_1 partition of core.part for values from (0) to (1000);
        create table core.part_2 partition of core.part for values from (1000) to (2000);
        create table core.part_3 partition of core.part for values from (2000) to (3000);
        create index part_old_idx on core.part_1 (qty);
        insert into core.part select i, i % 7 from generate_series(1, 1999) i;
        """,
    )


@pytest.fixture(scope="module")
def filled(original: Callable[[Callable[[Tree], None]], Original]) -> Original:
    return original(fill)


@pytest.fixture
def parts(filled: Original) -> Tree:
    """A partitioned table with rows, one partition empty."""
    return filled.copy()


def killed_at(tree: Tree, message: int) -> bool:
    """Run in a process of its own that is killed when it says its n-th message; False when it came to the end."""
    child = os.fork()
    if child == 0:
        said = 0

        def progress(_: str) -> None:
            nonlocal said
            said += 1
            if said == message:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            runner.migrate(tree.dsn, root=tree.root, progress=progress)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_cut_off_at_every_statement_it_goes_on_where_it_was(parts: Tree) -> None:
    parts.migration(2, "core_NONTRANSACTIONAL_stepped", STEPPED)
    kills = 0
    while killed_at(parts, kills % 7 + 2):  # a run says that it begins a step, or a partition, and that it is done
        kills += 1
        assert kills < 40
    assert kills >= 5
    assert parts.value("select count(*) from core.part where note = 'x'") == 10  # the update ran once
    assert parts.value("select convalidated from pg_constraint where conname = 'qty_not_negative' and conparentid = 0")
    assert parts.rows("select relname from pg_index i join pg_class c on c.oid = indexrelid where not indisvalid") == []
    assert parts.value("select count(*) from pg_inherits where inhparent = 'core.part_qty_idx'::regclass") == 3
    assert parts.value("select to_regclass('core.part_old_idx')") is None
    assert parts.value("select count(*) from ops.migration_step") == 0
    assert parts.value("select max(version) from ops.schema_version") == 2
    assert not parts.migrate().changed


def test_a_step_that_is_done_may_not_be_changed_the_rest_may(parts: Tree) -> None:
    text = "create table core.a (id int);\nselect 1 / 0;\n"
    path = parts.migration(2, "core_NONTRANSACTIONAL_wrong", text)
    with pytest.raises(Refused, match=r"division by zero[\s\S]*the steps before this one stay") as caught:
        parts.migrate()
    assert caught.value.message.startswith("migrations/V0002__core_NONTRANSACTIONAL_wrong.sql line 6: ")
    header, _, _ = path.read_text().partition("create table")
    path.write_text(header + "create table core.b (id int);\nselect 1;\n")
    with pytest.raises(Refused, match="step 1 was changed after it was done"):
        parts.migrate()
    path.write_text(header + "create table core.a (id int);\nselect 1;\n")
    assert parts.migrate().applied == [path.name]
    assert parts.value("select to_regclass('core.a')::text") == "core.a"


def test_statements_are_divided_by_what_they_are() -> None:
    statements = sqlfile.parse(
        "alter table t add c int; create trigger x before insert on t execute function f();"
        " update t set c = 1; alter table t validate constraint k; create index concurrently i on t (c);"
        " alter table t detach partition p concurrently; insert into ops.backfill (name) values ('x');"
        " alter table t alter c set not null; vacuum t; select 1",
        "x.sql",
    )
    assert [(step.kind, len(step.statements)) for step in steps.divide(statements)] == [
        ("instant", 2), ("rows", 1), ("rows", 1), ("outside", 1), ("outside", 1), ("instant", 2), ("outside", 1),
        ("rows", 1),
    ]  # fmt: skip


def test_an_invalid_index_is_built_again(parts: Tree) -> None:
    parts.execute("insert into core.part values (2500, -1), (2501, -1)")
    parts.migration(
        2, "core_NONTRANSACTIONAL_once", "create unique index concurrently part_once on core.part (id, qty);"
    )
    with psycopg.connect(parts.admin_dsn, autocommit=True) as connection:
        # A build that found a duplicate leaves what one that was cut off leaves.
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("create unique index concurrently part_3__part_once on core.part_3 (qty)")
        connection.execute("create index part_broken on core.part_2 (qty)")
        connection.execute("update pg_index set indisvalid = false where indexrelid = 'core.part_broken'::regclass")
    told: list[str] = []
    parts.migrate(progress=told.append)
    assert any("index part_3__part_once is invalid" in line for line in told)
    assert parts.value("select indisvalid and indisunique from pg_index where indexrelid = 'core.part_once'::regclass")
    with Session(parts.dsn) as session:
        with session.transaction():
            become_owner(session)
            found = indexes.invalid(session, ["core"])
        assert [index.name for index in found] == ["core.part_broken"]
        session.execute("set role owner")
        indexes.rebuild(session, found[0], told.append)
        assert indexes.invalid(session, ["core"]) == []


def test_the_command_lists_and_rebuilds(parts: Tree) -> None:
    """What a failed build, a build of some partitions and a REINDEX that was cut off leave."""

    def call(*words: str) -> Any:
        return CliRunner().invoke(main, ["migrate", "indexes", *words], env={"ERPGRES_DATABASE_URL": parts.dsn})

    assert (call().stdout, call().exit_code) == ("every index is valid\n", 0)
    parts.execute("insert into core.part values (2500, -1), (2501, -1)")
    with psycopg.connect(parts.admin_dsn, autocommit=True) as connection:
        connection.execute("set role owner")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("create unique index concurrently part_3_once on core.part_3 (qty)")
        connection.execute("create index part_qty_idx on only core.part (qty)")
        connection.execute("create index concurrently part_1__part_qty_idx on core.part_1 (qty)")
        connection.execute("alter index core.part_qty_idx attach partition core.part_1__part_qty_idx")
        with psycopg.connect(parts.admin_dsn) as reader:
            reader.execute("update core.part_1 set qty = qty where id = 1")
            connection.execute("set statement_timeout = '300ms'")
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute("reindex index concurrently core.part_old_idx")
    found = call()
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        "core.part_3_once of core.part_3: a build failed or was cut off",
        "core.part_old_idx_ccnew of core.part_1: the copy of a REINDEX that was cut off",
        "core.part_qty_idx of core.part: 2 partitions lack their part of it",
        "erpgres migrate indexes --rebuild builds them again",
    ]
    with psycopg.connect(parts.dsn, autocommit=True) as migration:
        migration.execute("select pg_advisory_lock(%s)", [MIGRATION_KEY])
        assert call("--rebuild").stderr.startswith("error: a migration is running\n")
    found = call("--rebuild", "--format", "json")
    assert found.exit_code == 1
    report = json.loads(found.stdout)
    assert report["mended"] == ["core.part_old_idx_ccnew", "core.part_qty_idx"]
    (left,) = report["invalid"]
    assert left["name"] == "core.part_3_once" and "could not create unique index" in left["error"]
    parts.execute("delete from core.part where id = 2501")
    assert (call("--rebuild").stdout, call().exit_code) == ("core.part_3_once: mended\n", 0)
    valid = (
        "select bool_and(indisvalid), count(*) filter (where indisunique) from pg_index"
        " where indexrelid = any (%s::regclass[])"
    )
    names = ["core.part_qty_idx", "core.part_old_idx", "core.part_3_once", "core.part_3__part_qty_idx"]
    assert parts.rows(valid, names) == [(True, 1)]


def test_a_part_of_an_index_that_is_invalid_is_built_again(parts: Tree) -> None:
    """A part cannot be dropped by itself; it is reindexed under the index that it belongs to."""
    parts.execute("create index part_qty_idx on core.part (qty)")
    parts.execute("update pg_index set indisvalid = false where indexrelid = 'core.part_2_qty_idx'::regclass")
    with Session(parts.dsn) as session:
        runner.settle(session)
        found = indexes.invalid(session, ["core"])
        assert [(index.name, index.kind) for index in found] == [("core.part_2_qty_idx", indexes.PART)]
        assert indexes.repair(session, ["core"], lambda _: None) == {"core.part_2_qty_idx": None}
        assert indexes.invalid(session, ["core"]) == []


def test_an_index_is_built_while_rows_are_written(parts: Tree) -> None:
    """Readers and writers that are in the middle of something do not stop it, nor it them."""
    parts.migration(2, "core_NONTRANSACTIONAL_i", "create index concurrently part_qty_idx on core.part (qty);")
    written: list[int] = []

    def progress(message: str) -> None:
        if message.startswith("index part_qty_idx: partition"):
            written.append(len(written))
            parts.execute(f"insert into core.part values ({2100 + len(written)}, 1)")
            parts.execute("update core.part set qty = 1 where id in (1, 1500)")

    parts.migrate(progress=progress)
    assert len(written) == 3
    with psycopg.connect(parts.admin_dsn) as connection:
        found = []
        for seek in ("off", "on"):
            connection.execute(f"set enable_seqscan = {seek}")
            found += connection.execute("select count(*) from core.part where qty = 1").fetchall()
    assert found[0] == found[1]


def test_the_lock_is_waited_for_little_at_first(parts: Tree) -> None:
    parts.migration(2, "core_NONTRANSACTIONAL_c", "alter table core.part add column note text;")
    told: list[str] = []
    with psycopg.connect(parts.admin_dsn) as reader:
        reader.execute("select count(*) from core.part")

        def progress(message: str) -> None:
            told.append(message)
            if message.startswith("attempt 3"):
                reader.rollback()

        result = parts.migrate(pause=0.02, progress=progress)
    assert result.attempts == 4
    run = runner.Run("", ROOT, [], None, False, print, 0.4, 1, 0, 0, [], runner.Result())
    assert run.patience == 0.1
    run.failures = 1
    assert run.patience == 0.2
    run.failures = 5
    assert run.patience == 0.4


@pytest.fixture
def tenant(tree: Tree) -> Tree:
    """Two tables under forced row level security; one row points at nothing."""
    tree.migration(
        1,
        "core_tenant",
        """
        create schema core;
        create table core.owner_of (id int primary key);
        create table core.thing (id int primary key, owner_id int);
        insert into core.owner_of values (1);
        insert into core.thing values (1, 1), (2, null), (3, 77);
        """,
    )
    for table in ("owner_of", "thing"):
        tree.write(
            f"policies/core/{table}.sql",
            f"""
            grant select, insert, update, delete on core.{table} to migrator;
            create policy owner_all on core.{table} for all to owner using (false) with check (false);
            create policy migrator_all on core.{table} for all to migrator using (true) with check (true);
            """,
        )
    tree.write("policies/core/_schema.sql", "grant usage on schema core to migrator;\n")
    tree.migrate()
    return tree


KEY = "alter table core.thing add constraint owner_exists foreign key (owner_id) references core.owner_of"


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("core_key", f"{KEY};"),
        ("core_NONTRANSACTIONAL_key", f"{KEY} not valid;\nalter table core.thing validate constraint owner_exists;"),
    ],
)
def test_a_broken_reference_is_seen_behind_row_security(tenant: Tree, what: str, text: str) -> None:
    tenant.migration(2, what, text)
    with pytest.raises(Refused, match=r"rows of core\.thing break owner_exists: nothing has the key 77"):
        tenant.migrate()
    assert tenant.rows("select from pg_constraint where conname = 'owner_exists' and convalidated") == []
    tenant.execute("delete from core.thing where id = 3")
    tenant.migrate()
    assert tenant.value("select convalidated from pg_constraint where conname = 'owner_exists'")


@pytest.mark.parametrize("naive", [True, False])
def test_references_of_partitions_are_looked_at_row_by_row(tenant: Tree, *, naive: bool) -> None:
    """The owner sees the rows of a partition, which has no row security of its own, and no row they refer to."""
    tenant.migration(
        2,
        "core_part",
        """
        create table core.part (id int, owner_id int) partition by range (id);
        create table core.part_1 partition of core.part for values from (0) to (10);
        create table core.part_2 (id int, owner_id int);
        insert into core.part values (1, 1), (2, null), (3, 77);
        insert into core.part_2 values (11, 1), (12, 78);
        """,
    )
    policies = (tenant.root / "policies/core/thing.sql").read_text()
    tenant.write("policies/core/part.sql", policies.replace("thing", "part"))
    tenant.migrate()
    key = KEY.replace("core.thing", "core.part")
    text = f"{key} not valid;\nalter table core.part validate constraint owner_exists;"
    attach = "alter table core.part attach partition core.part_2 for values from (10) to (20);"
    for version, statements, broken in ((3, f"{key};" if naive else text, 77), (4, attach, 78)):
        mark = "" if naive else "NONTRANSACTIONAL_"
        tenant.migration(version, f"core_{mark}key_{version}", statements)
        with pytest.raises(Refused, match='Key is not present in table "owner_of"'):
            tenant.migrate()
        tenant.execute(f"delete from only core.part_{version - 2} where owner_id = {broken}")
        tenant.migrate()
    assert tenant.value("select bool_and(convalidated) and count(*) = 3 from pg_constraint where contype = 'f'"
                        " and confrelid = 'core.owner_of'::regclass")  # fmt: skip
    # The owner has his right again, and it is nobody else's.
    granted = "select array_agg(distinct g.grantee::regrole::text), count(*) filter (where privilege_type = 'SELECT')"
    granted += " from pg_class c cross join aclexplode(c.relacl) g where c.relname ~ '^part_'"
    assert tenant.rows(granted) in ([(["owner"], 2)], [(None, 0)])


@pytest.mark.parametrize("what", ["core_checked", "core_NONTRANSACTIONAL_checked"])
def test_a_data_check_sees_the_rows_of_every_organisation(tenant: Tree, what: str) -> None:
    tenant.migration(2, what, "alter table core.thing add column note text;")
    tenant.write(f"migrations/V0002__{what}.check.sql", "select id from core.thing where owner_id > 70;\n")
    with pytest.raises(Refused, match=r"1 row\(s\) stand against the migration"):
        tenant.migrate()
    tenant.execute("delete from core.thing where id = 3")
    assert tenant.migrate().applied == [f"V0002__{what}.sql"]


def test_what_is_ahead_is_committed_before_the_layer(shop: Tree, reader: Callable[[], Any]) -> None:
    shop.migrate()
    path = shop.migration(2, "core_ahead", "alter table core.item add column note text;")
    path.write_text(path.read_text().replace("-- breaking", "-- apply: ahead\n-- breaking"))
    shop.write("sql/api/core.sql", "create view api.items as select id, no_such_column from core.item;\n")
    with pytest.raises(Refused, match="no_such_column"):
        shop.migrate()
    assert shop.value("select max(version) from ops.schema_version") == 2
    assert reader() == 2  # the old API is there
    path.write_text(path.read_text().replace("ahead", "soon"))
    with pytest.raises(Refused, match="`-- apply:` is ahead"):
        shop.migrate()


def test_a_table_that_is_made_ahead_is_protected_when_it_appears(shop: Tree) -> None:
    """Its policies do not come with the layer, when it is used already and they would have to lock it."""
    shop.migrate()
    path = shop.migration(2, "core_ahead", "create table core.memo (id int constraint memo_pkey primary key);")
    path.write_text(path.read_text().replace("-- breaking", "-- apply: ahead\n-- breaking"))
    policy = "create policy memo_owner on core.memo to owner using ({});\ngrant select on core.memo to member;\n"
    shop.write("policies/core/memo.sql", policy.format("true"))
    good = (shop.root / "sql/api/core.sql").read_text()
    shop.write("sql/api/core.sql", "create view api.items as select id, no_such_column from core.item;\n")
    with pytest.raises(Refused, match="no_such_column"):
        shop.migrate()
    protected = "select relrowsecurity, relforcerowsecurity, (select array_agg(polname::text) from pg_policy"
    protected += " where polrelid = c.oid), has_table_privilege('member', c.oid, 'select') from pg_class c"
    assert shop.rows(f"{protected} where oid = 'core.memo'::regclass") == [(True, True, ["memo_owner"], True)]
    shop.write("sql/api/core.sql", good)
    with psycopg.connect(shop.admin_dsn) as other:
        other.execute("select from core.memo")  # the layer has no need to lock it again
        assert "policies/core/memo.sql" not in shop.migrate(attempts=1).repeatable
    assert not shop.migrate().changed


def test_a_policy_that_needs_the_layer_comes_with_it(shop: Tree) -> None:
    shop.migrate()
    path = shop.migration(2, "core_ahead", "create table core.memo (id int constraint memo_pkey primary key);")
    path.write_text(path.read_text().replace("-- breaking", "-- apply: ahead\n-- breaking"))
    shop.write("functions/core/may.sql", "create function core.may() returns boolean language sql return true;\n")
    shop.write("policies/core/memo.sql", "create policy memo_owner on core.memo to owner using (core.may());\n")
    assert "policies/core/memo.sql" in shop.migrate().repeatable
    assert shop.value("select count(*) from pg_policy where polrelid = 'core.memo'::regclass") == 1
    assert not shop.migrate().changed


@pytest.fixture
def reader(shop: Tree) -> Callable[[], Any]:
    return lambda: shop.value("select count(*) from api.items")


def test_the_old_api_is_used_to_its_end(shop: Tree) -> None:
    """Whoever is reading it while it is replaced reads on; it goes when he has gone."""
    shop.migrate()
    with psycopg.connect(shop.admin_dsn) as client:
        client.execute("declare c cursor for select name from api.items order by id")
        assert client.execute("fetch 1 from c").fetchone() == ("Shirt, blue",)
        shop.write(
            "sql/api/core.sql",
            "create view api.items with (security_invoker = true) as\n"
            "select id, upper(name) as name, core.item_price(id) as price from core.item;\n",
        )
        told: list[str] = []
        shop.migrate(progress=told.append, sweep_wait=0.2)
        assert any("stay" in line for line in told)
        assert shop.value("select name from api.items where id = 1") == "SHIRT, BLUE"
        assert client.execute("fetch 1 from c").fetchone() == ("Trousers",)
    assert not shop.migrate(sweep_wait=0.2).changed
    assert shop.rows("select from pg_namespace where nspname ~ '__old'") == []


def test_requests_go_on_while_it_is_applied(parts: Tree) -> None:
    """Readers and writers all the while; one transaction is long. Nobody fails, the changes are there."""
    stop = threading.Event()
    failures: list[str] = []
    answered = [0, 0]

    def client(number: int) -> None:
        try:
            with psycopg.connect(parts.admin_dsn, autocommit=True) as connection:
                connection.execute("set lock_timeout = '2s'")
                while not stop.is_set():
                    row = random.Random(answered[number]).randrange(1, 1999)
                    if number:
                        connection.execute("update core.part set qty = 3 where id = %s", [row])
                    else:
                        connection.execute("select qty from core.part where id = %s", [row])
                    answered[number] += 1
        except psycopg.Error as error:
            failures.append(str(error))

    clients = [threading.Thread(target=client, args=(number,)) for number in (0, 1)]
    for thread in clients:
        thread.start()
    try:
        for version, (kind, values) in enumerate(
            [
                ("add-column", {"column": "note", "type": "text", "meaning": "Note"}),
                ("add-check", {"constraint": "qty_not_negative", "check": "qty >= 0"}),
                ("set-not-null", {"column": "qty"}),
                ("add-index", {"columns": "qty, id"}),
                ("drop-constraint", {"constraint": "qty_not_negative"}),
            ],
            2,
        ):
            before = list(answered)
            kinds.new(kind, "core.part", f"try {kind} {version}", values, parts.root)
            parts.migrate(pause=0.02, attempts=60)
            deadline = time.monotonic() + 20
            while min(now - then for now, then in zip(answered, before, strict=True)) < 3 and not failures:
                assert time.monotonic() < deadline, "the clients stand still"
                time.sleep(0.01)
    finally:
        stop.set()
        for thread in clients:
            thread.join()
    assert failures == []


@pytest.mark.drill
def test_the_drill() -> None:
    """Every change under load through the gateway: none fails a request."""
    told: list[str] = []
    options = drill.Options(
        rows=20_000, rate=50, connections=8, share=1.0, quiet_seconds=2, alone_seconds=0.5, settle_seconds=0.5
    )
    found = drill.run(options, told.append, free_port(5))
    assert found.failures == []
    assert [item.name for item in found.items if item.failed or item.error or not item.requests] == []
    assert len(found.items) == 16 and found.items[0].name == drill.ALONE
    assert all(item.alone_ms > 0 for item in found.items[1:])
    assert found.sender_us > 0
    # The whole table was filled, all over the partitions.
    assert any(line.startswith("20,0") and " rows, " in line for line in told)


def test_what_a_drill_finds_is_told_with_what_the_load_alone_does() -> None:
    """A wait over the limit, a failed request, a change that was refused and a rate that was not reached break it."""
    found = drill.Drill(drill.Options(rate=100))
    found.items = [
        drill.Item(drill.ALONE, 10, 1000, 0, 0, 90, 20, 0, 0, 0, 0),
        drill.Item("add a check", 5, 450, 0, 0, 480, 30, 400, 25, 37, 0),
    ]
    assert found.holds and found.public()["holds"]
    found.items[0].requests = 940
    found.items[1].over, found.items[1].longest_ms, found.items[1].failed = 2, 601.4, 1
    found.items[1].slowest = ["601 ms: one row, 0.2 s after 'V0099'"]
    found.items[1].error = "no such table"
    assert found.broken == [
        "add a check: no such table", "add a check: 1 requests failed",
        "add a check: 2 requests waited over 500 ms, the longest 601 ms (400 ms by the load alone before)",
        "the load alone reached 94 of 100 requests/s",
    ]  # fmt: skip
    text = drill.text(found)
    assert "add a check: 601 ms: one row, 0.2 s after 'V0099'" in text and "broken: the load alone" in text
