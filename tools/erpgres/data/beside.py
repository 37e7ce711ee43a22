"""A second connection for a bulk load: it fills tables at the same time, and still all is loaded or nothing.

What one connection has not committed, another cannot see. So the second one fills its tables in one transaction of its
own, checks them against a copy of the keys that the first one made, and commits when only attaching is left. The first
one waits for that in the server, with the statements that attach these tables and end its transaction already there:
whatever happens to the client, either both commit or none. Only a server that dies within this last moment leaves
tables behind, marked and read by nobody; `remove` drops them when the next load begins.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from erpgres.data import bulk
from erpgres.data.bulk import Connection, Partition, Table

PATIENCE = 4.0  # seconds until the first connection has to wait; its lock_timeout is a little more


@dataclass(frozen=True)
class Keys:
    """Keys of a table that rows may point to, as COPY gives them."""

    target: Table
    columns: list[str]
    rows: list[bytes]

    @property
    def copied(self) -> Table:
        """The temporary table that they are put into."""
        return Table("pg_temp", f"keys_of_{self.target.schema}_{self.target.name}")


def read_keys(connection: Connection, parents: Sequence[Table]) -> list[Keys]:
    """Return the keys that rows of some tables may point to, as the connection sees them; but not of these tables."""
    columns: dict[Table, dict[str, None]] = {}
    for key in (key for parent in parents for key in bulk.foreign_keys(connection, parent)):
        if key.target not in parents:
            columns.setdefault(key.target, {}).update(dict.fromkeys(key.keys))
    found = []
    for target, needed in columns.items():
        statement = sql.SQL("copy (select {} from {}) to stdout (format binary)")
        with connection.cursor() as cursor, cursor.copy(statement.format(bulk.names(list(needed)), target.sql)) as rows:
            found.append(Keys(target, list(needed), [bytes(block) for block in rows]))
    return found


def write_keys(connection: Connection, keys: Iterable[Keys]) -> Mapping[Table, Table]:
    """Put keys into temporary tables, and return which one stands for which table."""
    copies = {}
    for key in keys:
        copied = bulk.stage(connection, key.copied.name, key.target, key.columns)
        statement = sql.SQL("copy {} from stdin (format binary)").format(copied)
        with connection.cursor() as cursor, cursor.copy(statement) as rows:
            for block in key.rows:
                rows.write(block)
        connection.execute(sql.SQL("analyze {}").format(copied))
        copies[key.target] = key.copied
    return copies


def attach(first: Connection, second: Connection, partitions: Sequence[Partition], lock: int) -> None:
    """Attach closed tables, made by both connections, and commit both transactions.

    `lock` is the key of an advisory lock that nobody else takes. Raises what PostgreSQL raised; then both transactions
    are rolled back, and tables that the second one had committed by then are dropped.
    """
    second.execute("select pg_advisory_xact_lock(%s)", [lock])
    # It goes on to the end although its client may be gone by then: it does not look, and in one block it does not
    # fill the buffer of answers either, which would be sent, and fail.
    first.execute("set local client_connection_check_interval = 0; set local client_min_messages = error")
    attachments = sql.SQL("; ").join([bulk.attachment(first, partition) for partition in partitions])
    block = sql.SQL("begin {}; end").format(attachments).as_string(first) if partitions else "begin end"
    statements = sql.SQL("select pg_advisory_xact_lock({}); do {}; commit").format(lock, block)
    end = threading.Event()
    commit = threading.Thread(target=_commit, args=(second, first.info.backend_pid, end.is_set))
    commit.start()
    try:
        first.execute(statements)
    except BaseException:
        end.set()
        commit.join()
        with contextlib.suppress(psycopg.Error):  # a server that is gone: the next load removes them
            first.rollback()
            remove(first)
        raise
    commit.join()


def _commit(connection: Connection, pid: int, is_over: Callable[[], bool]) -> None:
    """Commit as soon as another session waits for an advisory lock, unless it is over by then."""
    waits = "select exists (select from pg_locks where pid = %s and locktype = 'advisory' and not granted)"
    until = time.monotonic() + PATIENCE
    with contextlib.suppress(psycopg.Error):  # then the other one finds no tables, and says so
        while not is_over() and time.monotonic() < until:
            if connection.execute(waits, [pid]).fetchone() == (True,):
                connection.commit()
                return
            time.sleep(0.002)
        connection.rollback()


def remove(connection: Connection) -> None:
    """Drop tables that an interrupted load left, unattached; for whom no other load can be at work."""
    with connection.transaction():
        connection.execute("set local role owner")
        for table in connection.execute(
            """
            select n.nspname, c.relname
            from pg_class as c
            join pg_namespace as n on n.oid = c.relnamespace
            where c.relkind = 'r' and not c.relispartition and c.relowner = 'owner'::regrole
              and obj_description(c.oid, 'pg_class') = %s
            """,
            [bulk.MARK],
        ).fetchall():
            connection.execute(sql.SQL("drop table {}").format(Table(*table).sql))
