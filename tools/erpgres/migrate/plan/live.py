"""What the live database is like now: sizes, statistics, traffic, and who would be waited for. Only reads are made.

Every query runs in a read-only transaction with a statement and a lock timeout, under ACCESS SHARE locks at most.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from erpgres import database
from erpgres.errors import CannotRun, Refused
from erpgres.migrate.bookkeeping import OWNER
from erpgres.migrate.locks.table import conflict, mode_of

Connection = psycopg.Connection[Any]
Name = tuple[str, str]
PAGE = 8192

_RELATIONS = """
  select n.nspname, c.relname, c.relkind, coalesce(pg_relation_size(c.oid), 0) as bytes, c.reltuples, c.relallvisible,
         coalesce(pg_stat_get_live_tuples(c.oid), 0) as live,
         coalesce(pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid)
                  + pg_stat_get_tuples_deleted(c.oid), 0) as writes,
         rn.nspname, r.relname,
         case when c.relkind in ('r', 'p', 'm') and not c.relrowsecurity then true
              else not row_security_active(c.oid) end
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_index x on x.indexrelid = c.oid
    left join pg_class r on r.oid = coalesce(
      x.indrelid, case when c.relispartition then pg_partition_root(c.oid) end)
    left join pg_namespace rn on rn.oid = r.relnamespace
   where c.relkind in ('r', 'p', 'm', 'i', 'I')
     and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
"""


@dataclass
class Relation:
    """A table, partition or index of the live database. `of` is an index's table or a partition's parent."""

    name: Name
    kind: str
    bytes: int
    rows: float
    all_visible: int
    writes: int
    of: Name | None
    has_statistics: bool
    writes_per_second: float = 0.0
    assumed: bool = False


@dataclass(frozen=True)
class Blocker:
    """A session, vacuum or prepared transaction that a migration may have to wait for. `age` is in seconds."""

    pid: int
    user: str
    application: str
    state: str
    age: float
    query: str
    locks: tuple[tuple[str, str], ...]
    is_wraparound: bool = False
    has_snapshot: bool = False

    def describe(self) -> str:
        """Return one line about it."""
        if self.is_wraparound:
            return f"autovacuum to prevent wraparound (process {self.pid}), running for {self.age:.0f} s"
        who = f"process {self.pid}" if self.pid else "a prepared transaction"
        named = (("user", self.user), ("application" if self.pid else "name", self.application))
        parts = [f"{word} {value}" for word, value in named if value]
        words = ", ".join(part for part in (*parts, self.state) if part)
        return f"{who} ({words}), transaction open for {self.age:.0f} s"


@dataclass
class Live:
    """The facts about a live database."""

    name: str
    version: int
    relations: dict[Name, Relation]
    blockers: list[Blocker]
    read_rate: float | None  # bytes a second that its storage gave to queries so far, None when it does not measure
    sees_all: bool
    database_settings: list[str] = field(default_factory=list)
    owner: str = OWNER
    seconds: float = 0.0
    taken: float = 0.0

    @property
    def without_statistics(self) -> list[Name]:
        """Return the tables with rows whose column statistics this login may not read."""
        return [r.name for r in self.relations.values() if r.kind in "rp" and r.rows > 0 and not r.has_statistics]

    def heap(self, name: Name) -> int:
        """Return the bytes of a table with all its partitions, without indexes."""
        return sum(r.bytes for r in self.parts(name))

    def rows(self, name: Name) -> float:
        """Return about how many rows a table has, with all its partitions."""
        return sum(r.rows for r in self.parts(name))

    def parts(self, name: Name) -> list[Relation]:
        """Return a table and its partitions, as far as they hold rows."""
        found = [r for r in self.relations.values() if r.name == name or (r.of == name and r.kind in "rm")]
        return [r for r in found if r.kind in "rm"]

    def indexes(self, name: Name) -> int:
        """Return the bytes of the indexes of a table and its partitions."""
        names = {name, *(r.name for r in self.parts(name))}
        return sum(r.bytes for r in self.relations.values() if r.kind == "i" and r.of in names)

    def writes_per_second(self, name: Name) -> float:
        """Return how many rows were written each second while it was looked at."""
        return sum(r.writes_per_second for r in self.parts(name))

    def waits_for(self, name: Name, mode: str) -> list[Blocker]:
        """Return who holds a lock on a table now that this mode would wait for."""
        shown = ".".join(name)
        return [b for b in self.blockers if any(n == shown and conflict(mode, held) for n, held in b.locks)]


def connect(dsn: str, *, timeout: str = "30s") -> Connection:
    """Connect for reading only, with limits, as owner where that can be had. Raises CannotRun."""
    connection = database.connect(dsn, autocommit=True, application_name="erpgres migrate plan")
    for name, value in (
        ("statement_timeout", timeout), ("lock_timeout", "2s"), ("default_transaction_read_only", "on"),
        ("idle_in_transaction_session_timeout", "60s"), ("transaction_timeout", "0"),
    ):  # fmt: skip
        connection.execute("select set_config(%s, %s, false)", [name, value])
    row = connection.execute(
        "select rolsuper, pg_has_role(%s::name, 'SET') from pg_roles where rolname = current_user"
        " and exists (select from pg_roles where rolname = %s)", [OWNER, OWNER],
    ).fetchone()  # fmt: skip
    if row is None:
        raise CannotRun(f"there is no role {OWNER} in this cluster", "sql/cluster was not applied: erpgres up")
    if not row[0] and row[1]:
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(OWNER)))
    return connection


def _relations(connection: Connection) -> dict[Name, Relation]:
    found = {}
    for row in connection.execute(_RELATIONS):
        schema, name, kind, size, tuples, visible, alive, writes, of_schema, of_name, readable = row
        of = (of_schema, of_name) if of_name else None
        rows = float(max(tuples, alive, 0.0))
        found[(schema, name)] = Relation((schema, name), kind, int(size), rows, visible, int(writes), of, readable)
    return found


def look(dsn: str, assumed: dict[str, float] | None = None) -> Live:
    """Read everything but the traffic, which `again` measures; `assumed` maps table names to numbers of rows.

    Raises CannotRun without a connection, Refused for an assumption about a table that is not there.
    """
    with connect(dsn) as connection:
        row = connection.execute(
            "select current_database(), current_setting('server_version_num')::int,"
            " pg_has_role(session_user, 'pg_read_all_stats', 'USAGE'), pg_is_in_recovery(), pg_get_userbyid(datdba)"
            " from pg_database where datname = current_database()"
        ).fetchone()
        assert row is not None
        name, version, sees_all, _, owner = row
        relations = _relations(connection)
        live = Live(name, version, relations, _blockers(connection), _read_rate(connection), sees_all, owner=owner)
        live.database_settings = [
            setting for (setting,) in connection.execute(
                "select unnest(setconfig) from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase"
                " where s.setrole = 0 and d.datname = current_database()"
            )
        ]  # fmt: skip
    live.taken = time.monotonic()
    for table, rows in (assumed or {}).items():
        _assume(live, table, rows)
    return live


def again(live: Live, dsn: str) -> None:
    """Look a second time at what was written, for a rate; does nothing to a table that is gone."""
    with connect(dsn) as connection:
        now = _relations(connection)
    live.seconds = max(time.monotonic() - live.taken, 0.001)
    for name, relation in live.relations.items():
        if name in now:
            relation.writes_per_second = max(now[name].writes - relation.writes, 0) / live.seconds


def _assume(live: Live, table: str, rows: float) -> None:
    """Judge as if a table had so many rows: sizes grow as those there are, or with 100 bytes a row."""
    schema, _, name = table.partition(".")
    root = (schema, name)
    parts = live.parts(root)
    if root not in live.relations or not parts:
        raise Refused(f"there is no table {table} with room for rows in the live database", "--rows schema.table=N")
    before = live.rows(root)
    for part in parts:
        share = part.rows / before if before else 1 / len(parts)
        now = rows * share
        width = part.bytes / part.rows if part.rows >= 100 else 100.0
        for index in live.relations.values():
            if index.kind == "i" and index.of == part.name:
                index.bytes, index.rows, index.assumed = int(now * 40), now, True
        part.bytes, part.rows, part.assumed = int(now * width), now, True
        part.all_visible = part.bytes // PAGE


def _read_rate(connection: Connection) -> float | None:
    """Return what the storage gave to reads so far, in bytes a second of waiting (needs track_io_timing)."""
    row = connection.execute(
        "select sum(read_bytes), sum(read_time) from pg_stat_io where object = 'relation' and reads > 0"
    ).fetchone()
    read, spent = row or (None, None)
    if not read or not spent or float(read) < 16 * 1024 * 1024:  # too little to tell
        return None
    return float(read) / (float(spent) / 1000.0)


def _blockers(connection: Connection) -> list[Blocker]:
    """Return sessions with an open transaction, vacuums against wraparound, and prepared transactions."""
    found = []
    held: dict[Any, list[tuple[str, str]]] = {}
    for pid, transaction, schema, name, mode in connection.execute(
        "select l.pid, l.virtualtransaction, n.nspname, c.relname, l.mode from pg_locks l"
        " join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace"
        " where l.granted and l.locktype = 'relation' and n.nspname !~ '^pg_'"
        " and l.database = (select oid from pg_database where datname = current_database())"
        " and l.pid is distinct from pg_backend_pid()"
    ):
        held.setdefault(pid or transaction, []).append((f"{schema}.{name}", mode_of(mode)))
    for pid, user, application, state, age, query, snapshot in connection.execute(
        "select pid, usename::text, application_name, state, extract(epoch from clock_timestamp() - xact_start)::float,"
        " query, backend_xmin is not null from pg_stat_activity where xact_start is not null"
        " and pid <> pg_backend_pid() and datname = current_database() and backend_type <> 'walsender'"
    ):
        text = " ".join((query or "").split())
        wraparound = text.startswith("autovacuum:") and "to prevent wraparound" in text
        if text.startswith("autovacuum:") and not wraparound:  # it gives way by itself
            continue
        locks = tuple(sorted(held.get(pid, [])))
        found.append(
            Blocker(pid, user or "", application or "", state or "", age, text[:120], locks, wraparound, snapshot)
        )
    # A prepared transaction has no process. Its locks have the virtual transaction that its lock on its own id has.
    for gid, owner, transaction, age in connection.execute(
        "select p.gid, p.owner::text, l.virtualtransaction,"
        " extract(epoch from clock_timestamp() - p.prepared)::float from pg_prepared_xacts p"
        " left join pg_locks l on l.locktype = 'transactionid' and l.transactionid = p.transaction and l.pid is null"
        " where p.database = current_database()"
    ):
        locks = tuple(sorted(held.get(transaction, [])))
        found.append(Blocker(0, owner, gid, "prepared", age, "", locks))
    return found


@contextmanager
def reading(dsn: str, timeout: str) -> Iterator[Connection]:
    """Give a connection in a read-only transaction with a time limit for each statement; rolls it back."""
    with connect(dsn, timeout=timeout) as connection, connection.transaction(force_rollback=True):
        yield connection
