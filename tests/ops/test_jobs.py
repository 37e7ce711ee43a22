"""Jobs: planned once, run once, tried again, taken over from a worker that died."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from conftest import called, conninfo, erpgres
from erpgres.jobs import runs, worker
from erpgres.jobs.schedule import next_moment
from erpgres.jobs.settings import Settings
from erpgres.settings import ROOT
from erpgres.stack.state import State

Connection = psycopg.Connection[Any]


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.02)
    return found


@pytest.fixture
def boss(clone: str) -> Iterator[Connection]:
    """The superuser of a database of the test's own, which the worker of the stack does not serve, and a job for it."""
    with psycopg.connect(clone, autocommit=True) as connection:
        connection.execute(
            """
            create table ops.trace (id uuid default uuidv7(), run text);
            create table ops.obstacle (kind text);
            create function ops.leave_trace(parameters jsonb) returns bigint language plpgsql security definer as $$
            begin
              insert into ops.trace (run) values (parameters ->> 'run');
              if exists (select from ops.obstacle where kind = 'sleep') then perform pg_sleep(60); end if;
              if exists (select from ops.obstacle where kind = 'error') then raise exception 'it did not work'; end if;
              return (select count(*) from ops.trace);
            end $$;
            grant execute on function ops.leave_trace(jsonb) to worker;
            insert into ops.job (name, runner, target, timeout_seconds, max_attempts, retry_seconds, description)
            values ('ops.leave_trace', 'SQL', 'ops.leave_trace', 30, 2, 60, 'For the test');
            """
        )
        yield connection


@pytest.fixture
def dsn(stack: State, boss: Connection) -> str:
    """Conninfo of the worker in that database."""
    return conninfo(stack.dsn("worker"), dbname=boss.info.dbname)


@contextmanager
def work(stack: State, dsn: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ERPGRES_SMTP_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "erpgres", "jobs", "work", "--state", str(stack.path), "--database-url", dsn],
        env={**clean, "PYTHONPATH": str(ROOT / "tools"), **environment},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def enqueue(boss: Connection, run: str = "", job: str = "ops.leave_trace") -> Any:
    row = boss.execute("select ops.job_enqueue(%s, %s::jsonb)", [job, json.dumps({"run": run})]).fetchone()
    assert row is not None
    return row[0]


def look(boss: Connection, run: Any, *columns: str) -> Any:
    query = psycopg.sql.SQL("select {} from ops.job_run where id = %s")
    row = boss.execute(query.format(psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, columns))), [run]).fetchone()
    assert row is not None
    return row if len(columns) > 1 else row[0]


def count(boss: Connection, what: str = "ops.trace") -> int:
    row = boss.execute(f"select count(*) from {what}").fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "due"),
    [
        ("17 1 * * *", "UTC", "2026-11-22T01:17:00+00:00", "2026-11-23T01:17:00+00:00"),
        ("*/15 * * * *", "UTC", "2026-11-22T23:46:00+00:00", "2026-11-23T00:00:00+00:00"),
        ("0 2 * * *", "Asia/Dhaka", "2026-11-22T19:00:00+00:00", "2026-11-22T20:00:00+00:00"),
        # the clock skips from two to three, and shows two o'clock twice
        ("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00+00:00", "2027-03-28T01:00:00+00:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:31:00+00:00", "2026-10-26T01:30:00+00:00"),
        ("0 0 1 1 *", "UTC", "2026-01-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
    ],
)
def test_when_a_schedule_comes(schedule: str, zone: str, after: str, due: str) -> None:
    assert next_moment(schedule, zone, datetime.fromisoformat(after)) == datetime.fromisoformat(due)


@pytest.mark.parametrize(
    ("schedule", "zone"), [("61 * * * *", "UTC"), ("0 0 30 2 *", "UTC"), ("0 0 * * *", "Mars/Sea")]
)
def test_what_is_no_schedule_is_refused(schedule: str, zone: str) -> None:
    with pytest.raises(ValueError, match=r"schedule|time zone"):
        next_moment(schedule, zone, datetime(2026, 1, 1, tzinfo=UTC))


def test_every_job_can_be_run(boss: Connection, dsn: str) -> None:
    jobs = boss.execute("select name, runner, target, schedule, time_zone from ops.job").fetchall()
    names = {name for name, *_ in jobs}
    assert {"ops.ensure_partitions", "core.purge_sign_in", "events.purge_delivered", "core.purge_imports"} <= names
    for _, runner, target, schedule, zone in jobs:
        if runner == "PYTHON":
            assert callable(importlib.import_module(f"erpgres.jobs.tasks.{target}").run)
        if schedule:
            assert next_moment(schedule, zone, datetime.now(UTC)) > datetime.now(UTC)
    made = [enqueue(boss, job=name) for name, runner, *_ in jobs if runner == "SQL"]
    worker.once(dsn, Settings())
    assert [look(boss, run, "state", "error") for run in made] == [("DONE", None)] * len(made)


def test_a_missed_run_is_made_up_once(boss: Connection, dsn: str) -> None:
    boss.execute("update ops.job set schedule = '*/5 * * * *' where name = 'ops.leave_trace'")
    with worker.connect(dsn) as first:
        assert runs.plan(first) == 0  # the schedule is new: it begins now
    missed = "update ops.job set next_due_at = now() - interval '3 hours' where name = 'ops.leave_trace'"
    boss.execute(missed)

    def plan(_: int) -> int:
        with worker.connect(dsn) as connection:
            return runs.plan(connection)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(plan, range(8))) == 1
    row = boss.execute(
        "select count(*), bool_and(due_at < now() - interval '2 hours'), "
        "(select next_due_at - now() between '0' and interval '5 minutes' from ops.job where name = 'ops.leave_trace') "
        "from ops.job_run where job = 'ops.leave_trace' and is_scheduled"
    ).fetchone()
    assert row == (1, True, True)
    # The same moment again, as after a restored backup of ops.job, makes no second run.
    boss.execute("update ops.job as j set next_due_at = r.due_at from ops.job_run as r where r.job = j.name")
    assert plan(0) == 0
    boss.execute("update ops.job set is_paused = true where name = 'ops.leave_trace'")
    boss.execute(missed)
    assert plan(0) == 0


def test_many_workers_never_run_anything_twice(boss: Connection, dsn: str) -> None:
    wanted = {str(number) for number in range(120)}
    for number in wanted:
        enqueue(boss, number)

    def drain(name: int) -> int:
        done = 0
        with worker.connect(dsn) as connection:
            while runs.run_next(connection, Settings(), str(name)):
                done += 1
        return done

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(drain, range(6)))
    assert sum(done) == len(wanted)
    assert sum(1 for each in done if each) > 1  # they did work at the same time
    assert sorted(run for (run,) in boss.execute("select run from ops.trace")) == sorted(wanted)
    assert count(boss, "ops.job_run where state = 'DONE' and attempts = 1") == len(wanted)


def test_a_worker_killed_in_the_middle_leaves_nothing_done_and_nothing_lost(
    stack: State, boss: Connection, dsn: str
) -> None:
    boss.execute("insert into ops.obstacle values ('sleep')")
    run = enqueue(boss)
    with work(stack, dsn) as process:
        until(lambda: look(boss, run, "state") == "RUNNING")
        until(lambda: count(boss, "pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"))
        process.send_signal(signal.SIGKILL)
        process.wait()
    boss.execute("truncate ops.obstacle")
    assert (look(boss, run, "state"), count(boss)) == ("RUNNING", 0)
    with worker.connect(dsn) as connection:  # long before the lease ends
        until(lambda: runs.run_next(connection, Settings(), "second"), 10)
    assert look(boss, run, "state", "attempts", "worker") == ("DONE", 2, "second")
    assert count(boss) == 1


def test_who_holds_a_run_beyond_its_lease_is_cut_off(boss: Connection, dsn: str) -> None:
    run = enqueue(boss)
    with worker.connect(dsn) as stuck, worker.connect(dsn) as other:
        assert stuck.execute("select id from ops.job_claim('stuck')").fetchall() == [(run,)]
        assert other.execute("select id from ops.job_claim('other')").fetchall() == []
        boss.execute("update ops.job_run set leased_until = now() - interval '1 second' where id = %s", [run])
        assert until(lambda: other.execute("select id, attempts from ops.job_claim('other')").fetchall()) == [(run, 2)]
        with pytest.raises(psycopg.OperationalError):
            stuck.execute("select ops.job_done(%s, 1::smallint)", [run])
        with pytest.raises(psycopg.errors.RaiseException):  # nor can the first attempt be noted from elsewhere
            other.execute("select ops.job_done(%s, 1::smallint)", [run])
        other.execute("select ops.job_done(%s, 2::smallint)", [run])
    assert look(boss, run, "state", "worker") == ("DONE", "other")


def test_a_failure_is_tried_again_and_then_kept(stack: State, boss: Connection, dsn: str) -> None:
    boss.execute("insert into ops.obstacle values ('error')")
    run = enqueue(boss)
    assert worker.once(dsn, Settings()) == 1
    assert look(boss, run, "state", "attempts", "error") == ("WAITING", 1, "RaiseException: it did not work\n"
        "CONTEXT:  PL/pgSQL function ops.leave_trace(jsonb) line 5 at RAISE")  # fmt: skip
    row = boss.execute("select extract(epoch from run_after - now()) from ops.job_run where id = %s", [run]).fetchone()
    assert row is not None and 50 < row[0] < 67
    assert worker.once(dsn, Settings()) == 0
    boss.execute("update ops.job_run set run_after = now() where id = %s", [run])
    worker.once(dsn, Settings())
    assert look(boss, run, "state", "attempts") == ("DEAD", 2)
    assert count(boss) == 0
    assert boss.execute("select dead, last_state from ops.job_status() where job = 'ops.leave_trace'").fetchall() == [
        (1, "DEAD")
    ]
    boss.execute("truncate ops.obstacle")
    with psycopg.connect(conninfo(stack.dsn("migrator"), dbname=boss.info.dbname)) as migrator:
        assert migrator.execute("select ops.job_retry(%s)", [run]).fetchone() == (True,)
        assert migrator.execute("select ops.job_retry(%s)", [run]).fetchone() == (False,)
    worker.once(dsn, Settings())
    assert look(boss, run, "state", "attempts", "result", "error") == ("DONE", 1, 1, None)


def test_a_job_that_takes_too_long_is_stopped(boss: Connection, dsn: str) -> None:
    boss.execute("insert into ops.obstacle values ('sleep')")
    boss.execute("update ops.job set timeout_seconds = 1, max_attempts = 1 where name = 'ops.leave_trace'")
    run = enqueue(boss)
    worker.once(dsn, Settings())
    state, error = look(boss, run, "state", "error")
    assert (state, count(boss)) == ("DEAD", 0)
    assert "timeout" in error


def test_a_python_job_says_what_it_lacks(boss: Connection, dsn: str) -> None:
    run = enqueue(boss, job="core.test_message")
    worker.once(dsn, Settings())
    assert look(boss, run, "state", "error") == ("WAITING", 'ValueError: the parameter "to" must be an address')


def test_who_may_see_and_do_what(stack: State, db: Connection) -> None:
    with psycopg.connect(stack.dsn("monitor"), autocommit=True) as monitor:
        assert monitor.execute("select count(*) > 3 from ops.job_status()").fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            monitor.execute("select * from ops.job_run")
    for role in ("anon", "partner", "member", "superadmin"):
        for query in ("select * from ops.job", "select * from ops.job_run", "select ops.job_enqueue('x')",
                      "select * from ops.job_claim('x')", "select * from core.message_claim()"):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege), db.transaction():
                db.execute(f"set local role {role}")  # type: ignore[arg-type]
                db.execute(query)  # type: ignore[arg-type]


def test_the_worker_of_the_stack_and_the_command(stack: State) -> None:
    where = ("--state", str(stack.path), "--format", "json")
    done = erpgres("jobs", "run", "ops.ensure_partitions", "--wait", *where)
    assert (done.returncode, json.loads(done.stdout)[0]["state"]) == (0, "DONE"), done.stderr
    done = called("jobs", "list", *where)
    listed = {job["job"]: job for job in json.loads(done.stdout)}
    assert listed["ops.ensure_partitions"]["last_seconds"] > 0, done.stderr
    done = called("jobs", "runs", "ops.ensure_partitions", *where)
    assert json.loads(done.stdout)[0]["state"] == "DONE"
    done = called("jobs", "run", "no.such_job", "--state", str(stack.path))
    assert (done.returncode, "there is no job no.such_job" in done.stderr) == (1, True)
    done = called("jobs", "retry", "00000000-0000-7000-8000-000000000000", "--state", str(stack.path))
    assert (done.returncode, "there is no dead run" in done.stderr) == (1, True)


def test_a_schedule_can_rest(stack: State, db: Connection) -> None:
    query = "select is_paused, planned_for is null from ops.job where name = 'ops.purge_job_runs'"
    where = ("ops.purge_job_runs", "--state", str(stack.path))
    assert called("jobs", "pause", *where).returncode == 0
    assert db.execute(query).fetchone() == (True, True)
    assert called("jobs", "resume", *where).returncode == 0
    until(lambda: db.execute(query).fetchone() == (False, False))  # the worker of the stack has planned it anew
