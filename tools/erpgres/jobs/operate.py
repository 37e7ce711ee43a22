"""What an operator does with jobs; `dsn` is the migrator's."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from erpgres.database import connect
from erpgres.errors import Refused

LATE_SECONDS = 300.0
_PATIENCE = 600.0


def status(dsn: str) -> list[dict[str, Any]]:
    """Return the rows of ops.job_status(). Raises CannotRun."""
    with connect(dsn, row_factory=dict_row) as connection:
        return connection.execute("select * from ops.job_status()").fetchall()


def runs(dsn: str, name: str | None, *, dead: bool, limit: int) -> list[dict[str, Any]]:
    """Return runs, the newest first. Raises CannotRun, or Refused for a job that there is not."""
    with connect(dsn, row_factory=dict_row) as connection:
        if name is not None:
            _check(connection, name)
        return connection.execute(
            "select * from ops.job_run where (%(name)s::text is null or job = %(name)s) "
            "and (not %(dead)s or state = 'DEAD') order by id desc limit %(limit)s",
            {"name": name, "dead": dead, "limit": limit},
        ).fetchall()


def enqueue(dsn: str, name: str, parameters: dict[str, Any], *, wait: bool) -> dict[str, Any]:
    """Ask for a run and return it, with `wait` when it has ended. Raises CannotRun, or Refused."""
    with connect(dsn, row_factory=dict_row, autocommit=True) as connection:
        _check(connection, name)
        made = connection.execute("select ops.job_enqueue(%s, %s) as id", [name, Jsonb(parameters)]).fetchone()
        assert made is not None
        deadline = time.monotonic() + _PATIENCE
        while True:
            run: dict[str, Any] | None = connection.execute(
                "select * from ops.job_run where id = %s", [made["id"]]
            ).fetchone()
            assert run is not None
            if not wait or run["state"] in ("DONE", "DEAD"):
                return run
            if time.monotonic() > deadline:
                raise Refused(f"{name} has not ended within {_PATIENCE:.0f} s", "`erpgres jobs runs` shows how it goes")
            time.sleep(0.1)


def retry(dsn: str, run_id: UUID) -> bool:
    """Let a dead run be tried again; False when there is no dead run of this id. Raises CannotRun."""
    with connect(dsn) as connection:
        row = connection.execute("select ops.job_retry(%s)", [run_id]).fetchone()
    return bool(row and row[0])


def pause(dsn: str, name: str, *, paused: bool) -> None:
    """Let a schedule rest, or go on from now. Raises CannotRun, or Refused for a job that there is not."""
    with connect(dsn) as connection:
        _check(connection, name)
        connection.execute(
            "update ops.job set is_paused = %s, planned_for = null where name = %s and is_paused <> %s",
            [paused, name, paused],
        )


def _check(connection: psycopg.Connection[Any], name: str) -> None:
    known = [row["name"] if isinstance(row, dict) else row[0] for row in connection.execute("select name from ops.job")]
    if name not in known:
        raise Refused(f"there is no job {name}", f"there is one of: {', '.join(sorted(known))}")
