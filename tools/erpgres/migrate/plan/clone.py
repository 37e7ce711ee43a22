"""The clone: a database in a PostgreSQL of the plan's own, with schema, roles and statistics of the live one.

No row of business data is in it: only what `erpgres migrate` keeps about itself, and reference data. Its tables are
empty, so a migration runs at once; for the plans of queries its files are given the size of the live ones, as holes.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from erpgres.errors import CannotRun
from erpgres.migrate.plan.live import PAGE, Live, Name, connect
from erpgres.stack.state import State

NAME = "plan"
SETTINGS = "max_locks_per_transaction = 1024\nmax_prepared_transactions = 0\njit = off\n"
SEGMENT = 1 << 30
_STATISTICS = re.compile(r"^SELECT \* FROM pg_catalog\.pg_restore_\w+_stats\(\n.*?^\);$", re.MULTILINE | re.DOTALL)
_EMPTY_PATH = "SELECT pg_catalog.set_config('search_path', '', false);"
_META = re.compile(r"^\\(un)?restrict .*$", re.MULTILINE)


@dataclass
class Clone:
    """A clone that is there. `dsn` is its superuser's, `migrator` that of the role that migrates."""

    state: State
    live: Live
    dsn: str
    migrator: str
    statistics: list[str]
    sizes: dict[int, tuple[int, float, int]] = field(default_factory=dict)  # oid: bytes, rows, pages all visible
    _grown: dict[Path, int] = field(default_factory=dict)

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """Connect as its superuser."""
        return psycopg.connect(self.dsn, autocommit=True, **options)

    def grow(self) -> None:
        """Give tables and indexes the size and the statistics of the live ones; see `shrink`."""
        with self.connect() as connection:
            connection.execute("set client_min_messages = error")
            rows = connection.execute(
                "select c.oid, n.nspname, c.relname, c.relkind, pg_relation_filepath(c.oid), x.indrelid from pg_class c"
                " join pg_namespace n on n.oid = c.relnamespace left join pg_index x on x.indexrelid = c.oid"
                " where c.relkind in ('r', 'm', 'i', 'p') and c.oid >= 16384 and n.nspname !~ '^pg_'"
            ).fetchall()
            if not self.sizes:
                known = self.live.relations
                self.sizes = {
                    oid: (known[(schema, name)].bytes, known[(schema, name)].rows, known[(schema, name)].all_visible)
                    for oid, schema, name, *_ in rows
                    if (schema, name) in known
                }
            for statement in self.statistics:
                with suppress(psycopg.Error):  # of a table or a column that the migrations took away
                    connection.execute(statement)
            for oid, schema, name, kind, path, of in rows:
                size, tuples, visible = self.sizes.get(oid, (0, 0.0, 0))
                if kind == "i" and oid not in self.sizes and of in self.sizes:  # a new one: 40 bytes an entry
                    tuples = self.sizes[of][1]
                    size = int(tuples * 40)
                if size > PAGE:
                    pages = size // PAGE
                    connection.execute(
                        "select pg_restore_relation_stats('schemaname', %s::text, 'relname', %s::text, 'relpages',"
                        " %s::integer, 'reltuples', %s::real, 'relallvisible', %s::integer)",
                        [schema, name, pages, max(tuples, 1.0), min(visible, pages)],
                    )
                    if path is not None:
                        self._stretch(self.state.pgdata / path, pages * PAGE)

    def _stretch(self, path: Path, size: int) -> None:
        """Make a relation's file so long without writing to it: what is read there are empty pages."""
        before = path.stat()
        if before.st_size >= size:
            return
        self._grown[path] = before.st_size
        os.truncate(path, min(size, SEGMENT))
        for number in range(1, -(-size // SEGMENT)):
            segment = path.with_name(f"{path.name}.{number}")
            segment.touch()
            os.chown(segment, before.st_uid, before.st_gid)
            segment.chmod(before.st_mode & 0o777)
            os.truncate(segment, min(size - number * SEGMENT, SEGMENT))
            self._grown[segment] = -1

    def shrink(self) -> None:
        """Give the files their own sizes back."""
        for path, size in self._grown.items():
            if size < 0:
                path.unlink(missing_ok=True)
            elif path.exists():
                os.truncate(path, size)
        self._grown.clear()


def make(state: State, live_dsn: str, live: Live, data: Iterable[Name]) -> Clone:
    """Make the clone on a running server of the plan's own, with the rows of the tables in `data`.

    Raises CannotRun when the live database cannot be dumped or the dump cannot be restored.
    """
    major = int((state.pgdata / "PG_VERSION").read_text())
    if live.version // 10000 != major:
        raise CannotRun(
            f"the live database is PostgreSQL {live.version // 10000}, the programs here are {major}",
            "run the plan with the programs of the live server's version",
        )
    _clean(state)
    dumped = _dump(state, live_dsn, "pg_dump", "--no-data", "--statistics", "--no-tablespaces")
    roles = _dump(state, live_dsn, "pg_dumpall", "--roles-only", "--no-role-passwords", f"--database={live.name}")
    statistics = _STATISTICS.findall(dumped)
    # `is distinct from` has no form that names its operator's schema, so a trigger that compares a type of an extension
    # (those of the trees once did) cannot be restored under the empty search path of a dump.
    text = _META.sub("", _STATISTICS.sub("", dumped)).replace(_EMPTY_PATH, _EMPTY_PATH.replace("''", "'public'"), 1)
    admin = state.dsn("postgres", "postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        _run(connection, re.sub(r"^CREATE ROLE postgres;$", "", _META.sub("", roles), flags=re.MULTILINE))
        connection.execute(
            sql.SQL("create database {} owner {} template template0 encoding 'UTF8'").format(
                sql.Identifier(NAME), sql.Identifier(live.owner)
            )
        )
        connection.execute(
            sql.SQL("alter role migrator login password {}").format(sql.Literal(state.secret("migrator")))
        )
    dsn = state.dsn("postgres", NAME)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set client_min_messages = error")
        _run(connection, text)
        for setting in live.database_settings:
            name, _, value = setting.partition("=")
            connection.execute(
                sql.SQL("alter database {} set {} = {}").format(
                    sql.Identifier(NAME), sql.SQL(name), sql.Literal(value)
                )
            )  # fmt: skip
        connection.execute("reset all")
    _copy(live_dsn, dsn, data)
    return Clone(state, live, dsn, state.dsn("migrator", NAME), statistics)


def _run(connection: psycopg.Connection[Any], script: str) -> None:
    try:
        connection.execute(script)
    except psycopg.Error as error:
        raise CannotRun(f"the schema of the live database cannot be made again: {str(error).splitlines()[0]}") from None


def _clean(state: State) -> None:
    """Drop what an earlier run left: its database, and all roles but the superuser."""
    with psycopg.connect(state.dsn("postgres", "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(NAME)))
        left = [
            row[0] for row in connection.execute("select rolname from pg_roles where rolname !~ '^pg_' and oid <> 10")
        ]
        for role in left:
            connection.execute(sql.SQL("drop owned by {}").format(sql.Identifier(role)))  # rights on settings
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


def drop(state: State) -> None:
    """Remove the clone, and with it the statistics, which hold values of the live data."""
    _clean(state)


def _dump(state: State, dsn: str, program: str, *options: str) -> str:
    parts = conninfo_to_dict(dsn)
    password = parts.pop("password", None)
    environment = {**os.environ, "PGTZ": "UTC", "PGAPPNAME": "erpgres migrate plan"}
    if password is not None:
        environment["PGPASSWORD"] = str(password)
    command = [
        str(state.bindir / program),
        *options,
        "--lock-wait-timeout=2000",
        f"--dbname={make_conninfo('', **parts)}",
    ]
    role = _role(dsn)
    if role:
        command.append(f"--role={role}")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()
        raise CannotRun(f"{program} failed: {reason[-1] if reason else done.returncode}")
    return done.stdout


def _role(dsn: str) -> str:
    """Return the role to dump as: owner, for a login that has no rights of its own."""
    with connect(dsn) as connection:
        row = connection.execute("select current_user <> session_user, current_user::text").fetchone()
    return str(row[1]) if row and row[0] else ""


def _copy(live_dsn: str, dsn: str, tables: Iterable[Name]) -> None:
    """Copy the rows of a few small tables, without firing a trigger."""
    with connect(live_dsn) as live, psycopg.connect(dsn) as clone:
        clone.execute("set session_replication_role = replica")
        for table in tables:
            name = sql.Identifier(*table)
            there = live.execute("select to_regclass(%s)", [f'"{table[0]}"."{table[1]}"']).fetchone()
            if there is None or there[0] is None:
                continue
            with (
                live.cursor().copy(sql.SQL("copy {} to stdout (format binary)").format(name)) as source,
                clone.cursor().copy(sql.SQL("copy {} from stdin (format binary)").format(name)) as target,
            ):
                for piece in source:
                    target.write(piece)
