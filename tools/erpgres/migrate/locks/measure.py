"""Measures the lock table: each kind of statement is run on small tables of its own, and what it takes is looked up.

Locks come from pg_locks while the transaction is open. A rewrite is a changed file (`pg_relation_filenode`), a scan one
more in the counter of scans; both happen on an empty table as on a full one. A statement that cannot run in a
transaction is made to wait by a session that writes to its table, and is looked at while it waits and as it goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from erpgres.errors import CannotRun
from erpgres.migrate.locks.chase import Chase
from erpgres.migrate.locks.table import Kind, Row, kinds, mode_of, setup, strongest

Connection = psycopg.Connection[Any]
Locks = dict[int, list[str]]
_WEAKEST = ("ACCESS SHARE",)
_RELATIONS = """
  select c.oid, c.relname, c.relkind, pg_relation_filenode(c.oid),
         case when c.relkind in ('r', 't', 'm') then {scans} else 0 end
    from pg_class c
   where c.relnamespace = (select oid from pg_namespace where nspname = 'lk')
"""
_LOCKS = (
    "select relation, mode from pg_locks where pid = %s and locktype = 'relation' and relation is not null"
    " and database = (select oid from pg_database where datname = current_database())"
)


def measure(dsn: str, names: Iterable[str] | None = None) -> list[Row]:
    """Measure kinds (all unless named) in the database of a superuser's `dsn`, which should be a scratch one.

    It makes a schema `lk` and drops it again. Raises CannotRun when a statement fails there.
    """
    chosen = [kind for name, kind in kinds().items() if names is None or name in set(names)]
    rows = []
    with psycopg.connect(dsn, autocommit=True) as connection, psycopg.connect(dsn, autocommit=True) as other:
        for one in (connection, other):
            one.execute("set client_min_messages = warning")
            one.execute("set stats_fetch_consistency = none")
        connection.execute("set max_parallel_maintenance_workers = 0")
        try:
            for kind in chosen:
                rows.append(_measure(connection, other, kind))
        except psycopg.Error as error:
            raise CannotRun(f"{kind.name}: {str(error).splitlines()[0]}", f"it ran: {kind.statement}") from None
        finally:
            with suppress(psycopg.Error):
                connection.execute("drop schema if exists lk cascade")
    return rows


def major(dsn: str) -> int:
    """Return the major version of the server."""
    with psycopg.connect(dsn) as connection:
        return connection.info.server_version // 10000


def _relations(connection: Connection, scans: str) -> dict[int, tuple[str, str, int, int]]:
    query = sql.SQL(_RELATIONS).format(scans=sql.SQL(scans))
    return {row[0]: row[1:] for row in connection.execute(query)}


def _measure(connection: Connection, other: Connection, kind: Kind) -> Row:
    connection.execute(setup())
    if kind.before:
        connection.execute(kind.before)
    if kind.alone:
        return _measure_alone(connection, other, kind)
    counter = "pg_stat_get_xact_numscans(c.oid)"
    with connection.transaction(force_rollback=True):
        before = _relations(connection, counter)
        connection.execute(kind.statement)
        locks: Locks = {}
        for relation, mode in connection.execute(_LOCKS, [connection.info.backend_pid]):
            locks.setdefault(relation, []).append(mode_of(mode))
        after = _relations(connection, counter)
        if kind.name == "set_schema":  # it has left the schema that is looked at
            after |= {oid: row for oid, row in before.items() if oid not in after}
    return _row(kind, before, after, locks)


def _measure_alone(connection: Connection, other: Connection, kind: Kind) -> Row:
    """Run it outside a transaction, and look at its locks at each of its steps."""
    counter = "pg_stat_get_numscans(c.oid)"
    connection.execute("select pg_stat_force_next_flush()")
    before = _relations(other, counter)
    names = {row[0] for row in before.values() if row[1] in "rp"}
    tables = [("lk", name) for name in _words(kind.statement) if name in names]
    dsn = make_conninfo(other.info.dsn, password=other.info.password)
    with Chase(dsn, connection.info.backend_pid, tables or [("lk", "item")]) as chase:
        connection.execute(kind.statement)
    connection.execute("select pg_stat_force_next_flush()")
    connection.execute("select 1")
    return _row(kind, before, _relations(other, counter), chase.locks)


def _row(
    kind: Kind, before: dict[int, tuple[str, str, int, int]], after: dict[int, tuple[str, str, int, int]], locks: Locks
) -> Row:
    """Reduce what was seen to what the table holds: the relation that is named first is `the` table."""
    by_name = {row[0]: oid for oid, row in before.items()}
    named = [part for part in _words(kind.statement) if part in by_name]
    target = by_name.get(named[0]) if named else None
    if target is not None and before[target][1] in ("i", "I"):  # an index: the table is the one it is on
        target = by_name.get({"item_a_idx": "item", "whole_a_idx": "whole"}.get(named[0], ""), target)
    elsewhere: dict[str, list[str]] = {}
    for oid, modes in locks.items():
        if oid in before and oid != target and (mode := strongest(modes)) not in _WEAKEST:
            name = "indexes" if before[oid][1] in ("i", "I") else before[oid][0]
            if kind.alone and name == "indexes":  # its last step, when nobody is waited for any more, is too short
                continue
            elsewhere.setdefault(name, []).append(mode)
    rewrite, scan = set(), set()
    for oid, (name, relkind, file, scans) in before.items():
        if oid in after and after[oid][2] != file:
            rewrite.add("indexes" if relkind == "i" else name)
        if oid in after and after[oid][3] > scans:
            scan.add(name)
    return Row(
        kind.name, strongest(locks.get(target, [])) if target is not None else "",
        {name: strongest(modes) for name, modes in elsewhere.items()}, frozenset(rewrite), frozenset(scan),
    )  # fmt: skip


def _words(statement: str) -> list[str]:
    """Return the names after `lk.` in a statement, in order."""
    return [part.split()[0].strip("(),;") for part in statement.split("lk.")[1:]]
