"""One comparison: what the repository would build, in a database of its own, against a live database."""

from __future__ import annotations

import csv
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from erpgres import settings
from erpgres.database import connect
from erpgres.drift import compare, mend, parameters, surface
from erpgres.drift.compare import EXTRA, Difference
from erpgres.drift.surface import Surface
from erpgres.drift.where import Places
from erpgres.errors import Refused
from erpgres.lint import scratch
from erpgres.migrate import cluster, files, runner
from erpgres.migrate.catalog import REBUILT
from erpgres.stack.state import State

Progress = Callable[[str], None]
_PERIOD = re.compile(
    r"(?P<table>.+)_(?P<year>\d{4})(?:q(?P<quarter>[1-4])|m(?P<month>0[1-9]|1[0-2])|d(?P<date>\d\d)(?P<day>\d\d))"
)


@dataclass(frozen=True)
class Finding:
    """One thing that differs. `file` makes it (None: nothing of the repository does); `mend` puts it right."""

    kind: str
    object: str
    change: str
    property: str
    detail: str
    expected: Any
    found: Any
    file: str | None
    line: int | None
    mend: str


@dataclass
class Report:
    """What was found. `version` is the database's, `newest` the checkout's; `compared` counts the objects looked at."""

    version: int = 0
    newest: int = 0
    pending: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    compared: int = 0
    seconds: float = 0.0


def run(
    live: str,
    *,
    cache: Path,
    root: Path = settings.ROOT,
    state: State | None = None,
    exceptions: Path | None = None,
    progress: Progress = lambda _: None,
) -> Report:
    """Compare the database `live` (a conninfo, best of a superuser) with the one that the checkout makes.

    A database that is behind is compared with what its version's migrations make, and its repeatable layer with what
    was recorded when it was applied. `exceptions` is a CSV file kind,object,reason. Raises Refused for a database that
    is newer than the checkout or was never migrated, CannotRun without a connection.
    """
    started = time.monotonic()
    allowed = read_exceptions(exceptions)
    migrations = files.read_migrations(root)
    applied = _versions(live)
    newest = migrations[-1].version if migrations else 0
    version = max(applied)
    if version > newest:
        raise Refused(
            f"the database is at migration {version}, this checkout at {newest}",
            "compare with the release that it was migrated with",
        )
    pending = [migration.name for migration in migrations if migration.version > version]
    progress("building what the repository makes")
    with _built(cache, root, version if pending else None) as expected:
        progress("comparing")
        findings, compared = between(live, expected, root=root, state=state, without_layer=bool(pending))
    if pending:
        findings += _layer(live, root)
    report = Report(version, newest, pending, [], [], compared)
    for finding in findings:
        reason = allowed.get((finding.kind, finding.object))
        if reason is None:
            report.findings.append(finding)
        else:
            report.accepted.append(f"{finding.kind} {finding.object}: {reason}")
    report.seconds = round(time.monotonic() - started, 1)
    return report


def between(
    live: str,
    expected: str,
    *,
    root: Path = settings.ROOT,
    state: State | None = None,
    without_layer: bool = False,
) -> tuple[list[Finding], int]:
    """Return how the database `live` differs from `expected`, and how many objects were compared.

    `expected` must be a superuser's or migrator's connection to a migrated database nobody works in, on a cluster whose
    roles the repository made: partitions that the live one has are made there, and undone.
    """
    with connect(expected) as building:
        ours = surface.roles(building)
        building.rollback()
        built = building.info.dbname
        with connect(live) as asking:
            named = sql.Identifier(asking.info.dbname).as_string(None)
            asking.execute("set transaction isolation level repeatable read, read only")
            should, has = parameters.read(asking, parameters.expected(state))
            surface.prepare(asking, ours)
            found = surface.read(asking) | surface.reference_rows(asking, root)
            asking.rollback()
        surface.prepare(building, ours)
        if without_layer:
            found = {key: fact for key, fact in found.items() if not _is_layers(fact)}
        else:
            _make_partitions(building, found)
        wanted = surface.read(building) | surface.reference_rows(building, root)
        if without_layer:
            wanted = {key: fact for key, fact in wanted.items() if not _is_layers(fact)}
        required = set() if without_layer else _required(building)
        recorded = _recorded(building)
        building.rollback()
    wanted = settle_partitions(wanted, found, required)
    differences = compare.compare(wanted | should, found | has, without_layer=without_layer)
    return locate(differences, root, recorded, built, named), len(wanted) + len(should)


def locate(
    differences: list[Difference], root: Path, recorded: mend.Recorded, built: str = "", live: str = ""
) -> list[Finding]:
    """Say of each difference which file makes it and how it is mended; `built` and `live` name the two databases."""
    if not differences:
        return []
    places = Places(root, settings.DOMAINS, recorded)
    found = []
    for item in differences:
        file, line = (None, None) if item.change == EXTRA else places.find(item)
        found.append(
            Finding(
                item.fact.kind, item.fact.identity, item.change, item.name, compare.describe(item), item.expected,
                item.found, file, line, _said_of(mend.mend(item, recorded), built, live),
            )
        )  # fmt: skip
    return found


def _said_of(statement: str, built: str, live: str) -> str:
    """Put the name of the live database where that of the built one stands."""
    return statement.replace(f"database {built} ", f"database {live} ") if built else statement


def _versions(live: str) -> list[int]:
    with connect(live) as connection:
        connection.execute("set transaction read only")
        row = connection.execute("select to_regclass('ops.schema_version')").fetchone()
        if row is None or row[0] is None:
            raise Refused("this database was never migrated by erpgres", "name another, or erpgres migrate")
        surface.prepare(connection, [])
        found = [int(row[0]) for row in connection.execute("select version from ops.schema_version").fetchall()]
        connection.rollback()
    return found or [0]


@contextmanager
def _built(cache: Path, root: Path, target: int | None) -> Iterator[str]:
    """Yield a superuser's conninfo of a database of the checkout, whole or up to a migration."""
    if target is None:
        with scratch.database(cache, root) as dsn:
            yield dsn
        return
    with scratch.server(cache) as state:
        name = f"drift_{uuid.uuid4().hex[:8]}"
        try:
            cluster.apply(state.dsn("postgres"), state.secret, name, root=root)
            runner.migrate(state.dsn("migrator", name), root=root, target=target)
            yield state.dsn("postgres", name)
        finally:
            with psycopg.connect(state.dsn("postgres"), autocommit=True) as connection:
                connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _is_layers(fact: surface.Fact) -> bool:
    """Say whether a fact comes with the repeatable layer: its schemas, partitions, and what is part of those."""
    rebuilt = fact.kind == "schema" and fact.identity in REBUILT
    return rebuilt or any(_PERIOD.fullmatch(key.split(" ")[-1]) for key in (fact.key, *fact.parents))


def _layer(live: str, root: Path) -> list[Finding]:
    """Return what was changed by hand in the repeatable layer of a database that is behind."""
    hint = "erpgres migrate puts the newer form in its place; the change is lost with it"
    return [
        Finding("layer", name, compare.DIFFERS, "", "is not as it was applied", None, None, None, None, hint)
        for name in runner.status(live, root=root).drift
    ]


def _make_partitions(connection: psycopg.Connection[Any], found: Surface) -> None:
    """Make the partitions that the live database has, so that they are compared with what would be made there."""
    connection.execute("select ops.ensure_partitions()")
    for fact in found.values():
        if fact.kind != "table" or not fact.properties["_partition"]:
            continue
        match = _PERIOD.fullmatch(fact.identity)
        if match is None:
            continue
        month = int(match["month"] or match["date"] or 3 * int(match["quarter"]) - 2)
        at = datetime(int(match["year"]), month, int(match["day"] or 1), tzinfo=UTC)
        query = (
            "select ops.create_partition(p.table_name, %s) from ops.partition_policy as p where p.table_name = %s"
            " and ops.partition_name(p.table_name, p.period, %s) = %s"
        )
        connection.execute(query, [at, match["table"], at, fact.identity])


def _required(connection: psycopg.Connection[Any]) -> set[str]:
    """Return the partitions that must be there now. The farthest is not asked for: the worker makes it once a day."""
    rows = connection.execute(
        "select ops.partition_name(p.table_name, p.period, now() + n * case p.period"
        " when 'day' then interval '1 day' when 'month' then interval '1 month' else interval '3 months' end)"
        " from ops.partition_policy as p cross join generate_series(0, p.periods_ahead - 1) as n"
    )
    return {f"table {row[0]}" for row in rows.fetchall()}


def settle_partitions(wanted: Surface, found: Surface, required: set[str]) -> Surface:
    """Leave out partitions that only the time made: those that are not required and that the live one has not."""
    spare = {
        key
        for key, fact in wanted.items()
        if fact.kind == "table" and fact.properties["_partition"] and key not in found and key not in required
    }
    return compare.without(wanted, spare)


def _recorded(connection: psycopg.Connection[Any]) -> mend.Recorded:
    """Return which file made which object of the repeatable layer."""
    if connection.execute("select to_regclass('ops.repeatable_object')").fetchone() == (None,):
        return {}
    rows = connection.execute("select kind, identity, path from ops.repeatable_object").fetchall()
    return {(kind, identity): path for kind, identity, path in rows}


def read_exceptions(path: Path | None) -> dict[tuple[str, str], str]:
    """Return the reasons in a CSV file kind,object,reason. Raises Refused for a line without a reason."""
    if path is None:
        return {}
    found = {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        if next(reader, None) != ["kind", "object", "reason"]:
            raise Refused(f"{path} line 1: the first line is kind,object,reason")
        for row in reader:
            if len(row) != 3 or not row[2].strip():
                raise Refused(f"{path} line {reader.line_num}: a line has a kind, an object and a reason")
            found[row[0].strip(), row[1].strip()] = row[2].strip()
    return found


def text(report: Report) -> str:
    """Write a report for people: what differs, the file that makes it, how to mend it."""
    lines = []
    for item in report.findings:
        place = f" ({item.file}{f':{item.line}' if item.line else ''})" if item.file else ""
        lines += [f"{item.kind} {item.object}: {item.detail}{place}", f"    mend: {item.mend}"]
    lines += [f"accepted: {line}" for line in report.accepted]
    if report.pending:
        lines.append(
            f"the database is at {report.version}, {len(report.pending)} migrations are pending: compared with what its"
            " migrations make, and the rest with what was applied"
        )
    verdict = f"{len(report.findings)} differences" if report.findings else "no difference"
    lines.append(f"{verdict}; {report.compared} objects compared in {report.seconds} s")
    return "\n".join(lines)
