"""Bringing a stack up and taking it down."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from erpgres import keys
from erpgres.database import reason
from erpgres.errors import CannotRun, Refused
from erpgres.jobs import settings as worker_settings
from erpgres.stack import certificate, gateway, libraries, postgres, postgrest, processes, relay, runtime, supervise
from erpgres.stack.state import State

Progress = Callable[[str], None]

_RECOVERY_SECONDS = 600.0
_HEALTH_SECONDS = 60.0


@dataclass(frozen=True)
class Asked:
    """What the caller wants changed before the start; None leaves a setting as it is."""

    port: int | None = None
    database_url: str | None = None
    api_pool: int | None = None
    jwks: str | None = None


def up(state: State, asked: Asked, progress: Progress, *, furnish: Callable[[State], None] | None = None) -> bool:
    """Bring everything up, or repair what is down; return True when the stack was running already.

    Waits its turn when another process works on the same state. Raises CannotRun, or Refused when a change is asked
    of a running stack that needs a stop; what this call started is then stopped again, except the database when a
    migration failed (it is wanted for finding out why). `furnish` fills the database instead of migrating it.
    """
    with state.locked():
        supervisor = supervise.Supervisor(state)
        running = supervisor.pid() is not None
        changed = _apply(state, asked, running)
        state.prepare()
        check_reach(state, state.run)
        _check_programs(state)
        if not running:
            found = processes.find(state)
            if found:
                progress(f"ending {len(found)} processes that lost their supervisor")
                processes.end(state)
            _sweep(state)
            processes.require_free(ports(state))
        try:
            fresh = _configure(state, progress, running)
            if running and fresh["supervisord"]:
                progress("the parts changed: starting all of them again")
                supervisor.shutdown()
                processes.end(state)
                running = False
            if not running:
                progress("starting PostgreSQL" if state.database_url is None else "starting the supervisor")
                supervisor = supervise.Supervisor(state)
                supervisor.launch()
            elif state.database_url is None:
                supervisor.ensure_started("postgres")
            _await_database(state, supervisor, progress)
            if running and fresh["postgres"]:
                _reload(state)
        except BaseException:
            if not running:
                _take_down(state)
            raise
        try:
            if furnish is None:
                _migrate(state, progress)
            else:
                furnish(state)
        except BaseException:
            if not running and state.database_url is not None:
                _take_down(state)
            raise
        try:
            _serve(state, supervisor, fresh, progress)
        except BaseException:
            if not running:
                _take_down(state)
            raise
        return running and not changed


def down(state: State) -> int:
    """End every process of the stack and remove its sockets and pid files; return how many processes there were."""
    if not state.path.is_dir():
        return 0
    with state.locked():
        return _take_down(state)


def reset(state: State) -> None:
    """Take the stack down and remove the state directory with all its data. Raises Refused unless it is one."""
    if not state.path.exists():
        return
    if not state.exists or not {"etc", "log", "secrets"} <= {entry.name for entry in state.path.iterdir()}:
        raise Refused(f"{state.path} is not a state directory", "nothing was removed")
    with state.locked():
        _take_down(state)
        shutil.rmtree(state.path)


def ports(state: State) -> dict[str, int]:
    """Return what each port of this state is for."""
    used = {"the gateway": state.port}
    if state.database_url is None:
        used["PostgreSQL"] = state.postgres_port
    used["PostgREST's admin server"] = state.admin_port
    used["the gateway's https"] = state.https_port
    return used


def _apply(state: State, asked: Asked, running: bool) -> bool:
    """Put what is asked into the state; return whether anything is new."""
    changes: dict[str, Any] = {}
    if asked.port is not None and asked.port != state.port:
        changes["port"] = asked.port
    if asked.database_url is not None and (asked.database_url or None) != state.database_url:
        changes["database_url"] = asked.database_url or None
    if asked.api_pool is not None and asked.api_pool != state.api_pool:
        changes["api_pool"] = asked.api_pool
    if asked.jwks is not None:
        jwks = Path(asked.jwks).expanduser().resolve() if asked.jwks else None
        if jwks:
            keys.read_jwks(jwks)
        if jwks != state.jwks:
            changes["jwks"] = jwks
    if not changes:
        return False
    if running and changes.keys() - {"api_pool", "jwks"}:
        what = " and ".join(f"--{name.replace('_', '-')}" for name in changes)
        raise Refused(f"the stack is running with another {what}", "`erpgres down` first")
    if (
        "database_url" in changes
        and state.exists
        and state.database_url is None
        and (state.pgdata / "PG_VERSION").exists()
    ):
        raise Refused(f"{state.path} has a database of its own", "use --database-url with a new --state")
    for name, value in changes.items():
        setattr(state, name, value)
    return True


def _check_programs(state: State) -> None:
    lacking = libraries.missing(state.bindir)
    if lacking:
        names = ", ".join(entry.library for entry in lacking)
        raise CannotRun(f"this system lacks {names}, which PostgreSQL needs", libraries.advice(lacking))
    for path in (state.bindir / "postgres", state.postgrest_binary, state.nginx_binary, runtime.starter()):
        check_reach(state, path)


def check_reach(state: State, path: Path) -> None:
    """Raise CannotRun unless the service account may enter a directory or run a program."""
    answer = postgres.as_service(state, ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)])
    if answer.returncode != 0:
        raise CannotRun(
            f"{state.owner or 'the caller'} may not reach {path}",
            "choose a place that everybody may enter: --state DIR for the data, ERPGRES_RUNTIME for the programs",
        )


def _sweep(state: State) -> None:
    """Remove sockets, pid files and half-made directories; nothing of this stack runs."""
    for folder in (state.run, state.control):
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    for leftover in state.path.glob(".initdb.*"):
        shutil.rmtree(leftover, ignore_errors=True)
    (state.pgdata / "postmaster.pid").unlink(missing_ok=True)


def _configure(state: State, progress: Progress, running: bool) -> dict[str, bool]:
    """Write every configuration file; return which parts have a new one."""
    fresh = {"postgres": False}
    if state.database_url is None:
        certificate.ensure(state)
        if not (state.pgdata / "PG_VERSION").exists():
            progress("making the database cluster")
        before = _text(state.etc / "postgresql.conf") + _text(state.etc / "pg_hba.conf")
        postgres.prepare(state)
        fresh["postgres"] = before != _text(state.etc / "postgresql.conf") + _text(state.etc / "pg_hba.conf")
    else:
        certificate.ensure(state)
    fresh["keys"] = keys.prepare(state)
    fresh["postgrest"] = postgrest.prepare(state)
    fresh["relay"] = relay.prepare(state)
    fresh["gateway"] = gateway.prepare(state)
    fresh["worker"] = state.write(state.etc / "worker.txt", worker_settings.fingerprint(state), mode=0o600)
    fresh["supervisord"] = supervise.prepare(state)
    return fresh


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _await_database(state: State, supervisor: supervise.Supervisor, progress: Progress) -> None:
    """Wait until the database takes connections: as long as recovery needs, but not while PostgreSQL cannot start."""
    if state.database_url is not None:
        _check_external(state)
        return
    dsn = state.dsn("postgres")
    begun = time.monotonic()
    told = False
    while True:
        try:
            psycopg.connect(dsn, connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            said = reason(error)
        waited = time.monotonic() - begun
        part = supervisor.parts().get("postgres", {})
        failing = part.get("statename") in ("BACKOFF", "FATAL", "STOPPED", None)
        if (failing and waited > 15) or waited > _RECOVERY_SECONDS or "authentication failed" in said:
            raise CannotRun(
                f"PostgreSQL does not start: {_last_line(state.log / 'postgres.log') or said}",
                f"see {state.log / 'postgres.log'}",
            )
        if waited > 5 and not told:
            progress(f"waiting for PostgreSQL: {said}")
            told = True
        time.sleep(0.1)


def _check_external(state: State) -> None:
    """Raise CannotRun unless the DBA's connection works and the server is PostgreSQL 18 or newer."""
    try:
        with psycopg.connect(state.dsn("postgres"), connect_timeout=10) as connection:
            version = connection.info.server_version
    except psycopg.OperationalError as error:
        raise CannotRun(f"the database of --database-url does not answer: {reason(error)}", "check the URL") from error
    if version < 180000:
        raise CannotRun(
            f"the database of --database-url is PostgreSQL {version // 10000}; 18 is the oldest that will do"
        )


def _reload(state: State) -> None:
    with psycopg.connect(state.dsn("postgres"), autocommit=True) as connection:
        connection.execute("select pg_reload_conf()")


def _migrate(state: State, progress: Progress) -> None:
    """Bring roles, database and schema up to what the checkout holds. Raises Refused or CannotRun."""
    from erpgres.migrate import cluster, runner

    progress("preparing roles and database")
    cluster.apply(state.dsn("postgres"), state.secret, state.database)
    progress("migrating")
    try:
        runner.migrate(state.dsn("migrator"), progress=progress)
        keys.sync(state.dsn("migrator"), keys.load(state))
    except Refused as error:
        if state.database_url is not None:
            raise
        keeps = "PostgreSQL keeps running: repair the cause, then `erpgres up -d` again"
        error.hint = f"{error.hint} ({keeps})" if error.hint else keeps
        raise


def _serve(state: State, supervisor: supervise.Supervisor, fresh: dict[str, bool], progress: Progress) -> None:
    """Start what serves and works, or make it take a new configuration, and wait until all is healthy.

    The relay reads its keys again by itself, and the stack is healthy without it.
    """
    progress("starting PostgREST, the relay, the gateway and the worker")
    known = supervisor.parts()
    for name in ("postgrest", relay.NAME, "gateway", "worker"):
        if name not in known:
            continue
        if known[name]["statename"] != supervise.RUNNING:
            supervisor.ensure_started(name)
        elif fresh[name] and name in ("postgrest", "worker"):
            supervisor.restart(name)
        elif fresh["keys"] and name == "postgrest":
            supervisor.signal(name, "USR2")
        elif fresh[name] and name == "gateway":
            supervisor.signal(name, "HUP")
    await_health(state)
    _await_parts(supervisor)
    if relay.NAME in known and (problem := _await_relay(state)):
        progress(f"{problem}: see {state.log / 'relay.log'}")


def _await_relay(state: State, seconds: float = 30.0) -> str | None:
    """Wait until the relay answers, too; return what is wrong with it when it does not."""
    deadline = time.monotonic() + seconds
    while (problem := relay.health(state)[1]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return problem


def _await_parts(supervisor: supervise.Supervisor, seconds: float = 10.0) -> None:
    """Wait until supervisord, too, holds every part for running (it takes a second to believe it)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if all(part["statename"] == supervise.RUNNING for part in supervisor.parts().values()):
            return
        time.sleep(0.05)


def await_health(state: State, seconds: float = _HEALTH_SECONDS) -> dict[str, Any]:
    """Wait until `GET /health` says that all is well and return what it says. Raises CannotRun when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        answer, problem = health(state)
        if problem is None:
            return answer
        if time.monotonic() > deadline:
            hint = _last_line(state.log / "postgrest.log") or _last_line(state.log / "gateway.log")
            raise CannotRun(f"the stack does not become healthy: {problem}", hint or f"see {state.log}")
        time.sleep(0.1)


def health(state: State) -> tuple[dict[str, Any], str | None]:
    """Ask the running stack how it is: its answer, and None when all is well or else the reason on one line."""
    import httpx

    url = f"{state.url}/health"
    try:
        # Plain HTTP: to read the certificates of the system would take longer than the request.
        answer = httpx.get(url, timeout=5, trust_env=False, verify=False)
    except httpx.HTTPError as error:
        return {}, f"{url} does not answer ({error})"
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if answer.status_code != 200:
        return body, f"{url} answers {answer.status_code} {body.get('message', '')}".strip()
    return body, None


def _take_down(state: State) -> int:
    count = len(processes.find(state))
    supervise.Supervisor(state).shutdown()
    processes.end(state)
    for folder in (state.run, state.control):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
    return count


def _last_line(path: Path) -> str | None:
    """Return the last line of a log that says what went wrong, or its very last."""
    lines = _text(path).strip().splitlines()[-40:]
    telling = [line for line in lines if "FATAL" in line or "rror" in line]
    return next(reversed(telling or lines), None)
