"""Looks at the locks of a statement that cannot run in a transaction, by making it wait at each of its steps.

Such a statement (CREATE INDEX CONCURRENTLY and its like) waits, between its steps, for all who write to the table. So a
session writes to it (it only takes the lock of a writer); when the statement waits for it, its locks are read, another
writer takes over, and the first lets go: the statement goes on to its next step, and waits there.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

import psycopg
from psycopg import sql

from erpgres.migrate.locks.table import mode_of

LOCKS = (
    "select relation, mode, granted from pg_locks where pid = %s and (not granted or locktype = 'relation')"
    " and (database is null or database in (0, (select oid from pg_database where datname = current_database())))"
)


class Chase:
    """Use as a context manager around the statement; `locks` then maps a relation's oid to the modes that were seen.

    `dsn` is of a superuser, `pid` the process that runs the statement, `tables` the (schema, name) it speaks of.
    """

    def __init__(self, dsn: str, pid: int, tables: Sequence[tuple[str, str]]) -> None:
        self.locks: dict[int, list[str]] = {}
        self._dsn, self._pid, self._tables = dsn, pid, tables
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chase", daemon=True)

    def __enter__(self) -> Chase:
        self._thread.start()
        self._ready.wait(timeout=30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        writers: list[psycopg.Connection[Any]] = []
        with suppress(psycopg.Error), psycopg.connect(self._dsn, autocommit=True) as observer:
            try:
                for _ in range(2):
                    writers.append(psycopg.connect(self._dsn, autocommit=True))
                current, following = writers
                self._hold(current)
                self._ready.set()
                while not self._stop.is_set():
                    if self._look(observer):
                        self._hold(following)
                        current.execute("rollback")
                        current, following = following, current
            finally:
                self._ready.set()
                for writer in writers:
                    writer.close()

    def _hold(self, writer: psycopg.Connection[Any]) -> None:
        """Take a writer's lock on the tables, as far as they can be had at once."""
        writer.execute("begin")
        try:
            writer.execute("set local lock_timeout = '50ms'")
            for table in self._tables:
                writer.execute(sql.SQL("lock table {} in row exclusive mode").format(sql.Identifier(*table)))
        except psycopg.Error:
            writer.execute("rollback")
            writer.execute("begin")

    def _look(self, observer: psycopg.Connection[Any]) -> bool:
        """Read the locks of the process; say whether it waits for one."""
        waits = False
        for relation, mode, granted in observer.execute(LOCKS, [self._pid]):
            waits |= not granted
            if relation is not None and mode_of(mode) not in self.locks.setdefault(relation, []):
                self.locks[relation].append(mode_of(mode))
        return waits
