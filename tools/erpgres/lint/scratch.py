"""A PostgreSQL of the lint's own, with a database migrated from the checkout; nobody's data and nobody's roles.

The cluster stays in the cache directory and runs only while it is asked. The migrated database stays with it, named
after the hash of all that made it: a second run starts the server and asks.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from erpgres.errors import CannotRun
from erpgres.migrate import cluster, runner
from erpgres.settings import ROOT
from erpgres.stack import postgres
from erpgres.stack.state import ROOT_HOME, State

_TREES = ("sql/cluster", "migrations", "functions", "sql/api", "sql/analytics", "sql/reference", "policies")
_SETTINGS = """\
listen_addresses = ''
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 64MB
max_connections = 20
autovacuum = off
log_min_messages = fatal
"""
_HOST_RULES = "local all all scram-sha-256\n"


def cache_folder() -> Path:
    """Return where results are kept: ERPGRES_LINT_CACHE, else a folder of the user's (root's) outside the checkout."""
    named = os.environ.get("ERPGRES_LINT_CACHE")
    if named:
        return Path(named).expanduser().resolve()
    if os.geteuid() == 0:
        return ROOT_HOME / "lint"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "erpgres" / "lint"


def digest(root: Path = ROOT) -> str:
    """Return the hash of everything that makes the database: its files, and the tools that apply them."""
    found = hashlib.sha256()
    paths = [path for folder in _TREES for path in sorted((root / folder).rglob("*")) if path.is_file()]
    paths += [path for part in ("migrate", "data") for path in sorted((ROOT / "tools" / "erpgres" / part).glob("*.py"))]
    for path in paths:
        found.update(path.as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]


@contextmanager
def database(cache: Path, root: Path = ROOT) -> Iterator[str]:
    """Yield a superuser's conninfo of a database that is migrated from the checkout; stops the server at the end.

    Raises CannotRun when PostgreSQL does not start, Refused when the checkout cannot be migrated.
    """
    with server(cache) as state:
        yield migrated(state, root)


@contextmanager
def server(cache: Path, name: str = "cluster", more: str = "") -> Iterator[State]:
    """Yield a running PostgreSQL of nobody's, made if it is not there, with `more` settings; stops it at the end.

    Raises CannotRun when it does not start. Two runs with the same name and cache come one after the other.
    """
    try:
        cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRun(f"{cache} cannot be written: {error.strerror}", "name another in ERPGRES_LINT_CACHE") from None
    state = State(cache / f"{name}-{hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:8]}")
    with state.locked():
        drop_orphans(cache)
        _prepare(state, more)
        _control(state, "start")
        try:
            yield state
        finally:
            _control(state, "stop")


def drop_orphans(cache: Path) -> None:
    """Remove the clusters of checkouts that are gone, and stop those that were left running."""
    for mark in cache.glob("*/checkout"):
        if not Path(mark.read_text(encoding="utf-8", errors="surrogateescape")).exists():
            state = State(mark.parent)
            if state.pgdata.exists():
                _control(state, "stop")
            shutil.rmtree(mark.parent, ignore_errors=True)


def _prepare(state: State, more: str) -> None:
    # Roles and their settings are the cluster's: one that sql/cluster no longer makes must not stay.
    roles = hashlib.sha256(b"".join(path.read_bytes() for path in sorted((ROOT / "sql" / "cluster").glob("*.sql"))))
    programs = f"{state.bindir.parent.name} {roles.hexdigest()[:16]}"
    mark = state.path / "programs"
    if mark.exists() and mark.read_text() != programs:  # made by another PostgreSQL: nothing in it is worth keeping
        shutil.rmtree(state.pgdata, ignore_errors=True)
    state.prepare()
    if not (state.pgdata / "PG_VERSION").exists():
        postgres.initialize(state)
    state.write(mark, programs)
    (state.path / "checkout").write_text(str(ROOT), encoding="utf-8", errors="surrogateescape")
    state.write(state.etc / "pg_hba.conf", _HOST_RULES, mode=0o640, service=True)
    places = f"unix_socket_directories = '{state.run}'\nhba_file = '{state.etc / 'pg_hba.conf'}'\n"
    text = f"{_SETTINGS}{more}port = {state.postgres_port}\n{places}"
    state.write(state.pgdata / "postgresql.conf", text, mode=0o600, service=True)


def _control(state: State, what: str) -> None:
    program = [str(state.bindir / "pg_ctl"), f"--pgdata={state.pgdata}", "--wait", "--timeout=60"]
    if what == "start":
        _control(state, "stop")  # of a run that was killed
        program += [f"--log={state.log / 'postgres.log'}"]
    else:
        program += ["--mode=fast"]
    answer = postgres.as_service(state, [*program, what])
    if what == "start" and answer.returncode != 0:
        said = (state.log / "postgres.log").read_text().strip().splitlines()
        raise CannotRun(f"PostgreSQL does not start: {said[-1] if said else answer.stderr.strip()}")


def migrated(state: State, root: Path = ROOT) -> str:
    """Return the conninfo of the database of this checkout, made if it is not there; older ones are dropped."""
    name = f"lint_{digest(root)}"
    with psycopg.connect(state.dsn("postgres"), autocommit=True) as connection:
        there = [row[0] for row in connection.execute("select datname from pg_database where datname ~ '^lint_'")]
        if name not in there:
            making = f"{name}_new"
            for old in there:
                connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(old)))
            cluster.apply(state.dsn("postgres"), state.secret, making, root=root)
            runner.migrate(state.dsn("migrator", making), root=root)
            change = sql.SQL("alter database {} rename to {}")
            connection.execute(change.format(sql.Identifier(making), sql.Identifier(name)))
    return state.dsn("postgres", name)
