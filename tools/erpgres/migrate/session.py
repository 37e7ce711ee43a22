"""The one connection a migration runs on, and the errors it turns into messages.

yandex-pgmigrate works on psycopg2, so the whole migration transaction does; this is the only module that touches it.
SQL is composed with psycopg.sql and handed over as text.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
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
NOT_REPLACED = {SIGNATURE, "42723"}  # or a function of that name and arguments exists
USED_BY_A_VIEW = "0A000"  # feature not supported: cannot alter type of a column used by a view
MIGRATION_KEY = 4_711_202_518  # advisory lock: one migration a database

_NOTICED, _LEAST = 0.01, 0.05  # seconds: a statement that may have waited; the shortest lock_timeout

Query = str | sql.Composable
Params = Sequence[Any] | Mapping[str, Any] | None


# Called with each statement that a Session runs, and with what runs it; see `erpgres.migrate.plan.observe`.
Watcher = Callable[["Session", str, Callable[[], None]], None]
_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Let a watcher run the statements of all sessions of this thread within the block."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


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
        self._patience: float | None = None
        self._since: float | None = None
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
        watcher = _watcher.get()
        began = time.monotonic()
        try:
            if watcher is None:
                cursor.execute(text, params)
            else:
                watcher(self, text, lambda: cursor.execute(text, params))
            if self._patience is not None and time.monotonic() - began > _NOTICED:
                self._lose_patience(began)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            if self.connection.closed:
                raise ConnectionLost(f"the connection was lost: {str(error).strip()}") from None
            raise StatementFailed(text, error) from None
        except psycopg2.Error as error:
            raise StatementFailed(text, error) from None

    @contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """Wait at most so long for the locks of a transaction, all of them together.

        Requests wait behind the first lock that is held while the second is waited for. Needs a transaction.
        """
        self._patience, self._since = seconds, None
        self.rows("select set_config('lock_timeout', %s, true)", [f"{round(seconds * 1000)}ms"])
        try:
            yield
        finally:
            self._patience = None

    def _lose_patience(self, began: float) -> None:
        assert self._patience is not None
        self._since = self._since or began
        left = max(_LEAST, self._patience - (time.monotonic() - self._since))
        with self.connection.cursor() as cursor:
            cursor.execute("select set_config('lock_timeout', %s, true)", [f"{round(left * 1000)}ms"])

    @contextmanager
    def as_user(self) -> Iterator[None]:
        """Be the session's user for a part of a transaction of the owner."""
        owner = self.value("select current_user::text")
        self.execute("set local role none")
        yield
        self.execute(sql.SQL("set local role {}").format(sql.Identifier(owner)))

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
    def transaction(self, *, rollback: bool = False, promptly: bool = False) -> Iterator[None]:
        """One transaction: committed at the end, rolled back on an error or when asked.

        `promptly`: it gives its locks back before the disk has the commit, which is waited for after that. What others
        commit once they see it cannot be kept without it.
        """
        self.execute("begin")
        try:
            if promptly:
                self.execute("set local synchronous_commit = off")
            yield
        except BaseException:
            if not self.connection.closed:
                with suppress(StatementFailed, ConnectionLost):
                    self.execute("rollback")
            raise
        self.execute("rollback" if rollback else "commit")
        if promptly and not rollback:
            self.rows("select pg_logical_emit_message(false, 'erpgres migrate', '', true)")  # true: to the disk

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
    """The cursor handed to pgmigrate: executes Statements with their place.

    `before` is shown each first and says whether that was all; `after` is shown each that was executed.
    """

    def __init__(
        self,
        session: Session,
        before: Callable[[Statement], bool] | None = None,
        after: Callable[[Statement], None] | None = None,
    ) -> None:
        self.session, self.before, self.after = session, before, after
        self._cursor = session.connection.cursor()

    def execute(self, query: Any, params: Any = None) -> None:
        """Run a statement of a migration, or one of pgmigrate's own."""
        if isinstance(query, Statement) and self.before is not None and self.before(query):
            return
        text = query if isinstance(query, str) else query.as_string(self.session.connection)
        self.session._run(text, params, self._cursor)
        if isinstance(query, Statement) and self.after is not None:
            self.after(query)

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

    def __init__(self, dsn: str, pid: int, interval: float = 0.03) -> None:
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
           where a.pid = any (pg_blocking_pids(%(pid)s))
          union all -- a prepared transaction has no process: it is process 0 to pg_blocking_pids
          select 0, p.owner, 'prepared transaction ' || p.gid, 'prepared',
                 extract(epoch from clock_timestamp() - p.prepared)::int,
                 string_agg(distinct l.mode || ' on ' || l.relation::regclass, ', '), ''
            from pg_prepared_xacts p
            join pg_locks x on x.locktype = 'transactionid' and x.transactionid = p.transaction and x.pid is null
            join pg_locks l on l.virtualtransaction = x.virtualtransaction and l.pid is null and l.granted
            join pg_locks w on w.pid = %(pid)s and not w.granted and w.relation = l.relation
           where p.database = current_database() and 0 = any (pg_blocking_pids(%(pid)s))
           group by p.gid, p.owner, p.prepared"""
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
    """Return one line about a session, or a prepared transaction, that blocks."""
    name = f"application {app}" if app and pid else app or ""
    parts = [f"process {pid}" if pid else "", f"user {user}" if user else "", name, state or ""]
    parts += [f"transaction open for {age} s" if age is not None else "", f"holds {locks}" if locks else ""]
    parts += [f"last statement: {' '.join(query.split())}" if query else ""]
    return ", ".join(part for part in parts if part)


def sleep(seconds: float) -> None:
    """Wait; a function of its own so that the waiting is in one place."""
    time.sleep(seconds)
