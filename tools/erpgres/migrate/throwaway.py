"""A throw-away PostgreSQL with PostgREST and a gateway over it, filled from a backup, a dump or a scaled copy.

Everything lies in one temporary directory with ports and secrets of its own; nothing of the stack that runs is touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from erpgres import keys, settings
from erpgres.database import connect
from erpgres.drift.surface import reference_files
from erpgres.errors import CannotRun, Refused
from erpgres.migrate import cluster
from erpgres.prove.stage import RATES, _environment, _free_port
from erpgres.stack import lifecycle, postgres
from erpgres.stack.state import State

Progress = Callable[[str], None]
_PATIENCE = 60.0  # seconds until a standby streams
# Data that a scaled copy takes from the live database: what says which migrations and files were applied.
_BOOKKEEPING = ("schema_version", "migration_file", "repeatable_file", "repeatable_object", "partition_policy", "job")


@contextmanager
def stack(
    furnish: Callable[[State], None], progress: Progress, *, backup: Path | None = None, database: str | None = None
) -> Iterator[State]:
    """Run a stack of its own over what `furnish` puts into its database, or over a copy of a base backup.

    It is stopped and removed in the end. Raises CannotRun when it does not start.
    """
    place = Path(tempfile.mkdtemp(prefix="erpgres-rehearse-"))
    place.chmod(0o711)
    own = State(place / "state")
    try:
        own.port = _free_port()
        own.is_api_only = True
        if database is not None:
            own._data["database"] = database
        own.prepare()
        if backup is not None:
            take_over(own, backup, progress)
        with _environment(RATES):
            lifecycle.up(own, lifecycle.Asked(), lambda _: None, furnish=furnish)
        progress(f"a stack of its own answers at {own.url}")
        yield own
    finally:
        with contextlib.suppress(OSError):
            lifecycle.down(own)
        shutil.rmtree(place, ignore_errors=True)


def take_over(own: State, backup: Path, progress: Progress) -> None:
    """Copy a base backup (a directory that pg_basebackup wrote) and give its superuser our password."""
    if not (backup / "PG_VERSION").exists():
        raise Refused(f"{backup} is no base backup", "a directory of pg_basebackup has a file PG_VERSION")
    progress(f"copying {backup}")
    shutil.copytree(backup, own.pgdata, symlinks=True)
    own.pgdata.chmod(0o700)
    for path in (own.pgdata, *own.pgdata.rglob("*")):
        own.give(path)
    for name in ("postmaster.pid", "standby.signal", "recovery.signal"):
        (own.pgdata / name).unlink(missing_ok=True)
    # The backup has the passwords of its cluster. Nobody can reach this server while it lets the superuser in.
    own.write(own.etc / "pg_hba.conf", "local all postgres trust\n", mode=0o640, service=True)
    own.write(own.etc / "postgresql.conf", "", mode=0o640, service=True)
    rules = {"hba_file": str(own.etc / "pg_hba.conf"), "listen_addresses": "", "ssl": "off", "archive_mode": "off"}
    with server(own, rules):
        dsn = make_conninfo("", host=str(own.run), port=own.postgres_port, user="postgres", dbname="postgres")
        with connect(dsn, autocommit=True) as connection:
            password = sql.Literal(own.secret("postgres"))
            connection.execute(sql.SQL("alter role postgres password {}").format(password))


@contextmanager
def server(own: State, values: dict[str, str] | None = None, pgdata: Path | None = None) -> Iterator[None]:
    """Run PostgreSQL alone on a state's data directory, or another, with settings given on its command line."""
    data = pgdata or own.pgdata
    given = {"unix_socket_directories": str(own.run), "port": str(own.postgres_port), **(values or {})}
    options = " ".join(f"-c {name}='{value}'" for name, value in given.items())
    program = [str(own.bindir / "pg_ctl"), f"--pgdata={data}", "--wait", "--timeout=120"]
    log = own.log / f"{data.name}.log"
    answer = postgres.as_service(own, [*program, f"--log={log}", "-o", options, "start"])
    if answer.returncode != 0:
        said = log.read_text().strip().splitlines() if log.exists() else []
        raise CannotRun(f"PostgreSQL does not start: {said[-1] if said else answer.stderr.strip()}")
    try:
        yield
    finally:
        postgres.as_service(own, [*program, "--mode=fast", "stop"])


def settle(own: State) -> None:
    """Give the roles of the database their passwords of this stack, and it the keys, as `erpgres up` does."""
    cluster.apply(own.dsn("postgres"), own.secret, own.database)
    with connect(own.dsn("migrator")) as connection:
        found = connection.execute("select to_regclass('core.signing_key') is not null").fetchone()
    if found == (True,):
        keys.sync(own.dsn("migrator"), keys.load(own))


def from_dump(own: State, dump: Path) -> None:
    """Restore a file of pg_dump, in its custom form or as SQL."""
    settle(own)
    with dump.open("rb") as file:
        custom = file.read(5) == b"PGDMP"
    target = own.dsn("postgres", own.database)
    if custom:
        program = [str(own.bindir / "pg_restore"), "--clean", "--if-exists", f"--dbname={target}"]
        _run([*program, str(dump)], lenient=True)
    else:
        program = [str(own.bindir / "psql"), "--no-psqlrc", "--quiet", f"--dbname={target}", f"--file={dump}"]
        _run(program, lenient=True)
    with connect(target) as connection:
        found = connection.execute("select to_regclass('ops.schema_version') is not null").fetchone()
    if found != (True,):
        raise Refused(f"{dump} holds no database of erpgres")
    settle(own)


def from_live(own: State, live: str, scale: float, progress: Progress, root: Path = settings.ROOT) -> None:
    """Copy the schema of a live database with its reference data, and fill it with generated rows."""
    from erpgres.data import seed, tpch

    settle(own)
    with tempfile.TemporaryDirectory(prefix="erpgres-copy-") as folder:
        made = Path(folder) / "live.dump"
        parts = conninfo_to_dict(live)
        password = parts.pop("password", None)
        source = make_conninfo("", **parts)
        tables = [f"{schema}.{table}" for schema, table in reference_files(root, settings.DOMAINS)]
        tables += [f"ops.{table}" for table in _BOOKKEEPING]
        schemas = [f"--schema={schema}" for schema in (*settings.DOMAINS, "api", "analytics")]
        program = [str(own.bindir / "pg_dump"), "--format=custom", f"--dbname={source}", *schemas]
        progress("copying the schema")
        program += [f"--exclude-table-data={table}" for table in _left_out(live, tables)]
        _run([*program, f"--file={made}"], password=str(password) if password else None)
        target = own.dsn("postgres", own.database)
        _run([str(own.bindir / "pg_restore"), f"--dbname={target}", str(made)], lenient=True)
    settle(own)
    progress("filling it")
    dsn = own.dsn("migrator")
    seed.seed(dsn)
    if scale > 0:
        tpch.load(dsn, scale=scale, code="TPCH")


def _left_out(live: str, kept: list[str]) -> list[str]:
    """Return the tables of the live database whose rows are not copied: all but those that are kept."""
    query = (
        "select format('%%I.%%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p') and n.nspname = any (%s)"
    )
    with connect(live) as connection:
        rows = connection.execute(query, [settings.DOMAINS]).fetchall()
    return [str(row[0]) for row in rows if row[0] not in kept]


def _run(command: list[str], *, lenient: bool = False, password: str | None = None) -> None:
    """Run one of PostgreSQL's programs. `lenient`: roles and extensions that are there already are no failure."""
    environment = {**os.environ, "PGOPTIONS": "-c client_min_messages=warning"}
    if password is not None:
        environment["PGPASSWORD"] = password
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode and not lenient:
        reason = done.stderr.strip().splitlines()
        raise CannotRun(f"{Path(command[0]).name} failed: {reason[-1] if reason else done.returncode}")


class Standby:
    """A streaming standby of a throw-away stack that somebody reads from, and what became of it."""

    def __init__(self, own: State, progress: Progress) -> None:
        """Copy the primary of `own` and start streaming from it."""
        self._own = own
        self._stack = contextlib.ExitStack()
        data, run = own.path / "standby", own.path / "standby-run"
        for folder in (data, run):
            folder.mkdir(mode=0o700 if folder == data else 0o711)
            own.give(folder)
        progress("making a standby")
        source = own.dsn("postgres")
        program = [str(own.bindir / "pg_basebackup"), f"--pgdata={data}", f"--dbname={source}", "--checkpoint=fast"]
        answer = postgres.as_service(own, [*program, "--wal-method=stream", "--write-recovery-conf"])
        if answer.returncode != 0:
            raise CannotRun(f"pg_basebackup failed: {answer.stderr.strip().splitlines()[-1]}")
        # pg_basebackup writes every option that its own libpq knows; the one that the server loads may be older and
        # refuse the first it does not know: then the standby never streams.
        known = conninfo_to_dict(source)
        plain = make_conninfo("", **{name: known[name] for name in ("host", "port", "user", "password")})
        auto = data / "postgresql.auto.conf"
        kept = [line for line in auto.read_text().splitlines() if not line.startswith("primary_conninfo")]
        quoted = plain.replace("'", "''")
        own.write(auto, "\n".join([*kept, f"primary_conninfo = '{quoted}'", ""]), mode=0o600, service=True)
        port = _free_port()
        values = {"unix_socket_directories": str(run), "port": str(port), "hot_standby": "on"}
        values["hot_standby_feedback"] = "on"
        self._stack.enter_context(server(own, values, data))
        self.dsn = make_conninfo(own.dsn("postgres", own.database), host=str(run), port=port)
        try:
            self._await_stream(source)
        except BaseException:
            self.close()
            raise

    def _await_stream(self, source: str) -> None:
        """Wait until it streams: one that does not would show no lag at all."""
        deadline = time.monotonic() + _PATIENCE
        with connect(source, autocommit=True) as primary:
            while not primary.execute("select from pg_stat_replication where state = 'streaming'").fetchall():
                if time.monotonic() > deadline:
                    raise CannotRun(f"the standby does not stream from the copy after {_PATIENCE:.0f} s")
                time.sleep(0.1)

    def close(self) -> None:
        """Stop it."""
        self._stack.close()

    def conflicts(self) -> int:
        """Return how many queries the standby has cancelled because of what it replayed."""
        with connect(self.dsn) as connection:
            row = connection.execute(
                "select sum(confl_tablespace + confl_lock + confl_snapshot + confl_bufferpin + confl_deadlock)::bigint"
                " from pg_stat_database_conflicts"
            ).fetchone()
        return int(row[0] or 0) if row else 0

    def lag(self, primary: psycopg.Connection[Any]) -> tuple[int, float]:
        """Return how far behind it is: bytes of log not replayed yet, and seconds."""
        row = primary.execute(
            "select coalesce(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), replay_lsn), 0)::bigint,"
            " coalesce(extract(epoch from replay_lag), 0)::float8 from pg_stat_replication limit 1"
        ).fetchone()
        return (int(row[0]), float(row[1])) if row else (0, 0.0)
