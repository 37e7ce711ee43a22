"""`erpgres migrate undo-point`: what is marked, what going back would cost, and, as a drill, going back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from conftest import erpgres, free_port
from erpgres.errors import CannotRun, Refused
from erpgres.migrate import cluster, files, runner, throwaway, undo
from erpgres.settings import ROOT
from erpgres.stack import certificate, postgres
from erpgres.stack.state import State

from .conftest import HEADER, Server, Tree


def test_a_point_says_what_was_written_and_applied_since(clone: str) -> None:
    first = undo.create(clone, "before-anything", note="a test")
    assert (first.verdict, first.events, first.since, first.is_restore_point) == (undo.SAFE, 0, [], True)
    assert first.recovery_target == "recovery_target_name = 'before-anything'"
    assert first.schema_version == files.read_migrations()[-1].version
    with psycopg.connect(clone) as connection:
        connection.execute("select core.create_organization('UNDO', 'Undo', 'BD', 'USD')")
    undo.create(clone, "later")
    with psycopg.connect(clone) as connection:
        connection.execute("update ops.undo_point set schema_version = schema_version - 1 where name = 'later'")
    later, first = undo.every(clone)
    assert (later.name, later.verdict, later.events) == ("later", undo.SAFE, 0)
    assert [migration.name for migration in later.since] == [files.read_migrations()[-1].name]
    assert first.verdict == undo.COSTS
    assert first.events > 10 and first.transactions >= 1 and first.wal_bytes > later.wal_bytes
    assert "recovery_target_name = 'later'" in undo.text([later, first])


def test_whoever_may_not_name_a_point_gets_its_place_in_the_log(stack: State, clone: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(clone)["dbname"]
    point = undo.create(stack.dsn("migrator", str(name)), "by-place")
    assert not point.is_restore_point
    assert [known.name for known in undo.every(stack.dsn("migrator", str(name)))] == ["by-place"]
    assert point.recovery_target == f"recovery_target_lsn = '{point.lsn}'"


def test_a_bad_or_taken_name_is_refused(clone: str) -> None:
    undo.create(clone, "one")
    with pytest.raises(Refused, match="already"):
        undo.create(clone, "one")
    with pytest.raises(Refused, match="cannot be an undo point"):
        undo.create(clone, "One Two")


def test_a_database_without_the_table_is_told_to_migrate(server: Server, new_database: Callable[[], str]) -> None:
    with pytest.raises(CannotRun, match="no undo points yet"):
        undo.every(server.as_role("migrator", new_database()))


def test_what_no_migration_brings_back_is_named(tree: Tree) -> None:
    tree.migration(
        1,
        "core_item",
        """
        create schema core;
        create table core.item (id int primary key, name text, size int);
        alter table core.item add column note text;
        """,
    )
    tree.migration(
        2,
        "core_less",
        """
        alter table core.item drop column note, alter column size type bigint;
        update core.item set name = '';
        drop table core.item;
        """,
    )
    first, second = files.read_migrations(tree.root)
    assert undo.destroys(first, tree.root) == []
    assert [line.partition(": ")[2] for line in undo.destroys(second, tree.root)] == [
        "drops a column, changes the type of a column", "changes rows", "drops a table",
    ]  # fmt: skip


def test_the_commands(clone: str) -> None:
    done = erpgres("migrate", "undo-point", "create", "before-v1", "--database-url", clone, "--note", "why")
    assert done.returncode == 0, done.stderr
    assert "recovery_target_name = 'before-v1'" in done.stdout and "archives no log" in done.stderr
    done = erpgres("migrate", "undo-point", "list", "--database-url", clone, "--format", "json")
    point = json.loads(done.stdout)[0]
    assert (point["name"], point["note"], point["archived"]) == ("before-v1", "why", "unknown")


@pytest.fixture
def archiving(place: Path) -> Iterator[tuple[State, Path]]:
    """A server of the test's own that keeps its log in an archive."""
    own = State(place / "state")
    own.port = free_port()
    own.prepare()
    certificate.ensure(own)
    postgres.prepare(own)
    archive = place / "archive"
    archive.mkdir()
    own.give(archive)
    yield own, archive
    shutil.rmtree(place / "state", ignore_errors=True)


@pytest.mark.drill
def test_drill_a_destructive_migration_is_undone(archiving: tuple[State, Path], tmp_path: Path) -> None:
    """Base backup, undo point, a migration that drops a column; then recovery to the point, in a directory beside."""
    own, archive = archiving
    tree = tmp_path / "tree"
    for folder in ("migrations", "functions", "policies", "sql"):
        shutil.copytree(ROOT / folder, tree / folder)
    newest = files.read_migrations(tree)[-1].version
    backup = own.path / "backup"
    backup.mkdir(mode=0o700)
    own.give(backup)
    with throwaway.server(own, {"archive_mode": "on", "archive_command": f"cp %p {archive}/%f"}):
        cluster.apply(own.dsn("postgres"), own.secret, own.database)
        runner.migrate(own.dsn("migrator"), root=tree)
        made = postgres.as_service(
            own,
            [
                str(own.bindir / "pg_basebackup"), f"--pgdata={backup}", "--checkpoint=fast",
                f"--dbname={own.dsn('postgres')}",
            ],
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        admin = own.dsn("postgres", own.database)
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute("select core.create_organization('KEPT', 'Kept', 'BD', 'USD')")
            point = undo.create(admin, "before-the-drop")
            connection.execute("select core.create_organization('LOST', 'Lost', 'BD', 'USD')")
        name = f"V{newest + 1:04}__core_no_key.sql"
        text = HEADER.format(domain="core") + "alter table core.second_factor drop column last_step;\n"
        (tree / "migrations" / name).write_text(text)
        runner.migrate(own.dsn("migrator"), root=tree, target=newest + 1)
        now = undo.every(admin, tree)[0]
        assert now.verdict == undo.COSTS and now.events > 0
        assert [migration.destroys for migration in now.since] == [["line 5: drops a column"]]
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute("select pg_switch_wal()")

    (backup / "recovery.signal").touch()
    own.give(backup / "recovery.signal")
    recovery = {
        "restore_command": f"cp {archive}/%f %p", "recovery_target_name": point.name,
        "recovery_target_action": "promote",
    }  # fmt: skip
    with throwaway.server(own, recovery, backup):
        dsn = make_conninfo(own.dsn("postgres", own.database), connect_timeout=10)
        with psycopg.connect(dsn, autocommit=True) as connection:
            codes = connection.execute("select code from core.organization where code in ('KEPT', 'LOST')").fetchall()
            assert codes == [("KEPT",)]
            columns = connection.execute(
                "select count(*) from pg_attribute where attrelid = 'core.second_factor'::regclass"
                " and attname = 'last_step' and not attisdropped"
            ).fetchone()
            assert columns == (1,)
            version = connection.execute("select max(version) from ops.schema_version").fetchone()
            assert version == (newest,)
