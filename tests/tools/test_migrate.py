"""`erpgres migrate`: order, locks, competing runs, failures, released files."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from erpgres.errors import Refused
from erpgres.migrate import files, runner
from erpgres.settings import ROOT

from .conftest import Tree


def two_tables(tree: Tree) -> None:
    tree.migration(1, "core_a", "create schema core;\ncreate table core.a (id int primary key);")
    tree.migration(2, "core_b", "create table core.b (id int primary key references core.a);")


def test_migrations_are_applied_in_order_once(tree: Tree) -> None:
    two_tables(tree)
    first = tree.migrate()
    assert first.applied == ["V0001__core_a.sql", "V0002__core_b.sql"]
    assert tree.rows("select version, description, installed_by from ops.schema_version order by 1") == [
        (1, "core a", "migrator"),
        (2, "core b", "migrator"),
    ]
    assert tree.value("select pg_get_userbyid(relowner) from pg_class where oid = 'core.b'::regclass") == "owner"
    second = tree.migrate()
    assert not second.changed


def test_target_stops_and_leaves_the_layer(shop: Tree) -> None:
    shop.migration(2, "core_more", "alter table core.item add column note text;")
    result = shop.migrate(target=1)
    assert result.applied == ["V0001__core_item.sql"] and result.left == ["V0002__core_more.sql"]
    assert result.repeatable == []
    assert shop.migrate().applied == ["V0002__core_more.sql"]
    with pytest.raises(Refused, match="no migration 7"):
        shop.migrate(target=7)


def test_a_failed_migration_leaves_nothing_and_says_where(tree: Tree) -> None:
    two_tables(tree)
    tree.migration(
        3,
        "core_c",
        """
        create table core.c (id int);

        -- the next one is wrong
        alter table core.c
          add column x int,
          add column y no_such_type;
        """,
    )
    before = tree.objects()
    with pytest.raises(Refused) as caught:
        tree.migrate()
    message = caught.value.message
    assert message.startswith('migrations/V0003__core_c.sql line 11: type "no_such_type" does not exist (42704)')
    assert "alter table core.c" in message
    assert tree.objects() == before


def test_a_failed_layer_undoes_the_migrations_too(shop: Tree) -> None:
    shop.write("sql/api/core.sql", "create view api.items as select nothing_like_it from core.item;\n")
    before = shop.objects()
    with pytest.raises(Refused, match=r"sql/api/core.sql line 1: column \"nothing_like_it\" does not exist"):
        shop.migrate()
    assert shop.objects() == before


def test_a_syntax_error_is_found_before_anything_runs(tree: Tree) -> None:
    two_tables(tree)
    tree.migration(3, "core_c", "create table core.c (id int);\ncreat table core.d (id int);")
    with pytest.raises(Refused, match=r"V0003__core_c.sql line 6: syntax error at or near \"creat\""):
        tree.migrate()


def test_it_waits_out_a_held_lock(tree: Tree) -> None:
    two_tables(tree)
    tree.migrate()
    tree.migration(3, "core_c", "alter table core.a add column note text;")
    told: list[str] = []
    with psycopg.connect(tree.admin_dsn, application_name="reader") as reader:
        reader.execute("select count(*) from core.a")

        def progress(message: str) -> None:
            told.append(message)
            if message.startswith("attempt 2"):
                reader.rollback()

        result = tree.migrate(lock_timeout="500ms", pause=0.1, progress=progress)
    assert result.applied == ["V0003__core_c.sql"] and result.attempts == 3
    first = next(message for message in told if message.startswith("attempt 1"))
    assert "V0003__core_c.sql line 5" in first and "55P03" in first
    assert "application reader" in first and "AccessShareLock on core.a" in first


def test_it_gives_up_on_a_lock_and_leaves_nothing(tree: Tree) -> None:
    two_tables(tree)
    tree.migrate()
    tree.migration(3, "core_c", "create table core.c (id int);\nalter table core.a add column note text;")
    with psycopg.connect(tree.admin_dsn) as reader:
        reader.execute("select count(*) from core.a")
        with pytest.raises(Refused, match="given up after 2 attempts"):
            tree.migrate(lock_timeout="200ms", pause=0.05, attempts=2)
    assert tree.value("select to_regclass('core.c')") is None


def test_ten_at_once(shop: Tree) -> None:
    shop.migration(2, "core_slow", "select pg_sleep(0.3);\nalter table core.item add column note text;")
    barrier = threading.Barrier(10)

    def one(_: int) -> Any:
        barrier.wait()
        return shop.migrate(wait=120)

    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(one, range(10)))
    assert sorted(len(result.applied) for result in results) == [0] * 9 + [2]
    assert shop.value("select count(*) from ops.schema_version") == 2


def test_the_second_run_is_refused_when_the_first_takes_too_long(tree: Tree) -> None:
    two_tables(tree)
    with psycopg.connect(tree.admin_dsn, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [runner.MIGRATION_KEY])
        with pytest.raises(Refused, match=rf"another migration is running \(process {other.info.backend_pid}\)"):
            tree.migrate(wait=0.3)
    assert tree.value("select to_regnamespace('core')") is None


def test_a_killed_run_leaves_nothing(tree: Tree, tmp_path: Path) -> None:
    two_tables(tree)
    tree.migration(3, "core_c", "create table core.c (id int);\nselect pg_sleep(60);")
    before = tree.objects()
    code = (
        "import sys, pathlib; from erpgres.migrate import runner;"
        " runner.migrate(sys.argv[1], root=pathlib.Path(sys.argv[2]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, tree.dsn, str(tree.root)],
        env={"PYTHONPATH": str(ROOT / "tools"), "TMPDIR": str(tmp_path)},
    )
    find = "select pid from pg_stat_activity where datname = current_database() and query ~ '^select pg_sleep'"
    wait_for(lambda: tree.rows(find) != [])
    process.kill()
    process.wait()
    wait_for(lambda: tree.rows(find) == [])
    assert tree.objects() == before


def wait_for(condition: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_dry_run_changes_nothing(shop: Tree) -> None:
    before = shop.objects()
    result = shop.migrate(dry_run=True)
    assert result.applied == ["V0001__core_item.sql"] and "sql/api/core.sql" in result.repeatable
    assert shop.objects() == before


def test_nontransactional_migrations_split_the_run(shop: Tree) -> None:
    shop.migration(2, "core_NONTRANSACTIONAL_index", "create index concurrently item_name_idx on core.item (name);")
    shop.migration(3, "core_more", "alter table core.item add column note text;")
    dry = shop.migrate(dry_run=True)
    assert dry.applied == ["V0001__core_item.sql"] and len(dry.left) == 2
    result = shop.migrate()
    assert [name[:5] for name in result.applied] == ["V0001", "V0002", "V0003"]
    assert shop.value("select indisvalid from pg_index where indexrelid = 'core.item_name_idx'::regclass")
    assert shop.value("select pg_get_userbyid(relowner) from pg_class where relname = 'item_name_idx'") == "owner"
    assert shop.value("select count(*) from api.items") == 2


def test_ten_at_once_with_a_concurrent_index(shop: Tree) -> None:
    shop.migration(2, "core_NONTRANSACTIONAL_index", "create index concurrently item_name_idx on core.item (name);")
    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(lambda _: shop.migrate(wait=120), range(10)))
    assert sorted(len(result.applied) for result in results) == [0] * 9 + [2]


def test_a_data_check_stops_the_migration(shop: Tree) -> None:
    shop.migrate()
    # Row security binds the owner: the check is asked of the session's user, as he is given it in policies/.
    shop.execute("grant usage on schema core to migrator")
    shop.execute("grant select on core.item to migrator")
    shop.execute("create policy item_migrator on core.item for select to migrator using (true)")
    shop.migration(2, "core_priced", "alter table core.item add constraint item_has_price check (price is not null);")
    shop.write("migrations/V0002__core_priced.check.sql", "select id, name from core.item where price is null;\n")
    with pytest.raises(Refused, match=r"1 row\(s\) stand against the migration\n    id \| name\n    2 \| Trousers"):
        shop.migrate()
    shop.write("sql/reference/core/item.csv", "id,name,price\n1,Shirt,9.50\n")
    with pytest.raises(Refused):  # reference data come after the migrations
        shop.migrate()
    shop.execute("update core.item set price = 1 where price is null")
    assert shop.migrate().applied == ["V0002__core_priced.sql"]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("V0003__nowhere_x.sql", None, r"V0003__nowhere_x.sql: the name must be"),
        ("V003__core_x.sql", None, "the name must be"),
        ("V0003__core_X.sql", None, "the name must be"),
        ("V0003__core_x.SQL", None, "ends in .sql"),
        ("V0004__core_x.sql", None, "migration 0003 is missing"),
        ("V0002__core_x.sql", None, "two migrations have the number 2"),
        ("V0003__core_x.sql", "select 1;\n", "the header lacks `-- domain:`"),
        ("V0003__core_x.sql", "-- domain: wms\n-- why: x\n-- locks: x\n-- breaking: no\n", "the name says core"),
        ("V0003__core_x.sql", "-- domain: core\n-- why: x\n-- locks: x\n-- breaking: oh\n", "must be yes or no"),
        ("V0003__core_x.check.sql", "select 1;\n", "there is no migration V0003__core_x.sql for this check"),
    ],
)
def test_bad_files_are_refused(tree: Tree, name: str, text: str | None, reason: str) -> None:
    two_tables(tree)
    tree.write(f"migrations/{name}", text or "-- domain: core\n-- why: x\n-- locks: x\n-- breaking: no\nselect 1;\n")
    before = tree.objects()
    with pytest.raises(Refused, match=reason):
        tree.migrate()
    assert tree.objects() == before


def test_non_ascii_needs_the_mark(tree: Tree) -> None:
    two_tables(tree)
    path = tree.migration(3, "core_c", "comment on table core.a is 'größer';")
    with pytest.raises(Refused, match=r"V0003__core_c.sql line 5: 'ö' is not an ASCII character"):
        tree.migrate()
    path.write_text(f"{files.ENCODING_MARK}\n{path.read_text()}")
    tree.migrate()
    assert tree.value("select obj_description('core.a'::regclass)") == "größer"


def test_released_files_are_frozen(tree: Tree) -> None:
    two_tables(tree)
    assert tree.migrate().unreleased == ["V0001__core_a.sql", "V0002__core_b.sql"]
    assert files.release(tree.root) == ["V0001__core_a.sql", "V0002__core_b.sql"]
    assert files.release(tree.root) == []
    assert tree.migrate().unreleased == []
    path = files.new("core", "A third table!", tree.root)
    assert path.name == "V0003__core_a_third_table.sql"
    assert tree.migrate(dry_run=True).unreleased == [path.name]
    with pytest.raises(Refused, match="the header does not say why, locks yet"):
        files.release(tree.root)
    path.write_text(path.read_text().replace("say here ", ""))
    with pytest.raises(Refused, match="holds no statement"):
        files.release(tree.root)
    path.unlink()

    first = tree.root / "migrations/V0001__core_a.sql"
    text = first.read_text()
    first.write_text(text + "\n")
    with pytest.raises(Refused, match=r"V0001__core_a.sql was changed after its release"):
        tree.migrate()
    first.unlink()
    with pytest.raises(Refused, match=r"LEDGER has V0001__core_a.sql, which is not there"):
        tree.migrate()
    first.write_text(text)
    ledger = tree.root / "migrations/LEDGER"
    ledger.write_text("".join(ledger.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(Refused, match=r"V0001__core_a.sql is not in migrations/LEDGER, but a newer"):
        tree.migrate()
    ledger.write_text("nonsense\n")
    with pytest.raises(Refused, match="LEDGER line 1"):
        tree.migrate()


def test_a_file_changed_after_it_was_applied_is_refused(tree: Tree) -> None:
    two_tables(tree)
    tree.migrate()
    tree.migration(2, "core_b", "create table core.b (id bigint primary key);")
    with pytest.raises(Refused, match=r"V0002__core_b.sql was changed after this database had it"):
        tree.migrate()


def test_an_older_tree_is_refused(tree: Tree) -> None:
    two_tables(tree)
    tree.migrate()
    tree.remove("migrations/V0002__core_b.sql")
    with pytest.raises(Refused, match=r"the database has migration 2 \(core b\), this tree has not"):
        tree.migrate()


def test_status(shop: Tree) -> None:
    status = runner.status(shop.dsn, root=shop.root)
    assert status.pending == ["V0001__core_item.sql"] and not status.is_current
    shop.migrate()
    assert runner.status(shop.dsn, root=shop.root).is_current
    shop.write("sql/api/core.sql", "create view api.items as select id from core.item;\n")
    shop.execute("drop policy item_owner on core.item")
    shop.execute("create view api.stranger as select 1 as one")
    status = runner.status(shop.dsn, root=shop.root)
    assert status.version == 1 and status.changed == ["sql/api/core.sql"]
    assert "policies and grants of core.item (policies/core/item.sql)" in status.drift
    assert "view api.stranger (no file makes it)" in status.drift
