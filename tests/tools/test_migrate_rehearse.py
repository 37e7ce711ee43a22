"""`erpgres migrate rehearse`: a copy under load is migrated, and what clients had to bear is held against a budget."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from conftest import free_port
from erpgres.data import seed
from erpgres.errors import Refused
from erpgres.migrate import backfill, cluster, files, rehearse, runner, throwaway
from erpgres.migrate.rehearse import Budget, Rehearsal, Rehearse, Replica, Waited
from erpgres.migrate.session import Session
from erpgres.settings import ROOT
from erpgres.stack import certificate, postgres
from erpgres.stack.state import State

from .conftest import HEADER, Tree

LOG = """\
{"method": "GET", "path": "/api/partners", "status": 200}
{"method": "GET", "path": "/api/partners", "status": 200}
{"method": "GET", "path": "/api/items", "status": 200}
{"method": "GET", "path": "/api/items", "status": 403}
{"method": "POST", "path": "/api/rpc/sign_in", "status": 200}
{"method": "GET", "path": "/health", "status": 200}
not a line of a log
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[str], Path]:
    """A checkout with one migration more than this one: `checkout(statements)`."""

    def make(statements: str) -> Path:
        root = tmp_path / "tree"
        for folder in ("migrations", "functions", "policies", "sql"):
            shutil.copytree(ROOT / folder, root / folder)
        version = files.read_migrations(root)[-1].version + 1
        path = root / "migrations" / f"V{version:04}__core_rehearsed.sql"
        # Ahead: the lock is held as long as its statements take, however long the rest takes on a busy machine.
        path.write_text(HEADER.format(domain="core") + "-- apply: ahead\n" + statements)
        return root

    return make


def test_a_log_becomes_a_plan_of_its_reading_requests(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(LOG)
    plan = rehearse.recorded(log, tmp_path / "plan.toml").read_text()
    assert plan == (
        '[[endpoint]]\nname = "items"\nweight = 1\npath = "items?limit=20"\n\n'
        '[[endpoint]]\nname = "partners"\nweight = 2\npath = "partners?limit=20"\n'
    )
    log.write_text("nothing\n")
    with pytest.raises(Refused, match="no reading request"):
        rehearse.recorded(log, tmp_path / "plan.toml")


def test_a_budget_names_what_breaks_it() -> None:
    found = Rehearsal("a copy", failed=2, replica=Replica(lag_seconds=3.0))
    found.endpoints = [Waited("items", 10, 0, 5.0, 499.0), Waited("partners", 10, 2, 5.0, 501.0)]
    assert rehearse.broken(found, Budget(500.0, 2, 3.0)) == ["partners waited 501 ms, 500 ms are allowed"]
    assert rehearse.broken(found, Budget(None, 1, 2.9)) == [
        "2 requests failed, 1 are allowed", "the standby lagged 3.0 s, 2.9 s are allowed",
    ]  # fmt: skip
    assert rehearse.broken(found, Budget(None, None, None)) == []
    assert "| partners | 10 | 2 | 5 ms | 501 ms |" in rehearse.markdown(found)
    assert "within the budget" in rehearse.text(found)
    found.broken = ["too slow"]
    assert "over the budget: too slow" in rehearse.text(found) and "- **too slow**" in rehearse.markdown(found)


def test_one_source_is_named() -> None:
    with pytest.raises(Refused, match="name one source"):
        Rehearse()()
    with pytest.raises(Refused, match="name one source"):
        Rehearse(scale=0.01, dump=Path("x"))()


def test_a_directory_that_is_no_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no base backup"):
        Rehearse(backup=tmp_path)()


def test_a_scaled_copy_is_migrated_under_load(stack: State, checkout: Callable[[str], Path], tmp_path: Path) -> None:
    """A lock that is held for a second is seen by the clients of its table, and breaks the budget."""
    root = checkout("alter table core.partner add column nickname text;\nselect pg_sleep(1);\n")
    log = tmp_path / "access.log"
    log.write_text(LOG)
    run = Rehearse(
        scale=0, live=stack.dsn("postgres", stack.database), root=root, rate=40, connections=6, seconds=0.3, log=log
    )
    found = run()
    assert found.applied[-1].endswith("__core_rehearsed.sql")
    assert found.failed == 0 and found.requests > 20
    waited = {endpoint.name: endpoint for endpoint in found.endpoints}
    assert waited["partners"].during_ms >= 900
    assert found.broken and any("partners waited" in line for line in found.broken)
    assert found.seconds >= 1


@contextmanager
def cluster_of_its_own(path: Path) -> Iterator[State]:
    """A PostgreSQL without an API, with the roles and an empty database."""
    own = State(path)
    own.port = free_port()
    own.prepare()
    certificate.ensure(own)
    postgres.prepare(own)
    with throwaway.server(own):
        cluster.apply(own.dsn("postgres"), own.secret, own.database)
        yield own


@pytest.mark.drill
def test_drill_a_back_fill_gives_way_to_a_standby_that_lags(place: Path, tmp_path: Path) -> None:
    """The standby stops replaying; the back-fill waits until it has caught up. Nobody but us tells it to."""
    with cluster_of_its_own(place / "primary") as own, closing(throwaway.Standby(own, lambda _: None)) as standby:
        tree = Tree(tmp_path, own.dsn("migrator"), own.dsn("postgres", own.database))
        text = "create schema core;\ncreate table core.thing (id int constraint thing_pkey primary key, twice int);\n"
        text += "insert into core.thing select generate_series(1, 50000);\n"
        text += "insert into ops.backfill (name, table_name, statement) values ('thing_twice', 'core.thing',"
        tree.migration(1, "core_thing", text + " 'update core.thing as t set twice = id * 2 where {batch}');")
        tree.write("policies/core/_schema.sql", "grant usage on schema core to migrator;\n")
        tree.write("policies/core/thing.sql", "grant select, update on core.thing to migrator;\n")
        tree.migrate()
        with (
            psycopg.connect(standby.dsn, autocommit=True) as replica,
            psycopg.connect(tree.admin_dsn, autocommit=True) as primary,
            Session(tree.dsn) as session,
        ):
            throttle = backfill.Throttle(share=1.0, lag_bytes=2**20, pause=0.05, transactions=100)
            until(lambda: backfill.overload(session, throttle) is None)  # it has caught up
            replica.execute("select pg_wal_replay_pause()")
            primary.execute("create table core.much as select generate_series(1, 50000) as id")
            until(lambda: "MB behind" in (backfill.overload(session, throttle) or ""))
            until(lambda: standby.lag(primary)[0] > 2**20)
            told: list[str] = []

            def progress(line: str) -> None:
                told.append(line)
                if " waits: " in line:
                    replica.execute("select pg_wal_replay_resume()")

            assert backfill.run(session, "thing_twice", throttle, progress).state == "DONE"
            assert "MB behind" in told[0]
            until(lambda: standby.lag(primary)[0] < 2**20)
            assert standby.conflicts() == 0


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.02)


@pytest.mark.drill
def test_drill_a_backup_with_a_standby(checkout: Callable[[str], Path], place: Path) -> None:
    """A base backup of a running server is restored, and a standby streams from the copy while it is migrated."""
    with cluster_of_its_own(place / "source") as own:
        backup = own.path / "backup"
        backup.mkdir(mode=0o700)
        own.give(backup)
        runner.migrate(own.dsn("migrator"))
        seed.seed(own.dsn("migrator"))
        made = postgres.as_service(
            own,
            [
                str(own.bindir / "pg_basebackup"), f"--pgdata={backup}", "--checkpoint=fast",
                f"--dbname={own.dsn('postgres')}",
            ],
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        dump = place / "live.dump"
        throwaway._run(
            [
                str(own.bindir / "pg_dump"), "--format=custom", f"--file={dump}",
                f"--dbname={own.dsn('postgres', own.database)}",
            ]
        )  # fmt: skip
    root = checkout("alter table core.partner add column nickname text;\n")
    log = place / "access.log"
    log.write_text(LOG)
    budget = Budget(None, 0, None)
    found = Rehearse(backup=backup, root=root, rate=20, seconds=2, log=log, with_replica=True, budget=budget)()
    assert found.broken == [] and found.applied[-1].endswith("__core_rehearsed.sql")
    assert found.replica is not None and found.replica.queries > 0 and found.replica.lag_bytes > 0
    found = Rehearse(dump=dump, root=root, rate=20, seconds=1, log=log, budget=budget)()
    assert found.broken == [] and found.source == "dump live.dump"
