"""Bulk loading: from a DuckDB query into PostgreSQL, into partitions that are made, filled and attached.

A pipeline carries rows without a Python loop over them: DuckDB writes into a pipe, psycopg sends what comes out of it.
A partition of a period that is not there yet is made as a table of its own, filled by COPY, indexed, and attached at the
end, when its foreign keys are checked by one join each instead of a trigger per row. Nothing here knows what the rows mean.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import psycopg
from psycopg import sql

from erpgres.data import binary
from erpgres.data.binary import Query
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


class Pipeline:
    """Queries of DuckDB's on their way to PostgreSQL, one `copy` each, in their order.

    DuckDB works on the next query already while the rows of one are copied. A context manager: leaving it ends all work.
    """

    def __init__(self, source: duckdb.DuckDBPyConnection, queries: Iterable[Query]) -> None:
        self._source = source
        self._queries = iter(queries)
        self._started: deque[_Producer] = deque()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        while self._started:
            self._started.popleft().close()

    def copy(self, connection: Connection, table: sql.Composable, *, freeze: bool = False) -> int:
        """Copy the rows of the next query into a table; return how many PostgreSQL took.

        `freeze` is for a table made in the same transaction. Raises what DuckDB or PostgreSQL raised.
        """
        for query in itertools.islice(self._queries, 2 - len(self._started)):
            self._started.append(_Producer(self._source, query))
        producer = self._started[0]
        statement = sql.SQL("copy {} ({}) from stdin (format binary{})").format(
            table, names(producer.query.columns), sql.SQL(", freeze" if freeze else "")
        )
        with connection.cursor() as cursor:
            with cursor.copy(statement) as target:
                for block in producer.blocks():
                    target.write(block)
            self._started.popleft().close()
            return cursor.rowcount


class _Producer:
    """A query that DuckDB writes into a pipe, in a thread of its own."""

    def __init__(self, source: duckdb.DuckDBPyConnection, query: Query) -> None:
        self.query = query
        self._reader, self._writer = os.pipe()
        if _SET_PIPE_SIZE is not None:
            with contextlib.suppress(OSError):  # more than the system allows an ordinary user
                fcntl.fcntl(self._writer, _SET_PIPE_SIZE, BLOCK)
        self._cursor = source.cursor()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="duckdb", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._cursor.execute(
                f"copy ({self.query.sql}) to '/dev/fd/{self._writer}' (format csv, header false, use_tmp_file false)"
            )
        except BaseException as error:  # whatever it is, it is raised where the rows are awaited
            self._failure = error
        finally:
            os.close(self._writer)

    def blocks(self) -> Iterator[bytes]:
        """Return the rows in PostgreSQL's binary format, in blocks; raises what DuckDB raised."""
        yield binary.HEADER
        rest = b""
        while block := os.read(self._reader, BLOCK):
            whole, newline, end = block.rpartition(b"\n")
            if newline:
                yield binary.decode(rest + whole)
                rest = end
            else:
                rest += end
        self._thread.join()
        if self._failure:
            raise self._failure
        yield binary.TRAILER

    def close(self) -> None:
        """End the query if it has not ended, and wait for that."""
        os.close(self._reader)  # a writer that waits for room fails
        self._cursor.interrupt()
        self._thread.join()
        self._cursor.close()


def names(columns: Columns) -> sql.Composed:
    """Return a list of column names."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def stage(connection: Connection, name: str, like: Table, columns: Columns) -> sql.Identifier:
    """Make a temporary table with some columns of another one, and return its name; it goes with the transaction."""
    staged = sql.Identifier("pg_temp", name)
    connection.execute(
        sql.SQL("create temporary table {} on commit drop as select {} from {} with no data").format(
            sql.Identifier(name), names(columns), like.sql
        )
    )
    return staged


def insert_from(connection: Connection, table: Table, staged: sql.Composable, columns: Columns) -> int:
    """Insert the rows of a staged table into a table; return how many."""
    return connection.execute(
        sql.SQL("insert into {} ({}) select {} from {}").format(table.sql, names(columns), names(columns), staged)
    ).rowcount


# ---- partitions ------------------------------------------------------------------------------------------------------


def period_of(connection: Connection, parents: Sequence[Table]) -> str:
    """Return the period, quarter or month, by which some tables are partitioned; raises CannotRun if not all by one."""
    found = connection.execute(
        "select p.period from ops.partition_policy as p where p.table_name = any(%s)", [[str(table) for table in parents]]
    ).fetchall()
    if len(found) != len(parents) or len(set(found)) != 1:
        raise CannotRun(
            f"{', '.join(map(str, parents))} are not partitioned alike", "is the database migrated? `erpgres migrate`"
        )
    return str(found[0][0])


def partition_at(connection: Connection, parent: Table, period: str, start: datetime) -> Partition:
    """Return the partition of a table for the period that begins at a moment (UTC)."""
    row = connection.execute(
        "select ops.partition_name(%s, %s, %s)", [str(parent), period, start]
    ).fetchone()
    assert row is not None
    year, month = divmod(start.year * 12 + start.month - 1 + {"quarter": 3, "month": 1}[period], 12)
    return Partition(parent, Table.parse(row[0]), start, start.replace(year=year, month=month + 1))


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
    """Give a filled table the keys and indexes of its parent, named as PostgreSQL names those of a partition."""
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

