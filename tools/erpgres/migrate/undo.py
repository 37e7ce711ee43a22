"""Undo points: moments before a migration that a restored backup can be brought to, and what going back would cost.

Migrations go forward only. An undo point is a name in the write-ahead log (`pg_create_restore_point`) and a row in
`ops.undo_point`; recovery of an older base backup stops there. What was written since is lost then: that is counted.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from pglast import ast, enums

from erpgres import settings
from erpgres.database import connect
from erpgres.errors import CannotRun, Refused
from erpgres.migrate import files
from erpgres.migrate.files import Migration

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_CAPPED = 100_000
SAFE, COSTS, OUT_OF_REACH = "nothing is lost", "loses what was written since", "cannot be reached"

_POINT = """
insert into ops.undo_point (name, lsn, timeline, is_restore_point, next_xid, schema_version, note)
select %(name)s, %(lsn)s, c.timeline_id, %(named)s, pg_snapshot_xmax(pg_current_snapshot()),
       %(version)s, %(note)s
  from pg_control_checkpoint() c
"""
_POINTS = """
select p.name, p.made_at, p.made_by, p.lsn::text, p.timeline, p.is_restore_point, p.schema_version, p.note,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), p.lsn)::bigint,
       pg_walfile_name(p.lsn),
       (select count(*) from (
          select from events.event e
           where e.id >= core.uuid_floor(p.made_at) and e.xid >= p.next_xid limit %(cap)s) s),
       (select count(distinct e.xid) from (
          select e.xid from events.event e
           where e.id >= core.uuid_floor(p.made_at) and e.xid >= p.next_xid limit %(cap)s) e)
  from ops.undo_point p
 order by p.made_at desc
"""


@dataclass(frozen=True)
class Since:
    """A migration that was applied after a point. `destroys` are the statements whose data no migration brings back."""

    name: str
    destroys: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Point:
    """An undo point and what going back to it would cost now.

    `events` counts the business events written since (at most 100,000), `transactions` those that wrote them, and
    `wal_bytes` all that was written, vacuum and statistics included. `archived` says whether the archive has the
    write-ahead log of the point: yes, no, or unknown (there is no archive that this server fills).
    """

    name: str
    made_at: str
    made_by: str
    lsn: str
    timeline: int
    is_restore_point: bool
    schema_version: int
    note: str | None
    wal_bytes: int
    events: int
    transactions: int
    archived: str
    since: list[Since]
    verdict: str

    @property
    def recovery_target(self) -> str:
        """Return the line of postgresql.conf that recovery to this point takes."""
        if self.is_restore_point:
            return f"recovery_target_name = '{self.name}'"
        return f"recovery_target_lsn = '{self.lsn}'"


def create(dsn: str, name: str, note: str | None = None) -> Point:
    """Mark this moment and return it. `dsn` is migrator's, or of somebody who may also name restore points.

    Raises Refused for a name that is taken or will not do, CannotRun for a standby or a database without the table.
    """
    if not _NAME.fullmatch(name):
        raise Refused(
            f"{name!r} cannot be an undo point", "small letters, digits, dot, dash and underscore, at most 63"
        )
    with connect(dsn, autocommit=True) as connection:
        _check(connection)
        if connection.execute("select from ops.undo_point where name = %s", [name]).fetchone() is not None:
            raise Refused(f"there is an undo point {name} already", "erpgres migrate undo-point list")
        version = max(_applied(connection), default=0)
        try:
            row = connection.execute("select pg_create_restore_point(%s)::text", [name]).fetchone()
            named = True
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState):
            row = connection.execute("select pg_current_wal_flush_lsn()::text").fetchone()
            named = False
        assert row is not None
        connection.execute(_POINT, {"name": name, "lsn": row[0], "named": named, "note": note, "version": version})
        # The segment that holds the point goes to the archive now, not when it is full.
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute("select pg_switch_wal()")
    return next(point for point in every(dsn) if point.name == name)


def every(dsn: str, root: Path = settings.ROOT) -> list[Point]:
    """Return all undo points, the newest first, with what going back to each would cost now."""
    migrations = {migration.version: migration for migration in files.read_migrations(root)}
    with connect(dsn) as connection:
        connection.execute("set transaction read only")
        _check(connection)
        applied = _applied(connection)
        archive = _archive(connection)
        rows = connection.execute(_POINTS, {"cap": _CAPPED}).fetchall()
        connection.rollback()
    points = []
    for name, made_at, made_by, lsn, timeline, named, version, note, written, segment, events, transactions in rows:
        since = [Since(migrations[v].name, destroys(migrations[v], root)) for v in applied if v > version]
        archived = "unknown" if archive is None else "yes" if archive and segment <= archive else "no"
        verdict = OUT_OF_REACH if archived == "no" else COSTS if events else SAFE
        points.append(
            Point(
                name, made_at.isoformat(timespec="seconds"), made_by, lsn, timeline, named, version, note, written,
                events, transactions, archived, since, verdict,
            )
        )  # fmt: skip
    return points


def _check(connection: psycopg.Connection[Any]) -> None:
    row = connection.execute("select pg_is_in_recovery(), to_regclass('ops.undo_point') is null").fetchone()
    if row is None or row[0]:
        raise CannotRun("this server is a standby: undo points are made on the primary")
    if row[1]:
        raise CannotRun("this database has no undo points yet", "erpgres migrate")


def _applied(connection: psycopg.Connection[Any]) -> list[int]:
    """Return the migrations that the database has; the table is the owner's."""
    with connection.transaction():
        connection.execute("set local role owner")
        rows = connection.execute("select version from ops.schema_version order by 1").fetchall()
        connection.execute("reset role")
    return [int(row[0]) for row in rows]


def _archive(connection: psycopg.Connection[Any]) -> str | None:
    """Return the newest segment that is archived (empty: none yet), or None when this server archives nothing."""
    row = connection.execute(
        "select current_setting('archive_mode'), coalesce(last_archived_wal, '') from pg_stat_archiver"
    ).fetchone()
    if row is None or row[0] == "off":
        return None
    return str(row[1])


_LOSES = {
    enums.AlterTableType.AT_DropColumn: "drops a column",
    enums.AlterTableType.AT_AlterColumnType: "changes the type of a column",
    enums.AlterTableType.AT_DropExpression: "drops an expression",
    enums.AlterTableType.AT_DetachPartition: "detaches a partition",
}
_DROPPED = {enums.ObjectType.OBJECT_TABLE, enums.ObjectType.OBJECT_SCHEMA, enums.ObjectType.OBJECT_MATVIEW}


def destroys(migration: Migration, root: Path = settings.ROOT) -> list[str]:
    """Return what a migration does to data that no later migration can undo, a line for each statement."""
    found = []
    for statement in files.statements(migration, root):
        node = statement.node
        what = ""
        if isinstance(node, ast.AlterTableStmt):
            words = [_LOSES[command.subtype] for command in node.cmds or () if command.subtype in _LOSES]
            what = ", ".join(dict.fromkeys(words))
        elif isinstance(node, ast.DropStmt) and node.removeType in _DROPPED:
            what = "drops a table"
        elif isinstance(node, ast.TruncateStmt):
            what = "empties a table"
        elif isinstance(node, ast.DeleteStmt):
            what = "deletes rows"
        elif isinstance(node, ast.UpdateStmt):
            what = "changes rows"
        if what and not statement.is_check:
            found.append(f"line {statement.line}: {what}")
    return found


def text(points: list[Point]) -> str:
    """Write points for people."""
    if not points:
        return "no undo points: erpgres migrate undo-point create NAME makes one"
    lines = []
    for point in points:
        more = "+" if point.events >= _CAPPED else ""
        lines.append(f"{point.name}  {point.made_at}  schema {point.schema_version}  LSN {point.lsn}  {point.verdict}")
        lines.append(
            f"    since: {point.events}{more} business events in {point.transactions} transactions,"
            f" {point.wal_bytes / 1048576:.1f} MB of log, {len(point.since)} migrations"
        )
        for migration in point.since:
            loss = "; ".join(migration.destroys)
            lines.append(f"    {migration.name}: {loss or 'can be taken back by a migration'}")
        archive = {
            "yes": "its log is in the archive",
            "no": "its log is not in the archive yet",
            "unknown": "this server archives no log: whoever does must know it",
        }
        lines.append(f"    {archive[point.archived]}; {point.recovery_target}")
    return "\n".join(lines)
