"""Watches the runner apply migrations to the clone: what each statement locks, rewrites, scans and makes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pglast
import psycopg
import psycopg2.extensions

from erpgres.migrate.files import FOLDER
from erpgres.migrate.locks.chase import Chase
from erpgres.migrate.locks.classify import Found, classify, concurrent_tables
from erpgres.migrate.locks.table import mode_of, strength, strongest
from erpgres.migrate.session import Session
from erpgres.migrate.sqlfile import Statement

Name = tuple[str, str]
_RELATIONS = """
  select c.oid, n.nspname, c.relname, c.relkind, coalesce(x.indrelid, 0),
         case when c.relispartition then coalesce(pg_partition_root(c.oid)::oid, 0) else 0 end,
         pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT'
    from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_index x on x.indexrelid = c.oid
   where c.oid >= 16384 and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
"""
_STATE = """
  select c.oid, pg_relation_filenode(c.oid), case when c.relkind in ('r', 'm') then {} else 0 end
    from pg_class c where c.oid >= 16384 and c.relkind in ('r', 'm', 'i')
"""
_LOCKS = (
    "select relation, mode from pg_locks where pid = pg_backend_pid() and locktype = 'relation' and granted"
    " and database = (select oid from pg_database where datname = current_database()) and relation >= 16384"
)
# What the runner makes out of a statement itself: the indexes of partitions, and the repair of those that are invalid.
_GENERATED = re.compile(r"\s*(create (unique )?index|alter index|drop index|reindex)\b", re.IGNORECASE)
_FILE = re.compile(r"^V\d{4}__\w+\.sql")
_API_GONE = re.compile(r'\s*drop (view|function|type|domain) "?(?:if exists )?api\b', re.IGNORECASE)


@dataclass(frozen=True)
class Relation:
    """A relation of the clone as it was before anything ran; `of` is an index's table, `root` a partition's."""

    oid: int
    name: Name
    kind: str
    of: int
    root: int
    is_default: bool

    @property
    def shown(self) -> str:
        """Return its name with the schema."""
        return ".".join(self.name)


@dataclass
class Step:
    """A statement of a migration and what it did to relations that were there before (oids)."""

    path: str
    line: int
    text: str
    node: Any
    transaction: int
    parts: list[Found] = field(default_factory=list)
    locks: dict[int, str] = field(default_factory=dict)  # taken by it: the strongest mode each
    held: dict[int, str] = field(default_factory=dict)  # held when it had run, those before it included
    rewrites: list[int] = field(default_factory=list)
    scans: list[int] = field(default_factory=list)
    builds: list[tuple[int, str]] = field(default_factory=list)  # (table, name of an index that it made)
    alone: bool = False
    seconds: float = 0.0

    @property
    def place(self) -> str:
        """Return file and line."""
        return f"{self.path} line {self.line}"


@dataclass
class Transaction:
    """What is known of a transaction at its end: locks, and how long objects of `api` were away, in seconds."""

    number: int
    locks: dict[int, str] = field(default_factory=dict)
    api_away: float = 0.0
    committed: bool = False


class Observer:
    """The watcher of a run (`erpgres.migrate.session.watched`); `dsn` is the clone's superuser's.

    `statements` are those of the pending migrations by file name; `progress` must see the runner's messages.
    """

    def __init__(self, dsn: str, statements: dict[str, list[Statement]]) -> None:
        self._statements = statements
        self._file: str | None = None
        self.steps: list[Step] = []
        self.transactions: list[Transaction] = []
        self.failed: Statement | None = None
        self._dsn = dsn
        self._looker = psycopg.connect(dsn, autocommit=True)
        self._looker.execute("set stats_fetch_consistency = none")
        self.relations: dict[int, Relation] = {
            row[0]: Relation(row[0], (row[1], row[2]), row[3], row[4], row[5], bool(row[6]))
            for row in self._looker.execute(_RELATIONS)
        }
        self._spent = 0.0
        self._away_since: float | None = None

    def close(self) -> None:
        """Close its connection."""
        self._looker.close()

    def __call__(self, session: Session, text: str, run: Callable[[], None]) -> None:
        """Run a statement and note what it did."""
        word = text.strip().lower()
        if word == "begin":
            run()
            self.transactions.append(Transaction(len(self.transactions) + 1))
            self._away_since = None
        elif word in ("commit", "rollback"):
            self._end(session, word)
            run()
        elif isinstance(text, Statement) and text.path.startswith(f"{FOLDER}/") and not text.is_check:
            try:
                self._step(session, text, run)
            except psycopg2.Error:
                self.failed = text
                raise
        elif self._file is not None and _GENERATED.match(text) and not isinstance(text, Statement):
            self._step(session, self._generated(text), run)
        else:
            if self._away_since is None and _API_GONE.match(text):
                self._away_since = self._now()
            run()

    def progress(self, message: str) -> None:
        """Note of which migration the runner speaks."""
        found = _FILE.match(message)
        if found:
            self._file = found[0]

    def _generated(self, text: str) -> Statement:
        """Return a statement of the runner's own as one of the migration that it is at, where that names its index."""
        found = self._statements.get(self._file or "", [])
        named = [each for each in found if getattr(each.node, "idxname", None) and each.node.idxname in text]
        origin = next(iter(named or found), None)
        path, line = (origin.path, origin.line) if origin is not None else (f"{FOLDER}/{self._file}", 1)
        return Statement(text, path, line, pglast.parse_sql(text)[0].stmt)

    def _now(self) -> float:
        """Return the time without what the watching took."""
        return time.monotonic() - self._spent

    @property
    def transaction(self) -> int:
        """Return the number of the transaction that was begun last."""
        return len(self.transactions)

    def _end(self, session: Session, word: str) -> None:
        if not self.transactions or not _is_open(session):
            return
        current = self.transactions[-1]
        if self._away_since is not None:
            current.api_away = self._now() - self._away_since
        current.committed = word == "commit"
        current.locks = self._locks(session)
        self._away_since = None

    def _locks(self, session: Session) -> dict[int, str]:
        """Return the strongest mode of each lock that a session holds on a relation that was there before."""
        started = time.monotonic()
        found: dict[int, list[str]] = {}
        with session.connection.cursor() as cursor:
            cursor.execute(_LOCKS)
            for oid, mode in cursor.fetchall():
                if oid in self.relations:
                    found.setdefault(oid, []).append(mode_of(mode))
        self._spent += time.monotonic() - started
        return {oid: strongest(modes) for oid, modes in found.items()}

    def _state(self, cursor: Any, counter: str) -> dict[int, tuple[int, int]]:
        started = time.monotonic()
        cursor.execute(_STATE.format(counter))
        rows = {row[0]: (row[1], row[2]) for row in cursor.fetchall()}
        self._spent += time.monotonic() - started
        return rows

    def _step(self, session: Session, text: Statement, run: Callable[[], None]) -> None:
        step = Step(text.path, text.line, str(text), text.node, self.transaction, classify(text.node))
        tables = concurrent_tables(text.node)
        if tables is not None and not _is_open(session):
            self._alone(session, step, tables, run)
        elif _is_open(session):
            self._inside(session, step, run)
        else:  # one that could run in a transaction, and is committed at once: it is given one of its own
            with session.connection.cursor() as cursor:
                cursor.execute("begin")
                self.transactions.append(Transaction(self.transaction + 1))
                step.transaction = self.transaction
                try:
                    self._inside(session, step, run)
                except psycopg2.Error:
                    cursor.execute("rollback")
                    raise
                self._end(session, "commit")
                cursor.execute("commit")
        self.steps.append(step)

    def _inside(self, session: Session, step: Step, run: Callable[[], None]) -> None:
        counter = "pg_stat_get_xact_numscans(c.oid)"
        held = self._locks(session)
        with session.connection.cursor() as cursor:
            before = self._state(cursor, counter)
            started = time.monotonic()
            run()
            step.seconds = time.monotonic() - started
            step.held = self._locks(session)
            step.locks = {oid: mode for oid, mode in step.held.items() if strength(mode) > strength(held.get(oid, ""))}
            self._compare(step, before, self._state(cursor, counter), cursor)
        self._add_joined(step)

    def _add_joined(self, step: Step) -> None:
        """Add the scan that checks a foreign key: between empty tables, the join need not look at both of them."""
        for part in step.parts:
            if {"add_foreign_key", "validate_foreign_key"} & set(part.kinds):
                named = [oid for oid, r in self.relations.items() if r.name == part.table]
                below = [oid for oid, r in self.relations.items() if r.root in named and r.kind == "r"]
                heaps = below or [oid for oid in named if self.relations[oid].kind == "r"]
                if not set(heaps) & set(step.scans):
                    step.scans += heaps

    def _alone(self, session: Session, step: Step, tables: list[Name], run: Callable[[], None]) -> None:
        counter = "pg_stat_get_numscans(c.oid)"
        self.transactions.append(Transaction(self.transaction + 1, committed=True))
        step.transaction, step.alone = self.transaction, True
        with session.connection.cursor() as cursor, self._looker.cursor() as looker:
            _flush(cursor)  # what was counted before it
            before = self._state(looker, counter)
            if not tables:
                tables = self._owners(step.node)
            started = time.monotonic()
            with Chase(self._dsn, session.pid, tables) as chase:
                run()
            step.seconds = time.monotonic() - started
            _flush(cursor)
            step.held = {oid: strongest(modes) for oid, modes in chase.locks.items() if oid in self.relations}
            step.locks = dict(step.held)
            self._compare(step, before, self._state(looker, counter), looker)
        self.transactions[-1].locks = step.held

    def _owners(self, node: Any) -> list[Name]:
        """Return the tables of the indexes that a DROP INDEX names."""
        names = {tuple(part.sval for part in item) for item in getattr(node, "objects", None) or ()}
        return [
            self.relations[r.of].name for r in self.relations.values() if r.name in names and r.of in self.relations
        ]

    def _compare(
        self, step: Step, before: dict[int, tuple[int, int]], after: dict[int, tuple[int, int]], cursor: Any
    ) -> None:
        for oid, (file, scans) in before.items():
            if oid in self.relations and oid in after:
                if after[oid][0] != file:
                    step.rewrites.append(oid)
                if after[oid][1] > scans:
                    step.scans.append(oid)
        new = [oid for oid in after if oid not in before]
        if new:
            cursor.execute(
                "select x.indrelid, c.relname from pg_index x join pg_class c on c.oid = x.indexrelid"
                " where x.indexrelid = any (%s)", [new],
            )  # fmt: skip
            step.builds = [(oid, name) for oid, name in cursor.fetchall() if oid in self.relations]


def _flush(cursor: Any) -> None:
    """Let a session's counters be seen by others."""
    cursor.execute("select pg_stat_force_next_flush()")
    cursor.execute("select 1")


def _is_open(session: Session) -> bool:
    """Say whether a transaction is open that has not failed."""
    status = session.connection.info.transaction_status
    return bool(status == psycopg2.extensions.TRANSACTION_STATUS_INTRANS)
