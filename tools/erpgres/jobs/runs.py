"""Plans and runs jobs."""

from __future__ import annotations

import importlib
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from erpgres.jobs.schedule import next_moment
from erpgres.jobs.settings import Settings
from erpgres.jobs.task import Task

_log = logging.getLogger("erpgres.jobs")

_ROWS_KEPT = 100


@dataclass(frozen=True)
class _Run:
    id: UUID
    job: str
    attempts: int
    parameters: dict[str, Any]
    runner: str
    target: str
    timeout_seconds: int


def plan(connection: psycopg.Connection[Any]) -> int:
    """Make the runs of all moments that have come; return how many. `connection` is in autocommit.

    The clock is the database's. Of several missed moments the first becomes a run, the others are dropped.
    """
    made = 0
    rows = connection.execute(
        "select name, schedule, time_zone, planned_for, next_due_at, clock_timestamp() from ops.job "
        "where schedule is not null and not is_paused and (next_due_at is null or next_due_at <= clock_timestamp() "
        "or planned_for is distinct from schedule || ' ' || time_zone)"
    ).fetchall()
    for name, schedule, time_zone, planned_for, due_at, now in rows:
        meant = f"{schedule} {time_zone}"
        try:
            following = next_moment(schedule, time_zone, now)
        except ValueError as error:
            _log.error("%s is not planned: %s", name, error)
            continue
        was_due: datetime | None = due_at if planned_for == meant else None
        row = connection.execute("select ops.job_plan(%s, %s, %s, %s)", [name, meant, was_due, following]).fetchone()
        made += bool(row and row[0])
    return made


def run_next(connection: psycopg.Connection[Any], settings: Settings, worker: str) -> bool:
    """Take the run that has waited longest and run it; return whether there was one. `connection` is in autocommit.

    A failure is noted with the run and not raised, except that of the connection itself.
    """
    with connection.cursor(row_factory=class_row(_Run)) as cursor:
        run = cursor.execute(
            "select r.id, r.job, r.attempts, r.parameters, j.runner, j.target, j.timeout_seconds "
            "from ops.job_claim(%s) as r join ops.job as j on j.name = r.job",
            [worker],
        ).fetchone()
    if run is None:
        return False
    try:
        if run.runner == "SQL":
            _run_sql(connection, run)
        else:
            _run_python(connection, settings, run)
    except Exception as error:
        if connection.broken or connection.closed:
            raise
        said = _said(error)
        row = connection.execute("select ops.job_failed(%s, %s::smallint, %s)", [run.id, run.attempts, said]).fetchone()
        fate = {"DEAD": "dead", "WAITING": "failed, will be tried again"}.get(row[0] if row else "", "taken over")
        _log.warning("%s %s attempt %d %s: %s", run.job, run.id, run.attempts, fate, said)
    else:
        _log.info("%s %s done", run.job, run.id)
    connection.execute("select pg_advisory_unlock_all()")
    return True


def _run_sql(connection: psycopg.Connection[Any], run: _Run) -> None:
    """Call the function and note the success in one transaction: a death in between undoes both."""
    schema, function = run.target.split(".")
    found = connection.execute(
        "select bool_or(p.pronargs = p.pronargdefaults) from pg_catalog.pg_proc as p "
        "join pg_catalog.pg_namespace as n on n.oid = p.pronamespace where n.nspname = %s and p.proname = %s "
        "and (p.pronargs = p.pronargdefaults or (p.pronargs = 1 and p.proargtypes[0] = 'jsonb'::regtype))",
        [schema, function],
    ).fetchone()
    if found is None or found[0] is None:
        raise ValueError(f"there is no function {run.target} that needs no argument or takes one jsonb")
    takes_parameters = not found[0]
    with connection.transaction():
        connection.execute("select set_config('statement_timeout', %s, true)", [f"{run.timeout_seconds}s"])
        call = sql.SQL("select * from {}({})").format(
            sql.Identifier(schema, function), sql.SQL("%s") if takes_parameters else sql.SQL("")
        )
        rows = connection.execute(call, [Jsonb(run.parameters)] if takes_parameters else []).fetchmany(_ROWS_KEPT)
        _done(connection, run, [row[0] if len(row) == 1 else list(row) for row in rows])


def _run_python(connection: psycopg.Connection[Any], settings: Settings, run: _Run) -> None:
    module = importlib.import_module(f"erpgres.jobs.tasks.{run.target}")
    _done(connection, run, module.run(Task(run.id, run.attempts, run.parameters, connection, settings)))


def _done(connection: psycopg.Connection[Any], run: _Run, result: Any) -> None:
    if isinstance(result, list) and len(result) == 1:
        result = result[0]
    kept = Jsonb(result, dumps=lambda value: json.dumps(value, default=str))
    connection.execute("select ops.job_done(%s, %s::smallint, %s)", [run.id, run.attempts, kept])


def _said(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
