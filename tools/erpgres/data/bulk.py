"""Bulk loading: from a DuckDB query into PostgreSQL, into partitions that are made, filled and attached.

A pipeline carries rows without a Python loop over them: DuckDB writes into a pipe, psycopg sends what comes out of it.
A partition of a period that is not there yet is made as a table of its own, filled by COPY, indexed, its foreign keys
checked by one join each instead of a trigger per row, and attached at the end. Nothing here knows what the rows mean.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
STORED = 64  # blocks of rows that wait for PostgreSQL, for each of the two queries at work
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


# ---- rows ------------------------------------------------------------------------------------------------------


class Pipeline:
    """Queries of DuckDB's on their way to PostgreSQL, one `copy` each, in their order.

    DuckDB works on the next query already while the rows of one are copied. A context manager: leaving it ends all.
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
    """A query at work: DuckDB writes its rows into a pipe, a second thread decodes them and keeps some in store."""

    def __init__(self, source: duckdb.DuckDBPyConnection, query: Query) -> None:
        self.query = query
        self._reader, self._writer = os.pipe()
        if _SET_PIPE_SIZE is not None:
            with contextlib.suppress(OSError):  # more than the system allows an ordinary user
                fcntl.fcntl(self._writer, _SET_PIPE_SIZE, BLOCK)
        self._cursor = source.cursor()
        self._blocks: queue.Queue[bytes | None] = queue.Queue(STORED)
        self._failure: BaseException | None = None
        self._is_closed = False
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read)]
        for thread in self._threads:
            thread.start()

    def _write(self) -> None:
        try:
            self._cursor.execute(
                f"copy ({self.query.sql}) to '/dev/fd/{self._writer}' (format csv, header false, use_tmp_file false)"
            )
        except BaseException as error:  # whatever it is, it is raised where the rows are awaited
            self._failure = error
        finally:
            os.close(self._writer)

    def _read(self) -> None:
        rest = b""
        while not self._is_closed and (block := os.read(self._reader, BLOCK)):
            whole, newline, end = block.rpartition(b"\n")
            if newline:
                self._blocks.put(binary.decode(rest + whole))
                rest = end
            else:
                rest += end
        os.close(self._reader)  # if DuckDB has more to write, it fails
        self._blocks.put(None)

    def blocks(self) -> Iterator[bytes]:
        """Return the rows in PostgreSQL's binary format, in blocks; raises what DuckDB raised."""
        yield binary.HEADER
        while (block := self._blocks.get()) is not None:
            yield block
        self._threads[0].join()
        if self._failure:
            raise self._failure
        yield binary.TRAILER

    def close(self) -> None:
        """End the query if it has not ended, and wait for that."""
        self._is_closed = True
        self._cursor.interrupt()
        while any(thread.is_alive() for thread in self._threads):
            with contextlib.suppress(queue.Empty):  # make room for a block that waits for it
                self._blocks.get(timeout=0.01)
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


# ---- partitions ------------------------------------------------------------------------------------------------


def period_of(connection: Connection, parents: Sequence[Table]) -> str:
    """Return the period, quarter or month, by which some tables are partitioned; raises CannotRun if not all by one."""
    found = connection.execute(
        "select p.period from ops.partition_policy as p where p.table_name = any(%s)",
        [[str(table) for table in parents]],
    ).fetchall()
    if len(found) != len(parents) or len(set(found)) != 1:
        raise CannotRun(
            f"{', '.join(map(str, parents))} are not partitioned alike", "is the database migrated? `erpgres migrate`"
        )
    return str(found[0][0])


def partition_at(connection: Connection, parent: Table, period: str, start: datetime) -> Partition:
    """Return the partition of a table for the period that begins at a moment (UTC)."""
    row = connection.execute("select ops.partition_name(%s, %s, %s)", [str(parent), period, start]).fetchone()
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


def check(connection: Connection, partition: Partition, siblings: Mapping[Table, Table]) -> None:
    """Check the foreign keys of a filled table; raises CannotRun for one that does not hold.

    `siblings` says which new partition stands for a partitioned table: what points to that table must point into the
    partition of the same period. Reads obey row-level security, so the claims of the session name the organisation.
    Whoever calls holds what the rows point to: has made it in the same transaction, or locked it against deletion.
    """
    foreign_keys = connection.execute(
        """
        select
          k.conname, n.nspname, c.relname,
          (select array_agg(a.attname order by u.place) from unnest(k.conkey) with ordinality as u (number, place)
            join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = u.number),
          (select array_agg(a.attname order by u.place) from unnest(k.confkey) with ordinality as u (number, place)
            join pg_attribute as a on a.attrelid = k.confrelid and a.attnum = u.number)
        from pg_constraint as k
        join pg_class as c on c.oid = k.confrelid
        join pg_namespace as n on n.oid = c.relnamespace
        where k.contype = 'f' and k.conrelid = %s::regclass and k.conparentid = 0
        order by k.conname
        """,
        [str(partition.parent)],
    ).fetchall()
    for name, schema, table, columns, keys in foreign_keys:
        target = siblings.get(Table(schema, table), Table(schema, table))
        own = [sql.Identifier("own", column) for column in columns]
        pairs = zip(own, (sql.Identifier("other", key) for key in keys), strict=True)
        missing = connection.execute(
            sql.SQL(
                "select exists (select from {} as own where {} and not exists (select from {} as other where {}))"
            ).format(
                partition.table.sql,
                sql.SQL(" and ").join(sql.SQL("{} is not null").format(column) for column in own),
                target.sql,
                sql.SQL(" and ").join(sql.SQL("{} = {}").format(*pair) for pair in pairs),
            )
        ).fetchone()
        if missing != (False,):
            raise CannotRun(f"rows for {partition.table} break its foreign key {name}")


def attach(connection: Connection, partition: Partition) -> None:
    """Attach a table that is finished and checked: the bounds are checked, and it gets what every partition has.

    ATTACH would check the foreign keys once more, against the whole of each table they point to, while all writers of
    these tables wait. But its check obeys row-level security as well: a table that has it and no policy shows no rows.
    """
    connection.execute(
        sql.SQL("alter table {} enable row level security, force row level security").format(partition.table.sql)
    )
    bounds = connection.execute(
        "select core.uuid_floor(%s), core.uuid_floor(%s)", [partition.start, partition.end]
    ).fetchone()
    connection.execute(
        sql.SQL("alter table {} attach partition {} for values from ({}) to ({})").format(
            partition.parent.sql, partition.table.sql, *map(sql.Literal, bounds or ())
        )
    )
    connection.execute(
        "select ops.copy_statement_triggers(%s::regclass, %s::regclass)", [str(partition.parent), str(partition.table)]
    )
    connection.execute(  # attached rows fire no trigger: one event says that they came
        "select events.emit('organization.bulk_loaded', 'organization', core.org_id(), jsonb_build_object("
        "'table', %s::text, 'partition', %s::text)) where core.org_id() is not null",
        [str(partition.parent), str(partition.table)],
    )


def lock(connection: Connection, parents: Iterable[Table], longest: float = LONGEST_WAIT) -> None:
    """Lock what attaching partitions to some tables will lock, all at once, so that no attachment waits for another.

    ATTACH lets readers and writers go on, but its foreign keys and triggers do not: they take SHARE ROW EXCLUSIVE on
    the table and on those that it points to, so writers wait until the transaction ends (readers never do). A lock that
    is waited for holds up everybody behind it: so the wait is short, everything is let go, and tried again a little
    later. Raises CannotRun when that has gone on for `longest` seconds.
    """
    tables = connection.execute(
        """
        select n.nspname, c.relname
        from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
        where c.oid = any(%(parents)s::regclass[])
          or c.oid in (
            select k.confrelid
            from pg_constraint as k
            where k.contype = 'f' and k.conrelid = any(%(parents)s::regclass[])
          )
        order by n.nspname, c.relname
        """,
        {"parents": [str(parent) for parent in parents]},
    ).fetchall()
    statement = sql.SQL("lock table {} in share row exclusive mode").format(
        sql.SQL(", ").join(Table(*row).sql for row in tables)
    )
    before = connection.execute("select current_setting('lock_timeout')").fetchone()
    give_up = time.monotonic() + longest
    patience = 0.02
    while True:
        try:
            with connection.transaction():
                connection.execute("select set_config('lock_timeout', %s, true)", [f"{int(patience * 1000)}ms"])
                connection.execute(statement)
                connection.execute("select set_config('lock_timeout', %s, true)", before)
                return
        except psycopg.errors.LockNotAvailable as error:
            if time.monotonic() > give_up:
                raise CannotRun(
                    f"the tables are too busy: {str(error).splitlines()[0]}", "try again when fewer writers are at work"
                ) from None
            time.sleep(random.uniform(1, 3) * patience)
            patience = min(patience * 1.5, 1.0)
