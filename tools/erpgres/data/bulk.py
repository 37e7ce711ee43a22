"""Bulk loading: from a DuckDB query into PostgreSQL, into partitions that are made, filled and attached.

A stream carries rows without a Python loop over them: DuckDB writes CSV into a pipe, psycopg sends what comes out of it.
A partition of a period that is not there yet is made as a table of its own, filled by COPY, indexed, and attached at the
end, when its foreign keys are checked by one join each instead of a trigger per row. Nothing here knows what the rows mean.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import psycopg
from psycopg import sql

from erpgres.errors import CannotRun

BLOCK = 1 << 20
LOCK_NOT_AVAILABLE = "55P03"
LONGEST_WAIT = 60.0  # seconds to try for the locks of `lock`
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)

Connection = psycopg.Connection[Any]
Columns = Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table by its schema and name."""

    schema: str
    name: str

    @classmethod
    def parse(cls, name: str) -> Table:
        """Return the table of `schema.name`."""
        schema, _, table = name.partition(".")
        return cls(schema, table)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> sql.Identifier:
        """The quoted name."""
        return sql.Identifier(self.schema, self.name)


@dataclass(frozen=True)
class Partition:
    """The partition of `parent` for the ids made from `start` up to `end`; it need not be there."""

    parent: Table
    table: Table
    start: datetime
    end: datetime


# ---- rows ------------------------------------------------------------------------------------------------------------


def stream(source: duckdb.DuckDBPyConnection, query: str, connection: Connection, copy: sql.Composable) -> int:
    """Send the rows of a DuckDB query through a `copy … from stdin (format csv)`; return how many PostgreSQL took.

    Both ends work at the same time. An error of either ends both and is raised, the root cause first; so does Ctrl-C.
    """
    reader, writer = os.pipe()
    if _SET_PIPE_SIZE is not None:
        with contextlib.suppress(OSError):  # not more than the system allows an ordinary user
            fcntl.fcntl(writer, _SET_PIPE_SIZE, BLOCK)
    cursor = source.cursor()
    failure: list[BaseException] = []

    def produce() -> None:
        try:
            cursor.execute(f"copy ({query}) to '/dev/fd/{writer}' (format csv, header false, use_tmp_file false)")
        except BaseException as error:  # whatever it is, the other thread must hear of it
            failure.append(error)
        finally:
            os.close(writer)

    producer = threading.Thread(target=produce, name="duckdb", daemon=True)
    with connection.cursor() as target:
        producer.start()
        try:
            with target.copy(copy) as sink:
                while block := os.read(reader, BLOCK):
                    sink.write(block)
                producer.join()
                if failure:
                    raise failure[0]
        finally:
            os.close(reader)
            cursor.interrupt()
            producer.join()
            cursor.close()
        return target.rowcount


def copy_into(table: sql.Composable, columns: Columns, *, freeze: bool = False) -> sql.Composed:
    """Return the COPY statement for `stream`; `freeze` is for a table made in the same transaction."""
    return sql.SQL("copy {} ({}) from stdin (format csv{})").format(
        table, sql.SQL(", ").join(map(sql.Identifier, columns)), sql.SQL(", freeze" if freeze else "")
    )


def stage(connection: Connection, name: str, like: Table, columns: Columns) -> sql.Identifier:
    """Make a temporary table with some columns of another one, and return its name; it goes with the transaction."""
    staged = sql.Identifier("pg_temp", name)
    connection.execute(
        sql.SQL("create temporary table {} on commit drop as select {} from {} with no data").format(
            sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, columns)), like.sql
        )
    )
    return staged


def insert_from(connection: Connection, table: Table, staged: sql.Composable, columns: Columns, order: Columns) -> int:
    """Insert the rows of a staged table, in the order of some of its columns; return how many."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return connection.execute(
        sql.SQL("insert into {} ({}) select {} from {} order by {}").format(
            table.sql, names, names, staged, sql.SQL(", ").join(map(sql.Identifier, order))
        )
    ).rowcount


# ---- partitions ------------------------------------------------------------------------------------------------------


def partition_at(connection: Connection, parent: Table, at: datetime) -> Partition:
    """Return the partition of a table (one of ops.partition_policy) that takes the ids of a moment."""
    row = connection.execute(
        """
        select ops.partition_name(p.table_name, p.period, %(at)s), p.period
        from ops.partition_policy as p
        where p.table_name = %(table)s
        """,
        {"at": at, "table": str(parent)},
    ).fetchone()
    if row is None:
        raise CannotRun(f"{parent} has no partition policy", "is the database migrated? `erpgres migrate`")
    name, period = row
    months = {"quarter": 3, "month": 1}[period]
    first = at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    first = first.replace(month=(first.month - 1) // months * months + 1)
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return Partition(parent, Table.parse(name), first, first.replace(year=year, month=month + 1))


def exists(connection: Connection, table: Table) -> bool:
    """Say whether there is such a table."""
    row = connection.execute("select to_regclass(%s) is not null", [str(table)]).fetchone()
    return row is not None and bool(row[0])


def make(connection: Connection, partition: Partition) -> None:
    """Make the table of a partition, alone and without indexes, to be filled by COPY."""
    connection.execute(
        sql.SQL("create table {} (like {} including all excluding indexes)").format(
            partition.table.sql, partition.parent.sql
        )
    )
    connection.execute(
        sql.SQL("comment on table {} is {}").format(
            partition.table.sql,
            sql.Literal(
                f"Rows of {partition.parent} with an id from {partition.start:%Y-%m-%d} up to {partition.end:%Y-%m-%d}"
            ),
        )
    )


def finish(connection: Connection, partition: Partition) -> None:
    """Give a filled table statistics and its parent's keys and indexes, named as PostgreSQL names a partition's."""
    for constraint, index in connection.execute(
        """
        select pg_get_constraintdef(k.oid), pg_get_indexdef(i.indexrelid)
        from pg_index as i
        left join pg_constraint as k on k.conindid = i.indexrelid and k.conrelid = i.indrelid
        where i.indrelid = %s::regclass
        order by i.indexrelid
        """,
        [str(partition.parent)],
    ).fetchall():
        if constraint:
            statement = sql.SQL("alter table {} add ").format(partition.table.sql) + sql.SQL(constraint)
        else:
            # CREATE [UNIQUE] INDEX name ON [ONLY] table USING method (…): the same from USING on, for this table
            head, _, rest = index.partition(" USING ")
            unique = sql.SQL("unique " if head.startswith("CREATE UNIQUE ") else "")
            statement = sql.SQL("create {}index on {} using ").format(unique, partition.table.sql) + sql.SQL(rest)
        connection.execute(statement)
    connection.execute(sql.SQL("analyze {}").format(partition.table.sql))


def attach(connection: Connection, partition: Partition) -> None:
    """Attach a finished table; its rows are checked against bounds and foreign keys, its triggers made.

    Row-level security comes last: before, it would hide the rows from the check of the foreign keys.
    """
    bounds = connection.execute(
        "select core.uuid_floor(%s), core.uuid_floor(%s)", [partition.start, partition.end]
    ).fetchone()
    connection.execute(
        sql.SQL("alter table {} attach partition {} for values from ({}) to ({})").format(
            partition.parent.sql, partition.table.sql, *map(sql.Literal, bounds or ())
        )
    )
    connection.execute(
        sql.SQL("alter table {} enable row level security, force row level security").format(partition.table.sql)
    )


def lock(connection: Connection, parents: Iterable[Table], longest: float = LONGEST_WAIT) -> None:
    """Lock what attaching partitions to some tables will lock, all at once, so that no attachment waits for another.

    ATTACH takes SHARE UPDATE EXCLUSIVE on the table (readers and writers go on) and its foreign keys take SHARE ROW
    EXCLUSIVE on the tables they point to (readers go on, writers wait until the transaction ends). A lock that is waited
    for holds up everybody behind it: so the wait is short, everything is let go, and tried again a little later.
    Raises CannotRun when that has gone on for `longest` seconds.
    """
    names = [str(parent) for parent in parents]
    referenced = connection.execute(
        """
        select distinct n.nspname, c.relname
        from pg_constraint as k
        join pg_class as c on c.oid = k.confrelid
        join pg_namespace as n on n.oid = c.relnamespace
        where k.contype = 'f' and k.conrelid = any(%s::regclass[]) and k.conparentid = 0
        order by n.nspname, c.relname
        """,
        [names],
    ).fetchall()
    strong = [Table(*row) for row in referenced]
    weak = [table for table in map(Table.parse, names) if table not in strong]
    before = connection.execute("select current_setting('lock_timeout')").fetchone()
    give_up = time.monotonic() + longest
    patience = 0.02
    while True:
        try:
            with connection.transaction():
                connection.execute("select set_config('lock_timeout', %s, true)", [f"{int(patience * 1000)}ms"])
                for tables, mode in ((weak, "share update exclusive"), (strong, "share row exclusive")):
                    for table in tables:
                        connection.execute(
                            sql.SQL("lock table only {} in {} mode").format(table.sql, sql.SQL(mode))
                        )
                connection.execute("select set_config('lock_timeout', %s, true)", before)
                return
        except psycopg.errors.LockNotAvailable as error:
            if time.monotonic() > give_up:
                raise CannotRun(
                    f"the tables are too busy: {str(error).splitlines()[0]}", "try again when fewer writers are at work"
                ) from None
            time.sleep(random.uniform(1, 3) * patience)
            patience = min(patience * 1.5, 1.0)

