"""How a stack is: each part, the database, the API."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import psutil
import psycopg

from erpgres.database import reason
from erpgres.stack import lifecycle, processes, supervise
from erpgres.stack.state import State


@dataclass(frozen=True)
class Part:
    """One part; `uptime` in seconds, `restarted_at` in UTC, both None when they do not apply."""

    name: str
    state: str
    pid: int | None
    uptime: int | None
    restarts: int
    restarted_at: str | None
    port: int | None


@dataclass(frozen=True)
class Report:
    """What `erpgres status` shows; `problems` is empty when all is well."""

    state: str
    url: str
    https_url: str
    owner: str | None
    database: str
    database_version: str | None
    migration: int | None
    parts: list[Part]
    problems: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain dictionaries and lists."""
        return asdict(self)


def report(state: State) -> Report:
    """Look at every part of the stack and return what was found; raises nothing for what is merely down."""
    problems: list[str] = []
    supervisor = supervise.Supervisor(state)
    parts = _parts(state, supervisor, problems)
    version, migration = None, None
    if state.exists:
        version, migration, problem = _database(state)
        if problem or (problem := lifecycle.health(state)[1]) or (problem := _feed(state)):
            problems.append(problem)
    return Report(
        state=str(state.path),
        url=state.url,
        https_url=f"https://127.0.0.1:{state.https_port}",
        owner=state.owner,
        database=state.database,
        database_version=version,
        migration=migration,
        parts=parts,
        problems=problems,
    )


def _parts(state: State, supervisor: supervise.Supervisor, problems: list[str]) -> list[Part]:
    if not state.exists:
        problems.append(f"there is no stack in {state.path}")
        return []
    pid = supervisor.pid()
    rows: list[Part] = []
    if pid is not None:
        rows.append(
            Part("supervisor", "running", pid, int(time.time() - psutil.Process(pid).create_time()), 0, None, None)
        )
    else:
        rows.append(Part("supervisor", "stopped", None, None, 0, None, None))
    restarts = supervisor.restarts() if pid is not None else {}
    known = supervisor.parts() if pid is not None else {}
    port_of = {"postgres": state.postgres_port, "postgrest": state.admin_port, "gateway": state.port}
    orphans = [] if pid is not None else processes.find(state)
    for name in [program.name for program in supervise.programs(state)]:
        info = known.get(name)
        count, at = restarts.get(name, (0, None))
        when = None if at is None else at.astimezone(UTC).isoformat(timespec="seconds")
        if info is not None and info["statename"] == supervise.RUNNING:
            uptime = max(0, int(info["now"]) - int(info["start"]))
            rows.append(Part(name, "running", int(info["pid"]), uptime, count, when, port_of.get(name)))
            continue
        rows.append(
            Part(name, info["statename"].lower() if info else "stopped", None, None, count, when, port_of.get(name))
        )
        if pid is not None and rows[-1].state != "starting":  # whether it works, /health tells
            problems.append(f"{name} is {rows[-1].state}")
    if pid is None:
        if orphans:
            problems.append(
                f"the supervisor is gone; {len(orphans)} processes run without it (`erpgres up -d` repairs that)"
            )
        else:
            problems.append("the stack is down (`erpgres up -d` starts it)")
    return rows


def _database(state: State) -> tuple[str | None, int | None, str | None]:
    """Return server version, migration version and, when it does not answer, why."""
    try:
        with psycopg.connect(state.dsn("migrator"), connect_timeout=5, autocommit=True) as connection:
            found = connection.execute("show server_version").fetchone()
            version = str(found[0]) if found else None
            return version, _migration(connection), None
    except psycopg.OperationalError as error:
        return None, None, f"the database does not answer: {reason(error)}"


def _feed(state: State) -> str | None:
    """Return who holds up the event feed, if somebody does for too long."""
    try:
        with psycopg.connect(state.dsn("monitor"), connect_timeout=5, autocommit=True) as connection:
            row = connection.execute(
                "select is_stalled, is_ahead, waiting_events, lag_seconds, holder from events.feed_health()"
            ).fetchone()
    except psycopg.Error:
        return None  # not migrated yet; what else may be wrong is told elsewhere
    if row is None:
        return None
    if row[1]:
        return "there are events of the future: the database was restored into a younger cluster (docs/events.md)"
    if row[0]:
        return f"the event feed stands still: {row[2]} events wait since {row[3]} s for {row[4] or 'a transaction'}"
    return None


def _migration(connection: psycopg.Connection[Any]) -> int | None:
    try:
        connection.execute("set role owner")
        row = connection.execute("select max(version) from ops.schema_version").fetchone()
    except psycopg.Error:
        return None
    return None if row is None or row[0] is None else int(row[0])


def restarted(text: str | None) -> str:
    """Return a UTC timestamp of a report in local time, short."""
    return "" if text is None else datetime.fromisoformat(text).astimezone().strftime("%H:%M:%S")
