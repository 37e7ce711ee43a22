"""Indexes built while the table is in use: on every partition, attached to the parent, repaired when one was cut off.

PostgreSQL builds no index concurrently on a partitioned table. What it offers instead is done here for a plain `create
index concurrently`: an index on the parent alone, which locks for an instant and is not valid yet, one built
concurrently on each partition, each attached; with the last the parent's becomes valid. Partitions made meanwhile get
theirs with the attachment of the partition. Everything looks first, so that it can be done again.

What a build that failed or was cut off leaves is an invalid index: `invalid` lists them, `repair` puts them right.
"""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from pglast.stream import RawStream
from psycopg import sql

from erpgres.errors import Refused
from erpgres.migrate import bookkeeping, sqlfile
from erpgres.migrate.session import (
    LOCK_NOT_AVAILABLE,
    MIGRATION_KEY,
    Session,
    StatementFailed,
    quoted,
    sleep,
)
from erpgres.migrate.sqlfile import Statement

Progress = Callable[[str], None]
_MOMENT = "200ms"
_TRIES = 40

_PARTITIONS = """
select c.oid::regclass::text, n.nspname, c.relname, c.relkind = 'p'
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  join pg_namespace n on n.oid = c.relnamespace
 where i.inhparent = %(table)s::regclass
   and not exists (
     select from pg_inherits x join pg_index k on k.indexrelid = x.inhrelid
      where x.inhparent = %(index)s::regclass and k.indrelid = c.oid)
 order by c.relname
"""


# What an index is that is invalid.
PLAIN, PART, PARENT, LEFT_OVER = "index", "part", "parent", "left over"

_INVALID = """
select i.indexrelid::regclass::text, i.indrelid::regclass::text, pg_get_indexdef(i.indexrelid),
       case when c.relkind = 'I' then 'parent'
            when c.relname ~ '_cc(new|old)[0-9]*$' then 'left over'
            when c.relispartition then 'part'
            else 'index' end,
       case when c.relkind = 'I' then
         (select count(*) from pg_inherits t where t.inhparent = i.indrelid and not exists (
           select from pg_inherits x join pg_index k on k.indexrelid = x.inhrelid
            where x.inhparent = i.indexrelid and k.indrelid = t.inhrelid))
       else 0 end
  from pg_index i
  join pg_class c on c.oid = i.indexrelid
  join pg_namespace n on n.oid = c.relnamespace
 where not i.indisvalid and n.nspname = any (%s)
   and not exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid)
 order by c.relkind = 'I', 1
"""


@dataclass(frozen=True)
class Invalid:
    """An index that no query uses and every write maintains: what a build that was cut off leaves.

    `kind`: PLAIN; PART of a partitioned one; PARENT, which is invalid while `missing` partitions lack their part;
    LEFT_OVER, the copy that a REINDEX CONCURRENTLY made beside the one that is used.
    """

    name: str
    table: str
    definition: str
    kind: str = PLAIN
    missing: int = 0

    @property
    def why(self) -> str:
        """Say what is wrong with it."""
        if self.kind == PARENT:
            return f"{self.missing} partitions lack their part of it" if self.missing else "a part of it was invalid"
        if self.kind == LEFT_OVER:
            return "the copy of a REINDEX that was cut off"
        return "a build failed or was cut off"


def invalid(session: Session, schemas: list[str]) -> list[Invalid]:
    """Return the invalid indexes of our schemas that nobody is building now; parents last, since they need the others.

    In a PostgreSQL whose progress views are not shown to the user, an index that is being built is listed, too.
    """
    return [Invalid(*row) for row in session.rows(_INVALID, [schemas])]


def repair(session: Session, schemas: list[str], progress: Progress) -> dict[str, str | None]:
    """Build invalid indexes again and drop what was left over; returns the reason of each that stays invalid, or None.

    One after the other, concurrently. Needs a session outside a transaction that may become owner. Raises Refused while
    a migration runs: it builds its own again.
    """
    if not session.value("select pg_try_advisory_lock(%s)", [MIGRATION_KEY]):
        raise Refused("a migration is running", "it builds its own indexes again; wait for it")
    try:
        session.execute(sql.SQL("set role {}").format(sql.Identifier(bookkeeping.OWNER)))
        found: dict[str, str | None] = {}
        for index in invalid(session, schemas):
            try:
                rebuild(session, index, progress)
                found[index.name] = None
            except Refused as error:
                found[index.name] = error.message
                progress(f"index {index.name}: {error.message.splitlines()[0]}")
        return found
    finally:
        if not session.connection.closed:
            session.execute("reset role")
            session.value("select pg_advisory_unlock(%s)", [MIGRATION_KEY])


def build(session: Session, statement: Statement, progress: Progress) -> None:
    """Build the index of a `create index concurrently`, on a partitioned table too, unless it is there and valid."""
    node = statement.node
    table = _name(node.relation.schemaname, node.relation.relname)
    if not node.idxname:
        raise Refused(f"{statement.path} line {statement.line}: the index needs a name, to be found again")
    kind = session.value("select relkind from pg_class where oid = to_regclass(%s)", [table])
    if kind is None:
        session.execute(statement)  # fails, and says where
    _build_on(session, node, node.relation.schemaname, node.relation.relname, node.idxname, kind == "p", progress)


def _build_on(
    session: Session, node: object, schema: str | None, table: str, index: str, partitioned: bool, progress: Progress
) -> None:
    name = _name(schema, index)
    if partitioned:
        if session.value("select to_regclass(%s) is null", [name]):
            _quickly(session, _text(node, schema, table, index, concurrent=False, only=True))
        while True:
            found = session.rows(_PARTITIONS, {"table": _name(schema, table), "index": name})
            if not found:
                break
            for number, (_, child_schema, child, deeper) in enumerate(found, 1):
                progress(f"index {index}: partition {child}, {len(found) - number} to go after it")
                child_index = child_name(child, index)
                _build_on(session, node, child_schema, child, child_index, deeper, progress)
                _quickly(
                    session,
                    sql.SQL("alter index {} attach partition {}").format(
                        quoted(name), quoted(_name(child_schema, child_index))
                    ),
                )
        if not session.value("select indisvalid from pg_index where indexrelid = %s::regclass", [name]):
            raise Refused(f"index {name} did not become valid though every partition has its own")
        return
    valid = session.value("select indisvalid from pg_index where indexrelid = to_regclass(%s)", [name])
    if valid:
        return
    if valid is False:
        progress(f"index {index} is invalid: a build was cut off; it is dropped and built again")
        session.execute(sql.SQL("drop index concurrently {}").format(quoted(name)))
    with watched(session, index, progress):
        session.execute(_text(node, schema, table, index, concurrent=True, only=False))


def drop(session: Session, statement: Statement) -> None:
    """Do a `drop index concurrently`; on a partitioned table it takes the lock of all partitions, for an instant."""
    for item in statement.node.objects:
        name = ".".join(sql.Identifier(part.sval).as_string(None) for part in item)
        kind = session.value("select relkind from pg_class where oid = to_regclass(%s)", [name])
        if kind == "I":
            _quickly(session, sql.SQL("drop index {}").format(quoted(name)))
        elif kind is not None or not statement.node.missing_ok:
            session.execute(sql.SQL("drop index concurrently {}").format(quoted(name)))


def rebuild(session: Session, found: Invalid, progress: Progress) -> None:
    """Build an invalid index again under its name. Raises Refused when the rows, or its parts, stand against it."""
    if found.kind == LEFT_OVER:
        progress(f"index {found.name} of {found.table}: {found.why}; it is dropped")
        session.execute(sql.SQL("drop index concurrently {}").format(quoted(found.name)))
        return
    progress(f"index {found.name} of {found.table} is invalid: it is built again")
    if found.kind == PARENT:
        # It is valid already when its last part was made so by an attachment.
        if session.value("select indisvalid from pg_index where indexrelid = %s::regclass", [found.name]):
            return
        node = sqlfile.parse(found.definition, found.name)[0].node
        _build_on(session, node, node.relation.schemaname, node.relation.relname, node.idxname, True, progress)
        return
    if found.kind == PART:
        with watched(session, found.name, progress):
            session.execute(sql.SQL("reindex index concurrently {}").format(quoted(found.name)))
        return
    session.execute(sql.SQL("drop index concurrently {}").format(quoted(found.name)))
    head, word, tail = found.definition.partition(" INDEX ")
    with watched(session, found.name, progress):
        session.execute(f"{head}{word}CONCURRENTLY {tail}")


def child_name(partition: str, index: str) -> str:
    """Return the name of a partition's part of an index: the same each time, at most 63 bytes."""
    name = f"{partition}__{index}"
    if len(name.encode()) <= 63:
        return name
    return f"{name[:52]}_{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def _name(schema: str | None, name: str) -> str:
    return ".".join(sql.Identifier(part).as_string(None) for part in (schema, name) if part)


def _text(node: object, schema: str | None, table: str, index: str, *, concurrent: bool, only: bool) -> str:
    """Return the statement for another table and index name."""
    changed = copy.deepcopy(node)
    changed.concurrent = concurrent  # type: ignore[attr-defined]
    changed.if_not_exists = False  # type: ignore[attr-defined]
    changed.idxname = index  # type: ignore[attr-defined]
    changed.relation.schemaname = schema  # type: ignore[attr-defined]
    changed.relation.relname = table  # type: ignore[attr-defined]
    changed.relation.inh = not only  # type: ignore[attr-defined]
    return str(RawStream()(changed))


def _quickly(session: Session, query: str | sql.Composable) -> None:
    """Run a statement that takes an instant once it has its lock, which requests wait behind: try for moments only."""
    for attempt in range(1, _TRIES + 1):
        try:
            with session.transaction():
                session.rows("select set_config('lock_timeout', %s, true)", [_MOMENT])
                session.execute(query)
            return
        except StatementFailed as error:
            if error.sqlstate != LOCK_NOT_AVAILABLE or attempt == _TRIES:
                raise
            sleep(min(0.05 * 2**attempt, 5.0))


@contextmanager
def watched(session: Session, what: str, progress: Progress, interval: float = 1.0) -> Iterator[None]:
    """Tell every second, from a second connection, how far the session's index build is."""
    stop = threading.Event()

    def watch() -> None:
        query = (
            "select phase, coalesce(100 * blocks_done / nullif(blocks_total, 0), 100 * tuples_done"
            " / nullif(tuples_total, 0)), lockers_total - lockers_done"
            " from pg_stat_progress_create_index where pid = %s"
        )
        last = ""
        with suppress(psycopg.Error), psycopg.connect(session.dsn, autocommit=True) as connection:
            while not stop.wait(interval):
                row = connection.execute(query, [session.pid]).fetchone()
                if row is None:
                    continue
                part = f", {row[1]} %" if row[1] is not None else f", {row[2]} transactions" if row[2] else ""
                if (line := f"index {what}: {row[0]}{part}") != last:
                    progress(last := line)

    thread = threading.Thread(target=watch, name="index-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=5)
