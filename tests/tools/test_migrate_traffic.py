"""Load on the API: what is counted as failed, what as a wait, and that the mix of the tree is one that succeeds."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path

import psycopg
import pytest

from conftest import Organization, organization
from erpgres.errors import CannotRun
from erpgres.migrate.traffic import PLAN, Report, Traffic
from erpgres.migrate.traffic_client import Sender, report_aside
from erpgres.stack.state import State

MIX = """
[find]
unit = ["units?limit=2&order=code&select=id:code", "units?limit=2&order=code.desc&select=id:code"]
nothing = "items?limit=1&select=id"

[[endpoint]]
name = "unit"
weight = 2
path = "units?code=eq.{unit}"

[[endpoint]]
name = "partner"
method = "POST"
path = "partners?select=id"
body = '{"code": "P{n}", "name": "Partner {n}", "country_code": "BD", "currency": "USD"}'

[[endpoint]]
name = "wrong"
path = "nowhere"

[[endpoint]]
name = "item"
path = "items?id=eq.{nothing}"
"""


@pytest.fixture
def mix(disturbed: State, tmp_path: Path) -> Traffic:
    """Load of a small mix, of which one request is refused, by an administrator of an organisation of its own."""
    path = tmp_path / "mix.toml"
    path.write_text(MIX)
    with psycopg.connect(disturbed.dsn("migrator"), autocommit=True) as db:
        org = organization(disturbed, db)
        user = org.user(administrator=True)
        email = db.execute("select email from core.app_user where id = %s", [user]).fetchone()
    assert email is not None
    return Traffic(disturbed, rate=60, connections=4, user=email[0], organization=org.code, plan=path)


def until(traffic: Traffic, requests: int) -> Report:
    deadline = time.monotonic() + 30
    while (report := traffic.report()).requests < requests:
        assert time.monotonic() < deadline, report
        time.sleep(0.05)
    return report


def test_waits_failures_and_phases_are_told_apart(mix: Traffic, disturbed: State) -> None:
    began = time.time()
    with mix as traffic:
        traffic.mark("quiet")
        until(traffic, 20)
        with psycopg.connect(disturbed.dsn("postgres", disturbed.database)) as blocker:
            traffic.mark("locked")
            blocker.execute("lock table core.partner in exclusive mode")
            deadline = time.monotonic() + 30
            # Where others work, their requests would wait, and might give up.
            while not blocker.execute(
                "select from pg_locks where not granted and relation = 'core.partner'::regclass"
                " and clock_timestamp() - waitstart > interval '1 s'"
            ).fetchall():
                assert time.monotonic() < deadline, "nobody wrote a partner"
                time.sleep(0.02)
        traffic.mark("after")
        until(traffic, traffic.report().requests + 10)
        report = traffic.stop()
    found = {endpoint.name: endpoint for endpoint in report.endpoints}
    assert set(found) == {"unit", "partner", "wrong"} and report.left_out == ["item"]
    assert found["unit"].failed == found["partner"].failed == 0
    assert found["wrong"].failed == found["wrong"].requests > 0
    assert report.failed == found["wrong"].failed and report.limited == 0
    assert report.requests == sum(endpoint.requests for endpoint in report.endpoints)
    assert any(line.startswith("wrong") and "404" in line for line in report.failures)
    assert list(report.phases) == ["quiet", "locked", "after"]
    partner = {name: phase.endpoints[1].longest_ms for name, phase in report.phases.items()}
    assert partner["locked"] >= 400
    slowest = report.phases["locked"].slowest
    assert slowest[0].name == "partner" and slowest[0].ms == report.phases["locked"].longest_ms
    assert began <= slowest[0].at <= time.time() and [wait.ms for wait in slowest] == sorted(
        (wait.ms for wait in slowest), reverse=True
    )
    assert report.over == sum(endpoint.over for endpoint in report.endpoints) == found["partner"].over
    assert 0 < report.cpu_seconds < report.seconds
    assert 0 < found["unit"].p50_ms <= found["unit"].p99_ms <= found["unit"].longest_ms
    assert mix.report() == report  # when it is stopped, what was seen in all


def test_the_mix_of_the_tree_runs_without_a_failure(seeded_user: tuple[str, str], stack: State) -> None:
    user, code = seeded_user
    with Traffic(stack, rate=60, connections=4, user=user, organization=code) as traffic:
        until(traffic, 250)
        report = traffic.stop()
    assert report.failed == 0, report.failures
    assert report.left_out == []
    assert all(endpoint.requests > 0 for endpoint in report.endpoints)
    assert len(report.endpoints) == PLAN.read_text().count("[[endpoint]]")


@pytest.fixture
def seeded_user(stack: State) -> tuple[str, str]:
    """An administrator of the organisation that `erpgres seed` makes."""
    from erpgres.data import seed

    seed.seed(stack.dsn("migrator"))
    return "admin@meghna.example", "MEGHNA"


def test_a_gateway_that_is_not_there(org: Organization, stack: State) -> None:
    user = org.user(administrator=True)
    row = org.db.execute("select email from core.app_user where id = %s", [user]).fetchone()
    assert row is not None
    traffic = Traffic(stack, user=row[0], organization=org.code, url="http://127.0.0.1:1")
    with pytest.raises(CannotRun, match="the gateway does not answer"):
        traffic.start()


def test_a_report_delays_no_answer(capfd: pytest.CaptureFixture[str]) -> None:
    async def longest_pause() -> tuple[float, float]:
        endpoint = {"name": "one", "path": "units"}
        sender = Sender({"host": "", "rate": 1, "tls": False, "values": {}, "tokens": ["x"], "endpoints": [endpoint]})
        sender.whole.seen[0].waits.extend(random.random() for _ in range(400_000))
        began = time.perf_counter()
        sender.report()
        inline = time.perf_counter() - began
        pause, last = 0.0, time.perf_counter()
        task = asyncio.create_task(report_aside(sender))
        while not task.done():
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            pause, last = max(pause, now - last), now
        await task
        return pause, inline

    pause, inline = asyncio.run(longest_pause())
    assert json.loads(capfd.readouterr().out)["requests"] == 400_000
    assert pause < inline / 3, (pause, inline)
