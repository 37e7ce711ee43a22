"""Back-fills: batches that go on where they were, give way, are paused, and are complete before what needs them."""

from __future__ import annotations

import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from conftest import conninfo
from erpgres.cli import main
from erpgres.errors import CannotRun, Refused
from erpgres.jobs import service, worker
from erpgres.jobs.settings import Settings
from erpgres.jobs.task import Task
from erpgres.jobs.tasks import backfill as job
from erpgres.migrate import backfill, bookkeeping, runner
from erpgres.migrate.session import Session

from .conftest import Original, Tree

PARTITIONED = pytest.mark.parametrize("applied", ["partitions"], indirect=True)
QUICK = backfill.Throttle(share=1.0, batch_seconds=0.001, transactions=1000)
ORDER = """
alter table core.thing add column twice int;
insert into ops.backfill (name, table_name, statement, remaining)
values (
  'thing_twice',
  'core.thing',
  'update core.thing as t set twice = amount * 2 where {batch} and t.twice is null',
  'select from core.thing as t where t.twice is null'
);
"""


@pytest.fixture(scope="module", params=["one table", "partitions"])
def applied(request: pytest.FixtureRequest, original: Callable[[Callable[[Tree], None]], Original]) -> Original:
    return original(lambda tree: fill(tree, partitioned=request.param == "partitions"))


@pytest.fixture
def things(applied: Original) -> Tree:
    """3000 rows of three organisations behind forced row level security, and a back-fill that is ordered."""
    return applied.copy()


def fill(tree: Tree, *, partitioned: bool) -> None:
    tree.migration(
        1,
        "core_thing",
        f"""
        create schema core;
        create table core.thing (org int, id int, amount int not null, constraint thing_pkey primary key (org, id))
        {"partition by range (id)" if partitioned else ""};
        {"create table core.thing_1 partition of core.thing for values from (0) to (500);" if partitioned else ""}
        {"create table core.thing_2 partition of core.thing for values from (500) to (5000);" if partitioned else ""}
        insert into core.thing select o, i, i from generate_series(1, 3) o, generate_series(1, 1000) i;
        """,
    )
    tree.write(
        "policies/core/thing.sql",
        """
        grant select, insert, update, delete on core.thing to migrator;
        create policy owner_all on core.thing for all to owner using (org = 2) with check (org = 2);
        create policy migrator_all on core.thing for all to migrator using (true) with check (true);
        """,
    )
    tree.write("policies/core/_schema.sql", "grant usage on schema core to migrator;\n")
    tree.migrate()
    tree.migration(2, "core_expand", ORDER)


@pytest.fixture
def session(things: Tree) -> Iterator[Session]:
    with Session(things.dsn) as session:
        runner.settle(session)
        yield session


def row(session: Session) -> backfill.Backfill:
    with session.transaction(), bookkeeping.as_owner(session):
        return backfill.get(session, "thing_twice")


def test_it_is_cut_off_and_goes_on(things: Tree) -> None:
    """Killed after each of its batches: every row is written once."""
    things.execute("alter table core.thing add column times int not null default 0")
    things.execute(
        "update ops.backfill set statement = 'update core.thing as t set twice = amount * 2, times = times + 1"
        " where {batch}'"
    )
    kills = 0
    while True:
        child = os.fork()
        if child == 0:
            try:
                with Session(things.dsn) as session:
                    runner.settle(session)
                    worker = backfill._Worker(session, "thing_twice", QUICK, lambda _: None)
                    worker.size = 500
                    for _ in range(2):
                        worker._batch()
                    if worker.row.rows_done < 3000:
                        os.kill(os.getpid(), signal.SIGKILL)
                    os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0
            break
        kills += 1
        assert kills < 10
    assert kills == 2
    assert things.rows("select distinct twice = amount * 2, times from core.thing") == [(True, 1)]


def test_progress_pause_resume_and_cancel(things: Tree, session: Session) -> None:
    worker = backfill._Worker(session, "thing_twice", QUICK, lambda _: None)
    worker.size = 400
    assert worker._batch() and worker._batch()
    assert (worker.row.rows_done, worker.row.batches, worker.row.state) == (800, 2, "PENDING")
    with Session(things.dsn) as operator, operator.transaction(), bookkeeping.as_owner(operator):
        backfill.set_state(operator, "thing_twice", backfill.PAUSED)
    assert worker.work().state == "PAUSED"
    assert row(session).rows_done == 800
    with pytest.raises(Refused, match="needs the back-fill thing_twice, which is PAUSED"):
        backfill.require(session, ["thing_twice"], QUICK, print)
    with session.transaction(), bookkeeping.as_owner(session):
        backfill.set_state(session, "thing_twice", backfill.PENDING)
    done = backfill.run(session, "thing_twice", QUICK, lambda _: None)
    assert (done.state, done.rows_done, done.percent) == ("DONE", 3000, 100)
    assert things.rows("select distinct twice = amount * 2 from core.thing") == [(True,)]
    with session.transaction(), bookkeeping.as_owner(session), pytest.raises(Refused, match="is DONE"):
        backfill.set_state(session, "thing_twice", backfill.CANCELLED)
    with session.transaction(), bookkeeping.as_owner(session):
        backfill.again(session, "thing_twice")
    assert row(session).state == "PENDING"


def hold(connection: psycopg.Connection[Any]) -> None:
    """Be the session that works on it."""
    connection.execute("select pg_advisory_lock(%s, hashtext('thing_twice'))", [backfill.KEY & 0x7FFFFFFF])


@PARTITIONED
def test_one_session_works_on_it_and_others_watch(things: Tree, session: Session) -> None:
    with psycopg.connect(things.dsn, autocommit=True) as other:
        hold(other)
        with pytest.raises(backfill.Busy, match="another session works"):
            backfill.run(session, "thing_twice", QUICK, print)
        assert row(session).at_work

        told: list[str] = []

        def progress(line: str) -> None:
            told.append(line)
            other.execute("select pg_advisory_unlock_all()")

        assert backfill.run(session, "thing_twice", QUICK, progress, wait=30).state == "DONE"
        assert told[0] == "back-fill thing_twice: 0 rows, about 0 %, by another session"
        assert not row(session).at_work
        hold(other)  # who waits while it comes to its end has nothing to do
        assert backfill.run(session, "thing_twice", QUICK, print, wait=30).rows_done == 3000


def task(things: Tree, *, attempt: int = 1, **parameters: Any) -> Any:
    """What a run of the job returns."""
    with psycopg.connect(things.admin_dsn, autocommit=True) as connection:
        settings = Settings(migrator=things.dsn, backfill_share=1.0)
        return job.run(Task(uuid.uuid4(), attempt, parameters, connection, settings))


@PARTITIONED
def test_the_worker_goes_on_where_somebody_was(things: Tree, session: Session) -> None:
    """A slice of time ends after a batch; the next goes on, and no row is written twice."""
    things.execute("alter table core.thing add column times int not null default 0")
    things.execute(
        "update ops.backfill set statement = 'update core.thing as t set twice = amount * 2, times = times + 1"
        " where {batch}'"
    )
    first = backfill._Worker(session, "thing_twice", QUICK, lambda _: setattr(first, "until", 0.0))
    first.size = 400
    done = first.work()
    assert (done.state, done.rows_done) == ("PENDING", 400)
    with psycopg.connect(things.dsn, autocommit=True) as other:
        hold(other)
        assert task(things) == {"thing_twice": "another session works on it"}
    assert task(things, name="another_one") == {}
    assert task(things) == {"thing_twice": "done, 3000 rows, 100 %"}
    assert things.rows("select distinct twice = amount * 2, times from core.thing") == [(True, 1)]
    assert task(things) == {}


@PARTITIONED
def test_a_worker_without_the_login_leaves_it(things: Tree) -> None:
    with psycopg.connect(things.admin_dsn, autocommit=True) as connection:
        for settings in (Settings(), Settings(migrator=things.dsn, backfill_share=0.0)):
            found = job.run(Task(uuid.uuid4(), 1, {}, connection, settings))
            assert found == {"left": "this worker does no back-fills"}
    assert things.value("select rows_done from ops.backfill") == 0


@PARTITIONED
def test_one_that_failed_waits_for_somebody(things: Tree, session: Session) -> None:
    """The run that saw it fail tries it again, as runs do; the runs of the next minutes leave it alone."""
    things.execute("alter table core.thing add constraint small check (twice < 1000)")
    with pytest.raises(Refused, match=r'violates check constraint "small"'):
        task(things)
    assert task(things) == {"thing_twice": "failed before: erpgres migrate backfill resume lets it go on"}
    for again in ({"attempt": 2}, {"name": "thing_twice"}):
        with pytest.raises(Refused, match=r'violates check constraint "small"'):
            task(things, **again)  # type: ignore[arg-type]
    things.execute("alter table core.thing drop constraint small")
    with session.transaction(), bookkeeping.as_owner(session):
        backfill.set_state(session, "thing_twice", backfill.PENDING)
    assert row(session).error is None
    assert task(things) == {"thing_twice": "done, 3000 rows, 100 %"}


def test_what_the_worker_is_told(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack's worker has the login of migrator, one of another database only if it is given one."""
    assert service._told(stack, None, None).migrator == stack.dsn("migrator")
    assert service._told(stack, "host=elsewhere", None).migrator is None
    assert service._told(stack, "host=elsewhere", "host=elsewhere user=migrator").migrator is not None
    monkeypatch.setenv("ERPGRES_BACKFILL_SHARE", "0")
    assert service._told(stack, None, None).migrator is None
    monkeypatch.setenv("ERPGRES_BACKFILL_SHARE", "2")
    with pytest.raises(CannotRun, match="ERPGRES_BACKFILL_SHARE is '2'"):
        service._told(stack, None, None)


def test_it_is_complete_before_what_needs_it(things: Tree) -> None:
    path = things.migration(
        3,
        "core_NONTRANSACTIONAL_contract",
        "alter table core.thing add constraint twice_not_null not null twice not valid;\n"
        "alter table core.thing validate constraint twice_not_null;",
    )
    path.write_text(path.read_text().replace("-- breaking", "-- backfill: thing_twice\n-- breaking"))
    told: list[str] = []
    things.migrate(progress=told.append, throttle=QUICK)
    assert things.value("select count(*) from core.thing where twice = amount * 2") == 3000
    assert things.value("select state from ops.backfill") == "DONE"
    assert any(line == "back-fill thing_twice: done, 3000 rows" for line in told)
    path = things.migration(4, "core_more", "alter table core.thing add column more int;")
    path.write_text(path.read_text().replace("-- breaking", "-- backfill: nothing_like_it\n-- breaking"))
    with pytest.raises(Refused, match="there is no back-fill nothing_like_it"):
        things.migrate()


def test_rows_that_come_behind_it_are_found(things: Tree, session: Session) -> None:
    """Without a trigger old code goes on to write rows in the old form: what needs the back-fill is refused."""
    assert backfill.run(session, "thing_twice", QUICK, lambda _: None).state == "DONE"
    things.execute("insert into core.thing (org, id, amount) values (1, 4000, 5)")
    with pytest.raises(Refused, match="rows came after the back-fill"):
        backfill.require(session, ["thing_twice"], QUICK, print)
    things.execute("update ops.backfill set state = 'PENDING', finished_at = null, statement ="
                   " 'update core.thing as t set twice = null where {batch}'")  # fmt: skip
    with pytest.raises(Refused, match="rows remain after all rows were gone through twice"):
        backfill.run(session, "thing_twice", QUICK, lambda _: None)
    assert "rows remain" in str(row(session).error)


def test_a_failing_batch_is_told_and_repaired(things: Tree, session: Session) -> None:
    things.execute("alter table core.thing add constraint small check (twice < 1000)")
    with pytest.raises(Refused, match=r'violates check constraint "small"'):
        backfill.run(session, "thing_twice", QUICK, lambda _: None)
    assert "small" in str(row(session).error)
    things.execute("alter table core.thing drop constraint small")
    assert backfill.run(session, "thing_twice", QUICK, lambda _: None).error is None


def test_it_gives_way_to_load(things: Tree, session: Session) -> None:
    told = threading.Event()
    with psycopg.connect(things.admin_dsn) as busy:
        busy.execute("select 1")
        assert backfill.overload(session, backfill.Throttle(transactions=0)) is not None
        assert backfill.overload(session, backfill.Throttle(transactions=50)) is None

        def progress(line: str) -> None:
            if "waits: 1 transactions are open" in line:
                told.set()
                busy.rollback()

        throttle = backfill.Throttle(share=1.0, transactions=0, pause=0.01)
        assert backfill.run(session, "thing_twice", throttle, progress).state == "DONE"
    assert told.is_set()


def test_a_locked_row_makes_it_wait_not_fail(things: Tree, session: Session) -> None:
    with psycopg.connect(things.admin_dsn) as other:
        other.execute("select from core.thing where org = 1 and id = 1 for update")

        def progress(line: str) -> None:
            if "a row is locked" in line:
                other.rollback()

        assert backfill.run(session, "thing_twice", QUICK, progress).state == "DONE"


def test_the_command(things: Tree, tmp_path: Path) -> None:
    def call(*words: str) -> Any:
        environment = {"ERPGRES_DATABASE_URL": things.dsn, "ERPGRES_STATE": str(tmp_path / "state")}
        return CliRunner().invoke(main, ["migrate", "backfill", *words], env=environment)

    assert call("status").stdout == "thing_twice: pending, 0 rows, 0 %\n"
    assert call("pause", "thing_twice").stdout == "thing_twice: paused\n"
    assert call().stdout == "nothing to do\n"
    assert call("resume", "thing_twice").exit_code == 0
    done = call("--share", "1")
    assert done.exit_code == 0, done.output
    assert '"state": "DONE"' in call("status", "--format", "json").stdout
    assert call("pause", "nothing").stderr.startswith(
        "error: there is no back-fill nothing\nhint: there is: thing_twice"
    )


def test_the_workers_back_fill_is_no_event_and_no_new_version(clone: str, stack: Any) -> None:
    """On the real tables, by the role that may not write them: neither version nor updated_at nor the trail change."""
    database = psycopg.conninfo.conninfo_to_dict(clone)["dbname"]
    dsn = stack.dsn("migrator", database)
    with psycopg.connect(clone, autocommit=True) as admin:
        org = admin.execute("select core.create_organization('BF', 'Back-fill', 'BD', 'USD')").fetchone()
        assert org is not None
        with psycopg.connect(dsn) as plain:
            plain.execute(
                "insert into core.partner (org_id, code, name, country_code, currency)"
                " select %s, 'P' || i, 'Partner', 'BD', 'USD' from generate_series(1, 30) i",
                [org[0]],
            )
        before = admin.execute("select id, version, updated_at from core.partner order by id").fetchall()
        events = admin.execute("select count(*) from events.event").fetchone()
        admin.execute(
            "insert into ops.backfill (name, table_name, statement) values ('partner_note', 'core.partner',"
            " 'update core.partner as t set note = lower(t.code) where {batch}')"
        )
        run = admin.execute("select ops.job_enqueue('ops.backfill', '{}')").fetchone()
        login = conninfo(stack.dsn("worker"), dbname=database)
        worker.once(login, Settings(migrator=dsn, backfill_share=1.0))
        result = "select state, result, error from ops.job_run where id = %s"
        assert admin.execute(result, run).fetchone() == ("DONE", {"partner_note": "done, 30 rows, 100 %"}, None)
        assert admin.execute("select id, version, updated_at from core.partner order by id").fetchall() == before
        assert admin.execute("select count(*) from events.event").fetchone() == events
        assert admin.execute("select count(*) from core.partner where note = lower(code)").fetchone() == (30,)
        with psycopg.connect(dsn) as plain:
            plain.execute("update core.partner set note = null where code = 'P1'")
        assert admin.execute("select version from core.partner where code = 'P1'").fetchone() == (2,)
