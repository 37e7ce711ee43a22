"""Runs migrations and the repeatable layer in one transaction, as `owner`, with yandex-pgmigrate as the engine.

pgmigrate reads the folder, knows what is applied, orders, executes and records versions. Around it stand the checks of
`files`, our own splitting of statements (PostgreSQL's grammar, so that an error has its line), the waiting for locks,
and the layer, all on one connection that pgmigrate may neither commit nor close.
"""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pgmigrate

from erpgres import settings
from erpgres.data import reference
from erpgres.errors import CannotRun, Refused
from erpgres.migrate import aside, backfill, bookkeeping, files, references, repeatable, schemacache, sqlfile, steps
from erpgres.migrate.catalog import REBUILT
from erpgres.migrate.files import Migration
from erpgres.migrate.objects import REFERENCE
from erpgres.migrate.repeatable import Layer, Outcome, StillUsed
from erpgres.migrate.session import (
    DEADLOCK,
    DEPENDED_ON,
    LOCK_NOT_AVAILABLE,
    MIGRATION_KEY,
    SIGNATURE,
    USED_BY_A_VIEW,
    BlockWatch,
    HeldConnection,
    MigrationCursor,
    Session,
    StatementFailed,
    sleep,
)

Progress = Callable[[str], None]
FIRST_LOCK_TIMEOUT = 0.1  # seconds; doubled with each attempt
LOCK_TIMEOUT = "400ms"
ATTEMPTS = 20

# sqlparse, which pgmigrate splits with, has no notion of lines and its own of SQL; what it is given here is parsed by
# PostgreSQL's grammar, and each statement carries its place. A data pre-check comes first.
_paths: dict[str, tuple[Migration, Path]] = {}


def _statements(path: str) -> Iterator[sqlfile.Statement]:
    migration, root = _paths[path]
    if migration.transactional:  # the steps of another are done before it is remembered
        yield from files.statements(migration, root)


pgmigrate._get_statements = _statements


@dataclass
class Result:
    """What a run did. `left` names migrations that a dry run could not try or a target left out."""

    applied: list[str] = field(default_factory=list)
    repeatable: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    reference: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    unreleased: list[str] = field(default_factory=list)
    dry_run: bool = False
    attempts: int = 1
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(self.applied or self.repeatable or self.dropped or self.reference)


@dataclass
class Run:
    """The parameters of a run and its progress."""

    dsn: str
    root: Path
    domains: list[str]
    target: int | None
    dry_run: bool
    progress: Progress
    lock_timeout: float
    attempts: int
    wait: float
    pause: float
    migrations: list[Migration]
    result: Result
    throttle: backfill.Throttle = field(default_factory=backfill.Throttle)
    failures: int = 0

    @property
    def patience(self) -> float:
        """Seconds to wait for a lock at this attempt: little at first, since requests wait behind it."""
        return float(min(self.lock_timeout, FIRST_LOCK_TIMEOUT * 2**self.failures))

    def pending(self, session: Session) -> list[Migration]:
        """Return the migrations to apply, after comparing what the database has with the files."""
        applied = bookkeeping.applied_versions(session)
        by_version = {migration.version: migration for migration in self.migrations}
        for version, description in applied.items():
            if version not in by_version:
                raise Refused(
                    f"the database has migration {version} ({description}), this tree has not",
                    "an older release does not migrate a newer database: use the release it was migrated with",
                )
        for version, sha256 in bookkeeping.migration_digests(session).items():
            if version in by_version and by_version[version].sha256 != sha256:
                raise Refused(
                    f"{files.FOLDER}/{by_version[version].name} was changed after this database had it",
                    "put the text back and write a new migration; on a development database: erpgres reset",
                )
        newest = max(applied, default=0)
        skipped = [m.name for m in self.migrations if m.version not in applied and m.version < newest]
        if skipped:
            raise Refused(f"the database is at {newest} but was never given {', '.join(skipped)}")
        return [m for m in self.migrations if m.version not in applied and m.version <= (self.target or m.version)]

    @property
    def is_whole(self) -> bool:
        """Whether the run goes to the newest migration; the layer is written for that one only."""
        return self.target is None or not self.migrations or self.target >= self.migrations[-1].version


def migrate(
    dsn: str,
    *,
    root: Path = settings.ROOT,
    target: int | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    lock_timeout: str = LOCK_TIMEOUT,
    attempts: int = ATTEMPTS,
    wait: float = 60.0,
    pause: float = 0.5,
    domains: list[str] | None = None,
    throttle: backfill.Throttle | None = None,
    sweep_wait: float = aside.PATIENCE,
) -> Result:
    """Bring the database that `dsn` (of migrator) names to the state of the tree.

    `target` stops after that version and leaves the repeatable layer alone; `dry_run` does everything and rolls back;
    `lock_timeout` bounds the waiting for a lock, a quarter of it at first, doubled at each attempt; when it is over
    everything that is not committed is rolled back and tried again, `attempts` times in all with pauses that start at
    `pause` seconds and double; `wait` bounds the waiting for another run, in seconds; `throttle` is what back-fills
    give way to; `sweep_wait` bounds the waiting for those who still use the old `api`, in seconds.
    Raises Refused when files or data stand against it or a statement fails, CannotRun when there is no database.
    """
    started = time.monotonic()
    names = settings.DOMAINS if domains is None else domains
    migrations = files.read_migrations(root, names)
    if target is not None and target not in {0, *(migration.version for migration in migrations)}:
        raise Refused(f"there is no migration {target}", f"the newest is {migrations[-1].version if migrations else 0}")
    result = Result(dry_run=dry_run, unreleased=[m.name for m in migrations if not m.released])
    run = Run(
        dsn, root, names, target, dry_run, progress or (lambda _: None), seconds(lock_timeout), attempts, wait, pause,
        migrations, result, throttle or backfill.Throttle(),
    )  # fmt: skip
    with Session(dsn) as session:
        settle(session)
        try:
            current = _is_current(session, run)
        except StatementFailed as error:
            if error.sqlstate != LOCK_NOT_AVAILABLE:  # looking at a view takes a lock on it, too
                raise
            current = False
        if not current:
            with _alone(session, run):
                _retrying(session, run)
        if not dry_run and aside.left_behind(session):
            with _alone(session, run):
                aside.sweep(session, run.progress, patience=sweep_wait)
    if run.is_whole is False:
        result.left += [m.name for m in migrations if target is not None and m.version > target]
    result.seconds = time.monotonic() - started
    return result


@dataclass
class Status:
    """How a database stands to the tree. `drift` names objects changed by hand, `changed` files to be applied."""

    version: int = 0
    applied: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    unreleased: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)

    @property
    def is_current(self) -> bool:
        """Whether `migrate` would do nothing."""
        return not (self.pending or self.changed or self.gone or self.drift)


def seconds(text: str) -> float:
    """Read a time as PostgreSQL writes it: 400ms, 5s, 1min; a bare number is milliseconds. Raises Refused."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|min)?", text.strip())
    if match is None:
        raise Refused(f"not a time: {text}", "write it as PostgreSQL does: 400ms, 5s")
    return float(match[1]) * {"ms": 0.001, "s": 1.0, "min": 60.0}[match[2] or "ms"]


def status(dsn: str, *, root: Path = settings.ROOT, domains: list[str] | None = None) -> Status:
    """Compare a database with the tree, without changing anything."""
    names = settings.DOMAINS if domains is None else domains
    migrations = files.read_migrations(root, names)
    run = Run(dsn, root, names, None, True, lambda _: None, 0, 1, 0, 0, migrations, Result())
    with Session(dsn) as session:
        settle(session)
        with session.transaction(rollback=True):
            session.execute("set transaction isolation level repeatable read, read only")
            bookkeeping.become_owner(session)
            pending = [migration.name for migration in run.pending(session)]
            layer = repeatable.inspect(session, root, names)
    done = [migration for migration in migrations if migration.name not in pending]
    kinds = {"access": "policies and grants of", "schema": "grants of schema"}
    drift = [
        f"{kinds.get(kind, kind)} {name} ({path})" for (kind, name), path in layer.drifted() if path in layer.files
    ]
    drift += [f"{entry.kind} {entry.identity} (no file makes it)" for entry in layer.strangers()]
    return Status(
        done[-1].version if done else 0,
        [migration.name for migration in done],
        pending,
        [migration.name for migration in migrations if not migration.released],
        layer.changed(),
        layer.gone(),
        drift,
    )


def settle(session: Session) -> None:
    """Free the session from the limits that its role has for ordinary work, and fix the search path."""
    limits = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout", "idle_session_timeout")
    for name in limits:
        session.rows("select set_config(%s, '0', false)", [name])
    session.rows("select set_config('search_path', 'pg_catalog, public', false)")
    # What PL/pgSQL can find in a body is an error where it is made: a variable that hides another, a target too many.
    session.rows("select set_config('plpgsql.extra_errors', 'all', false)")
    # A statement whose client was killed is given up, so that its locks do not outlive it by hours.
    session.rows("select set_config('client_connection_check_interval', '2s', false)")
    session.rows("select set_config('client_min_messages', 'warning', false)")
    if session.value("select pg_is_in_recovery()"):
        raise CannotRun("this server is a standby: migrations run on the primary")


def _is_current(session: Session, run: Run) -> bool:
    """Say, without a lock on anything of ours, whether there is nothing to do."""
    with session.transaction(rollback=True):
        session.execute("set transaction isolation level repeatable read, read only")
        bookkeeping.become_owner(session)
        if not bookkeeping.has_tables(session) or run.pending(session):
            return False
        if not run.is_whole:
            return True
        return repeatable.inspect(session, run.root, run.domains).is_current() and schemacache.is_told(session)


@contextmanager
def _alone(session: Session, run: Run) -> Iterator[None]:
    """Hold the advisory lock of migrations. It is polled for: a waiting query would hold a snapshot, and that would
    block CREATE INDEX CONCURRENTLY of the run it waits for."""
    deadline = time.monotonic() + run.wait
    told = False
    while not session.value("select pg_try_advisory_lock(%s)", [MIGRATION_KEY]):
        holder = session.value(
            "select pid from pg_locks where locktype = 'advisory' and granted and objsubid = 1"
            " and database = (select oid from pg_database where datname = current_database())"
            " and (classid::bigint << 32) | objid::bigint = %s",
            [MIGRATION_KEY],
        )
        if time.monotonic() > deadline:
            raise Refused(
                f"another migration is running (process {holder}) and did not end within {run.wait:g} s",
                "wait for it, or give more time with --wait",
            )
        if not told:
            run.progress(f"waiting for another migration (process {holder})")
            told = True
        sleep(random.uniform(0.05, 0.25))
    try:
        yield
    finally:
        if not session.connection.closed:
            session.value("select pg_advisory_unlock(%s)", [MIGRATION_KEY])


def _retrying(session: Session, run: Run) -> None:
    """Apply group after group, each tried again when a lock was not to be had."""
    failures = 0
    with BlockWatch(run.dsn, session.pid) as watch:
        while True:
            try:
                if _apply_next(session, run):
                    return
            except StatementFailed as error:
                if error.sqlstate not in (LOCK_NOT_AVAILABLE, DEADLOCK):
                    raise
                failures = run.failures = failures + 1
                blocker = f"blocked by {watch.last}" if watch.last else "the blocker had gone when it was looked for"
                if failures >= run.attempts:
                    raise Refused(
                        f"{error.message}\n    {blocker}\n    given up after {failures} attempts",
                        "end the blocking transaction or choose a quieter time; nothing was changed by this attempt",
                    ) from None
                pause = min(run.pause * 2 ** (failures - 1), 30.0) * random.uniform(0.5, 1.0)
                place = error.message.splitlines()[0]
                run.progress(f"attempt {failures} of {run.attempts}: {place}; {blocker}; again in {pause:.1f} s")
                run.result.attempts = failures + 1
                sleep(pause)


def _apply_next(session: Session, run: Run) -> bool:
    """Apply the next group of migrations; returns True when nothing is left to do.

    A group is the pending transactional migrations up to the first NONTRANSACTIONAL one, or that one alone.
    """
    with session.transaction(rollback=True):
        bookkeeping.become_owner(session)
        pending = run.pending(session)
    if pending and not pending[0].transactional:
        if run.dry_run:
            run.result.left += [migration.name for migration in pending]
            run.progress(f"{pending[0].name} cannot be tried: it does not run in a transaction")
            return True
        _apply_steps(session, run, pending[0])
        return False
    group: list[Migration] = []
    for migration in pending:
        alone = migration.ahead and not run.dry_run
        if not migration.transactional or (alone and group) or (migration.needs and group):
            break
        group.append(migration)
        if alone:
            break
    if group and group[0].needs and not run.dry_run:
        with session.transaction():
            bookkeeping.become_owner(session)
            bookkeeping.create(session)
        backfill.require(session, group[0].needs, run.throttle, run.progress)
    is_ahead = _is_ahead(group) and not run.dry_run
    last = len(group) == len(pending) and not is_ahead
    for migration in group:
        files.statements(migration, run.root)
    with_layer = last and run.is_whole
    try:
        outcome = _apply_group(session, run, group, with_layer=with_layer)
    except (StillUsed, StatementFailed) as error:
        # What a view of `api` stands on can change its type, or go, only while the view is away. Its readers wait then.
        if not with_layer or getattr(error, "sqlstate", DEPENDED_ON) not in (DEPENDED_ON, SIGNATURE, USED_BY_A_VIEW):
            raise
        outcome = _apply_group(session, run, group, with_layer=True, drop_first=True)
    run.result.applied += [migration.name for migration in group]
    run.result.repeatable += outcome.applied
    run.result.dropped += outcome.dropped
    if run.dry_run and not last:
        run.result.left += [migration.name for migration in pending[len(group) :]]
    return last or run.dry_run


def _is_ahead(group: list[Migration]) -> bool:
    return bool(group) and group[0].ahead


def _apply_group(
    session: Session, run: Run, group: list[Migration], *, with_layer: bool, drop_first: bool = False
) -> Outcome:
    """Apply transactional migrations and, if it is the last group, the layer; one transaction.

    The views of `api` step aside while the new ones are made. `drop_first` drops them instead, for a migration or a
    function that cannot change what they stand on.
    """
    outcome = Outcome()
    loaded: list[str] = []
    with session.transaction(rollback=run.dry_run, promptly=True):
        bookkeeping.become_owner(session)
        session.rows("select set_config('lock_timeout', %s, true)", [f"{round(run.patience * 1000)}ms"])
        bookkeeping.create(session)
        layer = repeatable.inspect(session, run.root, run.domains)
        rebuilt: set[str] = set()
        if with_layer:
            for file in layer.files.values():
                file.check()
            rebuild = set(REBUILT) if group or drop_first else layer.rebuild()
            if not drop_first:
                rebuilt = repeatable.set_aside(session, layer, rebuild)
            rebuilt = rebuilt or repeatable.take_down(session, layer, rebuild)
        changes = [s for migration in group for s in files.statements(migration, run.root) if not s.is_check]
        steps.hold_off_maintenance(session, changes)
        session.rows("select set_config('lock_timeout', %s, true)", [f"{round(run.patience * 1000)}ms"])
        with session.patience(run.patience) if _is_ahead(group) else nullcontext():
            known = set(layer.entries)
            _run_pgmigrate(session, run, group)
            if _is_ahead(group) and run.is_whole:
                repeatable.protect(session, layer, known)
        if with_layer:
            repeatable.put_up(session, layer, rebuilt, outcome)
            loaded = _load_reference(session, run, layer)
            _ensure(session, "ops.ensure_partitions()")
            if schemacache.is_new(session):
                session.execute("notify pgrst")
            repeatable.apply_policies(session, layer, rebuilt, outcome)
            repeatable.finish(session, layer, outcome)
            # What locks tables for a trigger comes last: their writers wait until the commit.
            for function in ("core.ensure_sources()", "core.ensure_search()", "events.ensure_triggers()"):
                _ensure(session, function)
        elif group and not _is_ahead(group):
            session.execute("notify pgrst")
    run.result.reference += loaded
    return outcome


def _ensure(session: Session, function: str) -> None:
    if session.value("select to_regprocedure(%s) is not null", [function]):
        session.rows(f"select {function}")


def _load_reference(session: Session, run: Run, layer: Layer) -> list[str]:
    """Load the changed reference files and remember them; returns a line for each table."""
    data = {path: file for path, file in layer.files.items() if file.phase == REFERENCE}
    changed = [path for path in layer.changed() if path in data]
    removed = [run.root / path for path in layer.gone() if path.startswith("sql/reference/")]
    if not changed and not removed:
        return []
    loaded = reference.apply(
        session, [*(data[path].path for path in changed), *removed], [file.path for file in data.values()], run.domains
    )
    for path in changed:
        bookkeeping.record_file(session, path, data[path].sha256)
    return [f"{item.table}: {item.upserted} rows new or changed, {item.deleted} deleted" for item in loaded]


def _run_pgmigrate(session: Session, run: Run, group: list[Migration]) -> None:
    """Let pgmigrate apply a group on the session's transaction."""
    if not group:
        return
    for migration in group:
        run.progress(f"{migration.name}{' (dry run)' if run.dry_run else ''}")
    with _staged(run, group[-1].version) as base:
        config = _config(session, base)._replace(target=group[-1].version, conn_instance=HeldConnection())
        try:
            pgmigrate.migrate(config)
        except pgmigrate.MigrateError as error:
            raise Refused(f"pgmigrate: {error}") from None
    for migration in group:
        bookkeeping.record_migration(session, migration.version, migration.sha256)


def _apply_steps(session: Session, run: Run, migration: Migration) -> None:
    """Apply a migration step by step; the last thing is that pgmigrate remembers it."""
    with session.transaction():
        bookkeeping.become_owner(session)
        bookkeeping.create(session)
    run.progress(f"{migration.name} (in steps)")
    backfill.require(session, migration.needs, run.throttle, run.progress)
    statements = files.statements(migration, run.root)
    try:
        steps.run(session, migration.version, statements, lock_timeout=run.patience, progress=run.progress)
    except StatementFailed as error:
        error.add("the steps before this one stay: run it again when the cause is gone, and it goes on here")
        raise
    with session.transaction():
        bookkeeping.become_owner(session)
        with _staged(run, migration.version) as base:
            config = _config(session, base)
            state = pgmigrate._get_state(base, 0, migration.version, bookkeeping.SCHEMA, config.cursor)
            pgmigrate._migrate_step(
                state, pgmigrate._get_callbacks(""), config.user, bookkeeping.SCHEMA, False, config.cursor
            )
        bookkeeping.record_migration(session, migration.version, migration.sha256)
        steps.forget(session, migration.version)
    run.result.applied.append(migration.name)


def _config(session: Session, base: str) -> pgmigrate.Config:
    looking = ExitStack()  # a statement that fails takes its transaction with it, and what was to be undone

    def before(statement: sqlfile.Statement) -> bool:
        if statement.is_check:
            steps.check(session, statement)
        else:
            looking.enter_context(references.looking(session, statement))
        return statement.is_check

    def after(statement: sqlfile.Statement) -> None:
        looking.close()
        references.prove(session, statement)

    user = session.value("select session_user::text")
    return pgmigrate.CONFIG_DEFAULTS._replace(
        base_dir=base, schema=bookkeeping.SCHEMA, user=user, cursor=MigrationCursor(session, before, after), session=[],
        callbacks=pgmigrate._get_callbacks(""), disable_schema_check=True, check_serial_versions=True,
    )  # fmt: skip


@contextmanager
def _staged(run: Run, newest: int) -> Iterator[str]:
    """Show pgmigrate a folder with the migrations up to a version only, without the pre-checks beside them."""
    with tempfile.TemporaryDirectory(prefix="erpgres-migrate-") as base:
        folder = Path(base) / "migrations"
        folder.mkdir()
        staged = []
        for migration in run.migrations:
            if migration.version <= newest:
                path = folder / migration.name
                path.touch()
                _paths[str(path)] = (migration, run.root)
                staged.append(str(path))
        try:
            yield base
        finally:
            for shown in staged:
                _paths.pop(shown, None)
