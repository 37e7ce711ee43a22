"""One run of the plan: look at the live database, clone its schema, migrate the clone under watch, judge."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from pglast import ast
from pglast.visitors import Visitor
from psycopg import sql

from erpgres import settings
from erpgres.data import reference
from erpgres.errors import Refused
from erpgres.migrate import bookkeeping, files, repeatable, runner, sqlfile
from erpgres.migrate.files import Migration
from erpgres.migrate.locks.classify import tables_of
from erpgres.migrate.plan import access, contract, hot, judge
from erpgres.migrate.plan import clone as cloning
from erpgres.migrate.plan import live as looking
from erpgres.migrate.plan.clone import Clone
from erpgres.migrate.plan.live import Live, Name
from erpgres.migrate.plan.model import LAYER, Finding, Report, Verdict
from erpgres.migrate.plan.observe import Observer
from erpgres.migrate.plan.rates import Estimator, rates
from erpgres.migrate.session import Session, watched
from erpgres.migrate.sqlfile import Statement
from erpgres.stack.state import State

KEPT = ("schema_version", "migration_file", "migration_step", "backfill", "repeatable_file", "repeatable_object")
_SHOWN_ROWS = 5


@dataclass
class Options:
    """What is asked. `budget`: how long requests may wait; `patience`: how old a blocker may be; both in seconds.

    `rows` judges tables as if they had so many rows; `accepts` are (rule, reason) beside those of the headers;
    `check_timeout` bounds each data pre-check on the live database.
    """

    root: Path = settings.ROOT
    domains: list[str] = field(default_factory=lambda: list(settings.DOMAINS))
    budget: float = 0.5
    patience: float = 5.0
    check_timeout: str = "30s"
    rows: dict[str, float] = field(default_factory=dict)
    accepts: list[tuple[str, str]] = field(default_factory=list)
    only: list[str] = field(default_factory=list)
    progress: Callable[[str], None] = lambda _: None


def plan(state: State, cache: Path, live_dsn: str, options: Options) -> Report:
    """Return the report on what `erpgres migrate` would do to the database of `live_dsn`.

    `state` is a running server of the plan's own (`erpgres.lint.scratch.server`), `cache` where its rates are kept.
    Raises Refused for files that cannot be applied at all, CannotRun when a clone cannot be made.
    """
    started = time.monotonic()
    migrations = files.read_migrations(options.root, options.domains)
    options.progress("looking at the live database")
    live = looking.look(live_dsn, options.rows)
    options.progress("cloning its schema")
    clone = cloning.make(state, live_dsn, live, _data(options))
    try:
        _agree(live_dsn, clone, options)
        looking.again(live, live_dsn)
        estimator = Estimator(live, rates(cache, clone.dsn))
        report = _run(clone, live_dsn, migrations, estimator, options)
    finally:
        cloning.drop(state)
    report.seconds = time.monotonic() - started
    return report


def _data(options: Options) -> list[Name]:
    """Return the tables whose rows the clone has: the runner's own, and reference data."""
    found = [(bookkeeping.SCHEMA, name) for name in KEPT]
    paths = sorted((options.root / "sql/reference").glob("*/*.csv"))
    return list(dict.fromkeys([*found, *(reference.table_of(path, options.domains) for path in paths)]))


def _agree(live_dsn: str, clone: Clone, options: Options) -> None:
    """Take over the fingerprints of the clone for what is unchanged on the live side.

    The order of the columns of `before update of …` is one thing that a dump does not keep.
    """
    drifted: list[set[tuple[str, str]]] = []
    for dsn in (live_dsn, clone.migrator):
        with Session(dsn) as session, session.transaction(rollback=True):
            session.execute("set transaction read only")
            bookkeeping.become_owner(session)
            layer = repeatable.inspect(session, options.root, options.domains)
            drifted.append({key for key, _ in layer.drifted()})
    only_here = drifted[1] - drifted[0]
    with clone.connect() as connection:
        for kind, identity in only_here:
            if (kind, identity) in layer.entries:
                connection.execute(
                    "update ops.repeatable_object set fingerprint = %s where kind = %s and identity = %s",
                    [layer.entries[(kind, identity)].fingerprint, kind, identity],
                )


def _run(clone: Clone, live_dsn: str, migrations: list[Migration], estimator: Estimator, options: Options) -> Report:
    live = clone.live
    queries = hot.find(options.root)
    report = Report(live.name, live.version // 10000, options.budget, hot_queries=len(queries))
    clone.grow()
    plans_before = hot.plans(clone.dsn, queries)
    clone.shrink()
    with clone.connect() as connection:
        contract_before, access_before = contract.read(connection), access.read(connection)
        applied = _applied(connection)
    pending = [migration for migration in migrations if migration.version not in applied]
    observer = Observer(clone.dsn, {m.name: sqlfile.read(m.path, options.root) for m in pending})

    def progress(message: str) -> None:
        observer.progress(message)
        options.progress(message)

    failure: Refused | None = None
    result = runner.Result()
    try:
        with watched(observer):
            result = runner.migrate(
                clone.migrator, root=options.root, domains=options.domains, attempts=1, progress=progress
            )
    except Refused as error:
        failure = error
    finally:
        observer.close()
    clone.grow()
    judging = judge.Judge(
        live, observer, estimator, options.budget, options.patience, _rows_written(clone, observer, live)
    )
    report.verdicts = [judging.verdict(migration) for migration in pending]
    report.repeatable, report.dropped, report.reference = result.repeatable, result.dropped, result.reference
    last = judging.layer(observer.transactions, [*result.repeatable, *result.dropped])
    report.api_away = max((t.api_away for t in observer.transactions if t.committed), default=0.0)
    if failure is not None:
        _failed(report, last, pending, observer, failure)
    else:
        with clone.connect() as connection:
            contract_found = contract.difference(contract_before, contract.read(connection))
            access_found = access.difference(access_before, access.read(connection))
        plans_found = hot.difference(queries, plans_before, hot.plans(clone.dsn, queries))
        report.contract = [asdict(change) for change in contract_found]
        report.access = [asdict(change) for change in access_found]
        report.queries = [asdict(change) for change in plans_found]
        last.findings += judge.findings_of_contract(contract_found, access_found, plans_found)
    broken = sorted(name for name, found in plans_before.items() if found.error)
    if broken:
        last.notes.append(f"hot queries that cannot be planned on the live schema: {', '.join(broken)}")
    _check_data(report, pending, live_dsn, options)
    if failure is not None or result.changed or last.findings:
        report.verdicts.append(last)
    judge.accept(report.verdicts, options.accepts)
    if options.only:
        report.verdicts = [v for v in report.verdicts if v.name in options.only or v.name == LAYER]
    report.rates = estimator.explain()
    report.notes = _notes(live)
    return report


def _applied(connection: psycopg.Connection[Any]) -> set[int]:
    row = connection.execute("select to_regclass('ops.schema_version') is not null").fetchone()
    if not row or not row[0]:
        return set()
    return {version for (version,) in connection.execute("select version from ops.schema_version")}


def _failed(report: Report, last: Verdict, pending: list[Migration], observer: Observer, failure: Refused) -> None:
    """Put a failure where it belongs, and say what was not looked at because of it."""
    at = observer.failed
    name = Path(at.path).name if at is not None else ""
    verdict = next((verdict for verdict in report.verdicts if verdict.name == name), last)
    lines = failure.message.splitlines()
    details = [line.strip() for line in lines[1:] if line.strip().startswith(("detail:", "context:"))]
    place = f"{at.path} line {at.line}" if at is not None else LAYER
    message = "; ".join([lines[0], *details])
    verdict.findings.append(Finding("plan.statement_failed", place, message, failure.hint or ""))
    seen = {Path(step.path).name for step in observer.steps}
    for other in report.verdicts:
        if other.name not in seen and other is not verdict:
            other.notes.append("not looked at: a statement before it failed")
    if verdict is not last:
        last.notes.append("not looked at: a migration failed")


def _notes(live: Live) -> list[str]:
    found = []
    if live.without_statistics:
        names = [".".join(name) for name in live.without_statistics]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        found.append(
            f"this login may not read the column statistics of {shown} (row-level security): their plans rest on sizes"
            " only. A superuser's --database-url brings all"
        )
    if not live.sees_all:
        found.append(
            "this login does not see how old other sessions' transactions are (grant pg_read_all_stats): who is in the"
            " way now is known by their locks only"
        )
    assumed = sorted({".".join(r.of or r.name) for r in live.relations.values() if r.assumed and r.kind in "rm"})
    if assumed:
        found.append(f"judged as if {', '.join(assumed)} had the rows that --rows says")
    return found


# Rows that a statement writes.


class _Columns(Visitor):  # type: ignore[misc]
    """Collects the names of the columns in a condition."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def visit_ColumnRef(self, ancestors: Any, node: Any) -> None:
        """Note the last part of a name."""
        if isinstance(node.fields[-1], ast.String):
            self.names.add(node.fields[-1].sval)


def _rows_written(clone: Clone, observer: Observer, live: Live) -> dict[tuple[str, int], float]:
    """Ask the planner, on the grown clone, how many rows each UPDATE, DELETE and INSERT … SELECT would write.

    A condition on a column without statistics (a new one) tells nothing: then it is all rows of the table.
    """
    found: dict[tuple[str, int], float] = {}
    steps = [step for step in observer.steps if any(kind in judge.WRITES for p in step.parts for kind in p.kinds)]
    if not steps:
        return found
    with clone.connect() as connection:
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(bookkeeping.OWNER)))
        for step in steps:
            table = step.parts[0].table or ("", "")
            most = live.rows(table)
            if "insert_select" in step.parts[0].kinds:
                most = sum(live.rows(name) for name in tables_of(step.node) if name != table)
            columns = _Columns()
            where = getattr(step.node, "whereClause", None)
            if where is not None:
                columns(where)
            known = {
                name for (name,) in connection.execute(
                    "select attname from pg_stats where schemaname = %s and tablename = %s", list(table)
                )
            }  # fmt: skip
            rows = most
            if columns.names <= known or "insert_select" in step.parts[0].kinds:
                rows = min(most, _planned(connection, step.text, most))
            found[(step.path, step.line)] = rows
    return found


def _planned(connection: psycopg.Connection[Any], text: str, otherwise: float) -> float:
    try:
        row = connection.execute("explain (format json) " + text).fetchone()
    except psycopg.Error:  # it names what a later statement took away
        return otherwise
    assert row is not None
    node = row[0][0]["Plan"]
    return float(sum(child["Plan Rows"] for child in node.get("Plans", [])))


# Data pre-checks.


def _check_data(report: Report, pending: list[Migration], live_dsn: str, options: Options) -> None:
    """Run the pre-checks of the pending migrations on the live database, reading only."""
    for number, migration in enumerate(pending):
        if migration.check is None:
            continue
        verdict = report.verdicts[number]
        for statement in sqlfile.read(migration.check, options.root, is_check=True):
            _check_one(verdict, statement, live_dsn, options, first=number == 0)


def _check_one(verdict: Verdict, statement: Statement, live_dsn: str, options: Options, *, first: bool) -> None:
    started = time.monotonic()
    try:
        names, rows = _ask(live_dsn, statement, options.check_timeout)
    except psycopg.errors.QueryCanceled:
        message = f"did not end within {options.check_timeout} on the live database, so nobody knows"
        hint = "an index for it, a narrower query, or --check-timeout"
        verdict.findings.append(Finding("plan.data_check", statement.path, message, hint))
    except psycopg.Error as error:
        message = str(error).splitlines()[0]
        if first or error.sqlstate not in ("42P01", "42703", "42883", "3F000"):
            verdict.findings.append(Finding("plan.data_check", statement.path, f"fails: {message}"))
        else:
            verdict.notes.append(f"{statement.path} needs what an earlier pending migration makes ({message})")
    else:
        took = time.monotonic() - started
        if rows:
            cells = [", ".join(f"{n}={v}" for n, v in zip(names, row, strict=True)) for row in rows[:_SHOWN_ROWS]]
            shown = "; ".join(cells)
            more = "; …" if len(rows) > _SHOWN_ROWS else ""
            hint = "repair the data before the migration"
            verdict.findings.append(
                Finding("plan.data_check", statement.path, f"the live data stand against it: {shown}{more}", hint)
            )
        else:
            verdict.notes.append(f"{statement.path} found no row in {took:.1f} s on the live database")


def _ask(live_dsn: str, statement: Statement, timeout: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return column names and the first rows of a pre-check, over all organisations.

    Row-level security shows the owner the rows of none: asked without it, it fails where that matters, and the login
    itself is asked, whose policies show all.
    """
    with looking.reading(live_dsn, timeout) as connection:
        try:
            with connection.transaction():
                connection.execute("set local row_security = off")
                cursor = connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            connection.execute("set local role none")
            cursor = connection.execute(statement.encode())
        return [column.name for column in cursor.description or []], cursor.fetchmany(_SHOWN_ROWS + 1)


# Files that are not in the tree.


@contextmanager
def with_files(root: Path, domains: list[str], paths: Sequence[Path], work: Path) -> Iterator[tuple[Path, list[str]]]:
    """Give a tree in which files that are not in `root` are the next migrations, and the names of those asked for.

    A file of the tree is only named. `work` is an empty folder for the other tree, which is made of links.
    """
    inside = [path.resolve() for path in paths if path.resolve().is_relative_to((root / files.FOLDER).resolve())]
    outside = [path for path in paths if path.resolve() not in inside]
    names = [path.name for path in inside]
    if not outside:
        yield root, names
        return
    for folder in ("functions", "policies", "sql"):
        if (root / folder).exists():
            (work / folder).symlink_to(root / folder)
    (work / files.FOLDER).mkdir()
    for path in (root / files.FOLDER).iterdir():
        (work / files.FOLDER / path.name).symlink_to(path.resolve())
    version = max((m.version for m in files.read_migrations(root, domains)), default=0)
    for path in outside:
        version += 1
        text = path.read_text(encoding="utf-8")
        what = re.sub(r"^V\d+__", "", path.stem)
        if files.domain_of(what, domains) is None:
            domain = files.read_header(text).get("domain") or domains[0]
            mark = f"_{files.NONTRANSACTIONAL}" if files.NONTRANSACTIONAL in what else ""
            slug = re.sub(r"[^a-z0-9]+", "_", what.replace(files.NONTRANSACTIONAL, "").lower()).strip("_")
            what = f"{domain}_{slug}{mark}"
        name = f"V{version:04}__{what}.sql"
        (work / files.FOLDER / name).write_text(text, encoding="utf-8")
        check = path.with_name(path.name.replace(".sql", ".check.sql"))
        if check.exists() and check != path:
            (work / files.FOLDER / name.replace(".sql", ".check.sql")).write_text(check.read_text(encoding="utf-8"))
        names.append(name)
    yield work, names
