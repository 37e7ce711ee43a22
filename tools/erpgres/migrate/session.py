"""The one connection a migration runs on, and the errors it turns into messages.

yandex-pgmigrate works on psycopg2, so the whole migration transaction does; this is the only module that touches it.
SQL is composed with psycopg.sql and handed over as text.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

import psycopg
import psycopg2
from psycopg import sql

from erpgres.errors import CannotRun, Refused
from erpgres.migrate.sqlfile import Statement

LOCK_NOT_AVAILABLE = "55P03"
NO_PRIVILEGE = "42501"
DEADLOCK = "40P01"
NOT_YET_THERE = {"42P01", "42883", "42704", "42703"}  # undefined table, function, object, column
DEPENDED_ON = "2BP01"
SIGNATURE = "42P13"  # cannot change the return type or a parameter name of an existing function
USED_BY_A_VIEW = "0A000"  # feature not supported: cannot alter type of a column used by a view
MIGRATION_KEY = 4_711_202_518  # advisory lock: one migration a database

Query = str | sql.Composable
Params = Sequence[Any] | Mapping[str, Any] | None


def quoted(text: str) -> sql.SQL:
    """Return a name that the catalog has quoted already (regclass, regprocedure, quote_ident) as a piece of SQL."""
    return sql.SQL(text)


class StatementFailed(Refused):
    """A statement failed: says which, where and why. `sqlstate` is PostgreSQL's code."""

    def __init__(self, statement: str, error: psycopg2.Error) -> None:
        diag = error.diag
        self.sqlstate: str = error.pgcode or ""
        primary = diag.message_primary or str(error).strip()
        code = f" ({self.sqlstate})" if self.sqlstate else ""
        if isinstance(statement, Statement):
            offset = int(diag.statement_position or 1) - 1
            line = statement.line + statement.count("\n", 0, offset)
            message = f"{statement.path} line {line}: {primary}{code}\n{statement.head()}"
        else:
            message = f"{primary}{code}\n    {' '.join(statement.split())[:300]}"
        if diag.message_detail:
            message += f"\n    detail: {diag.message_detail}"
        if diag.context:
            message += f"\n    context: {diag.context.splitlines()[0]}"
        super().__init__(message, diag.message_hint)

    def add(self, line: str) -> None:
        """Add a line to the message."""
        super().__init__(f"{self.message}\n    {line}", self.hint)


class ConnectionLost(CannotRun):
    """The server went away in the middle."""


class Session:
    """A psycopg2 connection that raises StatementFailed, StatementFailed only, for failing SQL."""

    def __init__(self, dsn: str, *, application_name: str = "erpgres migrate") -> None:
        try:
            self.dsn = psycopg.conninfo.make_conninfo(dsn, application_name=application_name)
        except psycopg.ProgrammingError as error:
            raise CannotRun(f"not a connection string: {str(error).strip()}") from None
        try:
            self.connection = psycopg2.connect(self.dsn)
        except psycopg2.Error as error:
            reason = str(error).strip()
            raise CannotRun(f"cannot connect: {reason}", "is the database running? erpgres status") from None
        self.connection.autocommit = True
        self.pid: int = self.connection.info.backend_pid

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; what is not committed is lost."""
        with suppress(psycopg2.Error):
            self.connection.close()

    def _run(self, query: Query, params: Params, cursor: Any) -> None:
        text = query if isinstance(query, str) else query.as_string(None)
        try:
            cursor.execute(text, params)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            if self.connection.closed:
                raise ConnectionLost(f"the connection was lost: {str(error).strip()}") from None
            raise StatementFailed(text, error) from None
        except psycopg2.Error as error:
            raise StatementFailed(text, error) from None

    def execute(self, query: Query, params: Params = None) -> int:
        """Run one statement; returns the number of rows it touched."""
        with self.connection.cursor() as cursor:
            self._run(query, params, cursor)
            return int(cursor.rowcount)

    def rows(self, query: Query, params: Params = None) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        with self.connection.cursor() as cursor:
            self._run(query, params, cursor)
            return list(cursor.fetchall())

    def table(self, query: Query) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run a query and return its column names and its rows."""
        with self.connection.cursor() as cursor:
            self._run(query, None, cursor)
            return [column[0] for column in cursor.description or []], list(cursor.fetchall())

    def value(self, query: Query, params: Params = None) -> Any:
        """Run a query and return the first column of its first row, or None."""
        found = self.rows(query, params)
        return found[0][0] if found else None

    def copy_in(self, query: Query, data: IO[str]) -> None:
        """Run COPY … FROM STDIN."""
        text = query if isinstance(query, str) else query.as_string(None)
        with self.connection.cursor() as cursor:
            try:
                cursor.copy_expert(text, data)
            except psycopg2.Error as error:
                raise StatementFailed(text, error) from None

    @contextmanager
    def transaction(self, *, rollback: bool = False) -> Iterator[None]:
        """One transaction: committed at the end, rolled back on an error or when asked."""
        self.execute("begin")
        try:
            yield
        except BaseException:
            if not self.connection.closed:
                with suppress(StatementFailed, ConnectionLost):
                    self.execute("rollback")
            raise
        self.execute("rollback" if rollback else "commit")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block did if it fails, and let its error through."""
        self.execute("savepoint step")
        try:
            yield
        except StatementFailed:
            self.execute("rollback to savepoint step")
            self.execute("release savepoint step")
            raise
        self.execute("release savepoint step")


class MigrationCursor:
    """The cursor handed to pgmigrate: executes Statements with their place, and data pre-checks as refusals."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._cursor = session.connection.cursor()

    def execute(self, query: Any, params: Any = None) -> None:
        """Run a statement of a migration, or one of pgmigrate's own."""
        if isinstance(query, Statement) and query.is_check:
            refuse_rows(query, *self.session.table(query))
            return
        text = query if isinstance(query, str) else query.as_string(self.session.connection)
        self.session._run(text, params, self._cursor)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


class HeldConnection:
    """What pgmigrate takes for its connection: commit, rollback and close are left to the runner."""

    def commit(self) -> None:
        """Do nothing: the runner commits when the repeatable layer is in place too."""

    rollback = close = commit


def refuse_rows(statement: Statement, columns: list[str], rows: list[tuple[Any, ...]], shown: int = 10) -> None:
    """Raise Refused with the rows that a data pre-check found, if any."""
    if not rows:
        return
    lines = [" | ".join(columns), *(" | ".join(str(value) for value in row) for row in rows[:shown])]
    if len(rows) > shown:
        lines.append(f"… and {len(rows) - shown} more")
    body = "\n".join(f"    {line}" for line in lines)
    raise Refused(
        f"{statement.path}: {len(rows)} row(s) stand against the migration\n{body}",
        "repair the data, then migrate again; nothing was changed",
    )


class BlockWatch:
    """Remembers, from a second connection, who last made our session wait for a lock."""

    def __init__(self, dsn: str, pid: int, interval: float = 0.25) -> None:
        self._dsn, self._pid, self._interval = dsn, pid, interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="block-watch", daemon=True)
        self.last: str | None = None

    def __enter__(self) -> BlockWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _watch(self) -> None:
        query = """
          select a.pid, a.usename, a.application_name, a.state,
                 extract(epoch from clock_timestamp() - a.xact_start)::int,
                 (select string_agg(distinct l.mode || ' on ' || l.relation::regclass, ', ')
                    from pg_locks l
                    join pg_locks w on w.pid = %(pid)s and not w.granted and w.relation = l.relation
                   where l.pid = a.pid and l.granted),
                 left(a.query, 200)
            from pg_stat_activity a
           where a.pid = any (pg_blocking_pids(%(pid)s))"""
        with suppress(psycopg.Error), psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._stop.wait(self._interval):
                rows = connection.execute(query, {"pid": self._pid}).fetchall()
                if rows:
                    self.last = "; ".join(_describe(*row) for row in rows)


def _describe(
    pid: int,
    user: str | None,
    app: str | None,
    state: str | None,
    age: int | None,
    locks: str | None,
    query: str | None,
) -> str:
    """Return one line about a session that blocks."""
    parts = [f"process {pid}", f"user {user}" if user else "", f"application {app}" if app else "", state or ""]
    parts += [f"transaction open for {age} s" if age is not None else "", f"holds {locks}" if locks else ""]
    parts += [f"last statement: {' '.join(query.split())}" if query else ""]
    return ", ".join(part for part in parts if part)


def sleep(seconds: float) -> None:
    """Wait; a function of its own so that the waiting is in one place."""
    time.sleep(seconds)
