"""Back-fills: the rows of a table brought to a new form in small batches, while requests go on.

A migration orders one with a row of `ops.backfill`: its name, the table, and a statement with `{batch}` where the rows
of one batch are chosen (the table's alias there is `t`). The worker works on it (job `ops.backfill`, a slice of time at
each run), or `erpgres migrate backfill`, or `erpgres migrate` before the migration that needs it (header
`-- backfill: NAME`): one at a time, each going on where another was. Rows are taken in the order of the primary key;
how far it is stands in the row and is committed with each batch, so that whoever goes on after a crash repeats nothing.

The rows are written by the session's user (migrator), who sees those of every organisation, and who says that it is a
back-fill: `version` and `updated_at` stay and no events are written, since no business changed anything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from psycopg import sql

from erpgres.errors import Refused
from erpgres.migrate import bookkeeping
from erpgres.migrate.session import DEADLOCK, LOCK_NOT_AVAILABLE, NO_PRIVILEGE, Session, StatementFailed, quoted, sleep

TABLE = ("ops", "backfill")
KEY = 4_711_202_519  # advisory lock, with the name's hash: one worker a back-fill
PENDING, PAUSED, CANCELLED, DONE = "PENDING", "PAUSED", "CANCELLED", "DONE"
SMALLEST, LARGEST = 50, 20_000
_TOLD_EVERY = 5.0
_PATIENCE = 300.0  # seconds that a migration waits for who is at its back-fill: the worker lets go within a minute

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Throttle:
    """What a back-fill gives way to.

    `share`: of the time that is worked, the rest is paused; `batch_seconds`: aimed at for one batch; `lag_bytes` and
    `lag_seconds`: of the slowest replica; `transactions`: open in the database. Beyond them it waits.
    """

    share: float = 0.5
    batch_seconds: float = 0.2
    lag_bytes: int = 64 * 2**20
    lag_seconds: float = 10.0
    transactions: int = 20
    pause: float = 1.0


class Busy(Refused):
    """Another session works on the back-fill."""


@dataclass(frozen=True)
class Backfill:
    """A row of ops.backfill; `at_work`: whether a session works on it now."""

    name: str
    table: str
    statement: str
    remaining: str | None
    state: str
    last_key: list[str] | None
    rows_done: int
    rows_estimated: int
    batches: int
    error: str | None
    at_work: bool

    @property
    def percent(self) -> int:
        """How far it is; a guess, since the number of rows is one."""
        if self.state == DONE:
            return 100
        return min(99, round(100 * self.rows_done / self.rows_estimated)) if self.rows_estimated else 0


_COLUMNS = (
    "name, table_name, statement, remaining, state, last_key, rows_done,"
    " (select coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint from pg_class c where c.relkind = 'r' and (c.oid ="
    " to_regclass(b.table_name) or c.oid in (select p.relid from pg_partition_tree(to_regclass(b.table_name)) p))),"
    " batches, error, exists (select from pg_locks l where l.locktype = 'advisory' and l.granted and l.objsubid = 2"
    f" and l.classid::bigint = {KEY & 0x7FFFFFFF} and l.objid::bigint = hashtext(b.name)::bigint & 4294967295"
    " and l.database = (select oid from pg_database where datname = current_database()))"
)


def listing(session: Session) -> list[Backfill]:
    """Return all back-fills in the order they were ordered in. In a transaction, as owner."""
    if not session.value("select to_regclass('ops.backfill') is not null"):
        return []
    return [Backfill(*row) for row in session.rows(f"select {_COLUMNS} from ops.backfill b order by ordered_at, name")]


def get(session: Session, name: str) -> Backfill:
    """Return one; raises Refused when there is none of that name. In a transaction, as owner."""
    found = [backfill for backfill in listing(session) if backfill.name == name]
    if not found:
        names = ", ".join(backfill.name for backfill in listing(session)) or "none"
        raise Refused(f"there is no back-fill {name}", f"there is: {names}")
    return found[0]


def set_state(session: Session, name: str, state: str) -> None:
    """Pause, let go on, or cancel. Raises Refused when it is over. In a transaction, as owner."""
    found = get(session, name)
    if found.state in (DONE, CANCELLED) and found.state != state:
        raise Refused(f"the back-fill {name} is {found.state}")
    session.execute(
        "update ops.backfill set state = %s, error = case when %s = 'PENDING' then null else error end where name = %s",
        [state, state, name],
    )


def run(
    session: Session,
    name: str,
    throttle: Throttle,
    progress: Progress,
    *,
    until: float | None = None,
    wait: float = 0.0,
) -> Backfill:
    """Work on a back-fill until it is done, paused or cancelled; returns how it stands.

    `until` ends the work after the batch that is being done at that moment (time.monotonic()). While another session
    works on it, at most `wait` seconds, its progress is told; Busy is raised when they are over.
    Raises Refused when there is none, when a batch fails, or when rows remain after all were gone through twice. Needs
    a session outside a transaction.
    """
    if _begin(session, name, progress, time.monotonic() + wait):
        try:
            return _Worker(session, name, throttle, progress, until).work()
        finally:
            if not session.connection.closed:
                session.value("select pg_advisory_unlock(%s, hashtext(%s))", [KEY & 0x7FFFFFFF, name])
    with session.transaction(rollback=True), bookkeeping.as_owner(session):
        return get(session, name)


def _begin(session: Session, name: str, progress: Progress, deadline: float) -> bool:
    """Take the lock of a back-fill; False when whoever had it has brought it to an end.

    The lock is polled for: a waiting query would hold a snapshot.
    """
    told = 0.0
    while not session.value("select pg_try_advisory_lock(%s, hashtext(%s))", [KEY & 0x7FFFFFFF, name]):
        with session.transaction(rollback=True), bookkeeping.as_owner(session):
            found = get(session, name)
        if found.state != PENDING:
            return False
        if time.monotonic() >= deadline:
            raise Busy(
                f"another session works on the back-fill {name}", "erpgres migrate backfill status shows how far it is"
            )
        if time.monotonic() - told >= _TOLD_EVERY:
            told = time.monotonic()
            progress(f"back-fill {name}: {found.rows_done} rows, about {found.percent} %, by another session")
        sleep(0.2)
    return True


def pending(session: Session) -> list[Backfill]:
    """Return those that somebody has to work on, in the order they were ordered in. Outside a transaction."""
    with session.transaction(rollback=True), bookkeeping.as_owner(session):
        return [row for row in listing(session) if row.state == PENDING]


# The last key of the next batch, and how many rows it has.
_NEXT = sql.SQL(
    "select {}, count(*) over () from (select {} from {} t where {} order by {} limit {}) t order by {} limit 1"
)


class _Worker:
    def __init__(
        self, session: Session, name: str, throttle: Throttle, progress: Progress, until: float | None = None
    ) -> None:
        self.session, self.name, self.throttle, self.progress = session, name, throttle, progress
        self.until = until
        self.size = 1000
        self.told = 0.0
        with session.transaction(), self._owner():
            self.row = get(session, name)
            self.key = self._key_columns()
        self.by_owner = self._owner_sees_all()
        if "{batch}" not in self.row.statement:
            raise Refused(f"the statement of the back-fill {name} does not say where the {{batch}} goes")

    def _owner(self) -> AbstractContextManager[None]:
        return bookkeeping.as_owner(self.session)

    def _key_columns(self) -> list[tuple[str, str]]:
        rows = self.session.rows(
            "select quote_ident(a.attname), format_type(a.atttypid, a.atttypmod) from pg_index i"
            " cross join unnest(i.indkey::int2[]) with ordinality k (num, n)"
            " join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num"
            " where i.indrelid = to_regclass(%s) and i.indisprimary order by k.n",
            [self.row.table],
        )
        if not rows:
            raise Refused(f"{self.row.table} has no primary key to go along", "or there is no such table")
        return [(name, kind) for name, kind in rows]

    def _owner_sees_all(self) -> bool:
        """Whether no row security binds the owner, as on a table that was just made."""
        try:
            with self.session.transaction(rollback=True), self._owner():
                self.session.rows("select set_config('row_security', 'off', true)")
                self.session.rows(sql.SQL("select from {} limit 1").format(quoted(self.row.table)))
        except StatementFailed as error:
            if error.sqlstate != NO_PRIVILEGE:
                raise
            return False
        return True

    def _writer(self) -> AbstractContextManager[None]:
        """Be who writes the rows."""
        return self._owner() if self.by_owner else nullcontext()

    def work(self) -> Backfill:
        """Do batch after batch."""
        passes = 1
        while self.row.state == PENDING and not self._is_over():
            if not self._give_way():
                continue
            began = time.monotonic()
            more = self._batch()
            took = time.monotonic() - began
            self._adapt(took)
            self._tell()
            if not more:
                if not self._complete():
                    passes += 1
                    if passes > 2:
                        self._fail("rows remain after all rows were gone through twice: is the trigger in place?")
                continue
            sleep(min(took * (1 / self.throttle.share - 1), 5.0))
        self.progress(f"back-fill {self.name}: {self.row.state.lower()}, {self.row.rows_done} rows")
        return self.row

    def _is_over(self) -> bool:
        return self.until is not None and time.monotonic() >= self.until

    def _adapt(self, took: float) -> None:
        if took > 1.5 * self.throttle.batch_seconds:
            self.size = max(SMALLEST, self.size // 2)
        elif took < 0.5 * self.throttle.batch_seconds:
            self.size = min(LARGEST, self.size * 2)

    def _tell(self) -> None:
        if time.monotonic() - self.told >= _TOLD_EVERY:
            self.told = time.monotonic()
            self.progress(f"back-fill {self.name}: {self.row.rows_done} rows, about {self.row.percent} %")

    def _after(self, key: list[str] | None, mark: str, alias: str = "t") -> sql.Composable:
        """Return the condition that a row's key is beyond another (`mark` is > or <=)."""
        if key is None:
            return sql.SQL("true")
        columns = sql.SQL(", ").join(sql.SQL(f"{alias}.{name}") for name, _ in self.key)
        values = sql.SQL(", ").join(
            sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(kind))
            for value, (_, kind) in zip(key, self.key, strict=True)
        )
        return sql.SQL("({}) {} ({})").format(columns, sql.SQL(mark), values)

    def _batch(self) -> bool:
        """Do one batch, and write down how far it is in the same transaction; False when there was no row left."""
        session, row = self.session, self.row
        columns = sql.SQL(", ").join(sql.SQL(f"t.{name}") for name, _ in self.key)
        texts = sql.SQL(", ").join(sql.SQL(f"t.{name}::text") for name, _ in self.key)
        back = sql.SQL(", ").join(sql.SQL(f"t.{name} desc") for name, _ in self.key)
        try:
            with session.transaction():
                # Whoever pauses or cancels waits for the batch, and the next one sees it.
                with self._owner():
                    state = session.value("select state from ops.backfill where name = %s for update", [self.name])
                if state == PENDING:
                    session.rows("select set_config('lock_timeout', '2s', true)")
                    session.rows("select set_config('erpgres.backfill', 'on', true)")
                    beyond = self._after(row.last_key, ">")
                    with self._writer():
                        found = session.rows(
                            _NEXT.format(
                                texts, columns, quoted(row.table), beyond, columns, sql.Literal(self.size), back
                            )
                        )
                        if found:
                            *last, count = found[0]
                            condition = sql.SQL("({} and {})").format(beyond, self._after(last, "<="))
                            session.execute(row.statement.replace("{batch}", condition.as_string(None)))
                    if found:
                        with self._owner():
                            session.execute(
                                "update ops.backfill set last_key = %s, rows_done = rows_done + %s, error = null,"
                                " batches = batches + 1, started_at = coalesce(started_at, now()) where name = %s",
                                [json.dumps(last), count, self.name],
                            )
        except StatementFailed as error:
            if error.sqlstate in (LOCK_NOT_AVAILABLE, DEADLOCK):
                self.size = max(SMALLEST, self.size // 2)
                self.progress(f"back-fill {self.name}: a row is locked; tried again")
                return True
            self._fail(error.message)
        with session.transaction(), self._owner():
            self.row = get(session, self.name)
        return state != PENDING or bool(found)

    def _complete(self) -> bool:
        """See whether rows remain; if not it is done, else it begins anew."""
        with self.session.transaction(), self._writer():
            remains = _remain(self.session, self.row)
        with self.session.transaction(), self._owner():
            if remains:
                self.session.execute(
                    "update ops.backfill set last_key = null, rows_done = 0 where name = %s", [self.name]
                )
            else:
                self.session.execute(
                    "update ops.backfill set state = 'DONE', finished_at = now(), error = null where name = %s",
                    [self.name],
                )
            self.row = get(self.session, self.name)
        return not remains

    def is_complete(self) -> bool:
        """Say whether no row remains."""
        with self.session.transaction(), self._writer():
            return not _remain(self.session, self.row)

    def _fail(self, why: str) -> None:
        with self.session.transaction(), self._owner():
            self.session.execute("update ops.backfill set error = %s where name = %s", [why, self.name])
        raise Refused(
            f"the back-fill {self.name} cannot go on: {why}", "what is done stays; repair it and run it again"
        )

    def _give_way(self) -> bool:
        """Wait while there is too much else to do; False when it is not to go on, or its time is over."""
        told = False
        while why := overload(self.session, self.throttle):
            if not told:
                self.progress(f"back-fill {self.name} waits: {why}")
                told = True
            sleep(self.throttle.pause)
            with self.session.transaction(), self._owner():
                self.row = get(self.session, self.name)
            if self.row.state != PENDING or self._is_over():
                return False
        return True


def _remain(session: Session, backfill: Backfill) -> bool:
    return bool(backfill.remaining) and bool(session.rows(f"select from ({backfill.remaining}) r limit 1"))


def overload(session: Session, throttle: Throttle) -> str | None:
    """Say what is over its limit, or None. Lag is that of replicas which this user may see (pg_read_all_stats)."""
    behind = session.rows(
        "select coalesce(nullif(application_name, ''), client_addr::text, 'a replica'),"
        " pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint,"
        " coalesce(extract(epoch from replay_lag), 0)::float8"
        " from pg_stat_replication where replay_lsn is not null order by 2 desc limit 1"
    )
    for name, size, seconds in behind:
        if size > throttle.lag_bytes:
            return f"{name} is {size // 2**20} MB behind"
        if seconds > throttle.lag_seconds and size > 0:
            return f"{name} is {seconds:.0f} s behind"
    # Counted by their locks, which everybody may see.
    busy = session.value(
        "select count(*) from pg_locks l join pg_stat_activity a on a.pid = l.pid where l.locktype = 'virtualxid'"
        " and a.datname = current_database() and a.usename is not null and l.pid <> pg_backend_pid()"
    )
    return f"{busy} transactions are open" if busy > throttle.transactions else None


def require(session: Session, names: list[str], throttle: Throttle, progress: Progress) -> None:
    """Bring the back-fills that a migration needs to their end. Raises Refused when one is paused or cancelled."""
    for name in names:
        with session.transaction(rollback=True), bookkeeping.as_owner(session):
            found = get(session, name)
        if found.state == PENDING:
            found = run(session, name, throttle, progress, wait=_PATIENCE)
        if found.state != DONE:
            raise Refused(f"the migration needs the back-fill {name}, which is {found.state}",
                          f"erpgres migrate backfill resume {name}")  # fmt: skip
        if not _Worker(session, name, throttle, progress).is_complete():
            raise Refused(f"rows came after the back-fill {name} was done that are not in the new form",
                          "is its trigger in place? erpgres migrate backfill again " + name)  # fmt: skip


def again(session: Session, name: str) -> None:
    """Let a back-fill begin anew. In a transaction, as owner."""
    get(session, name)
    session.execute(
        "update ops.backfill set state = 'PENDING', last_key = null, rows_done = 0, finished_at = null, error = null"
        " where name = %s",
        [name],
    )
