"""What an Idempotency-Key costs, and whether a request that is cut and sent again has one effect.

On a stack of its own, which is removed afterwards. Contacts are inserted through the gateway without a key, with one,
and with one that was used before (so that the first answer comes again), in turns. Then connections are cut at every
point (`cuts.py`).
"""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from erpgres.bench import api, clients, rls
from erpgres.bench.cuts import CASES, Cutter, Request, Tried
from erpgres.database import connect
from erpgres.errors import CannotRun
from erpgres.stack.processes import find
from erpgres.stack.state import State

Progress = Callable[[str], None]

WAYS = ("without", "with key", "again")


@dataclass
class Cost:
    """One way of asking: medians over the rounds."""

    way: str
    rates: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return statistics.median(self.rates)

    @property
    def cpu(self) -> float:
        """Milliseconds of CPU of the servers for a request."""
        return statistics.median(self.cpu_ms)


@dataclass
class Report:
    """Everything that was measured and tried."""

    costs: list[Cost]
    extra_us: float
    tried: list[Tried]

    @property
    def ratios(self) -> dict[str, float]:
        """CPU of a request to that of one without a key."""
        return {cost.way: round(cost.cpu / self.costs[0].cpu, 2) for cost in self.costs[1:]}

    @property
    def points(self) -> int:
        """At how many points a connection was cut or something ended."""
        return sum(tried.points for tried in self.tried)

    @property
    def wrong(self) -> list[str]:
        """What did not hold."""
        return [f"{tried.case}, {tried.cut}, {text}" for tried in self.tried for text in tried.wrong]


def run(rounds: int, posts: int, step: int, progress: Progress, port: int = 8700) -> Report:
    """Measure in `rounds` rounds of `posts` requests each way, and cut at every `step`-th byte. Raises CannotRun."""
    place = Path(tempfile.mkdtemp(prefix="erpgres-bench-"))
    place.chmod(0o711)  # the services run as another account when the benchmark runs as root
    path = place / "state"
    try:
        progress("starting a stack of its own")
        api.command(
            path, "up", "-d", "--port", str(port), ERPGRES_RATE_USER=api.LIMITS, ERPGRES_RATE_ADDRESS=api.LIMITS
        )
        state = State(path)
        with connect(state.dsn("migrator"), autocommit=True) as db:
            cutter = Cutter(state, db)
            costs = _costs(cutter, rounds, posts, progress)
            extra = _extra(cutter)
            tried: list[Tried] = []
            for case in CASES:
                progress(f"cutting: {case}")
                tried += cutter.every_byte(case, step)
                tried += cutter.moments(case)
        return Report(costs, extra, tried)
    finally:
        if path.exists():
            api.command(path, "down")
        shutil.rmtree(place, ignore_errors=True)


def _costs(cutter: Cutter, rounds: int, posts: int, progress: Progress) -> list[Cost]:
    costs = {way: Cost(way) for way in WAYS}
    target = cutter.requests("insert", 1)[0]
    for number in range(rounds + 1):
        progress(f"measuring: round {number} of {rounds}")
        keys = [str(uuid.uuid4()) for _ in range(posts)]
        for way in WAYS:
            before = _cpu(cutter.state)
            block = clients.run(cutter.state.port, _inserts(cutter, target, way, keys), 4)
            if block.statuses != {201: posts}:
                raise CannotRun(f"`{way}` answered {dict(block.statuses)}", block.first.decode()[:300])
            if number:  # the first round warms up
                costs[way].rates.append(block.rate)
                costs[way].cpu_ms.append(1000 * (_cpu(cutter.state) - before) / posts)
    return list(costs.values())


def _inserts(cutter: Cutter, target: Request, way: str, keys: list[str]) -> Iterator[bytes]:
    body = {"partner_id": str(target.target), "name": "Ann", "email": "a@example.com"}
    for key in keys:
        data = cutter.written("POST", "/api/contacts", body, f"cost-{key}", None if way == "without" else key)
        yield data.replace(b"Connection: close\r\n", b"").replace(f"X-Request-ID: cost-{key}\r\n".encode(), b"")


def _cpu(state: State) -> float:
    used = 0.0
    for process in find(state):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() in ("nginx", "postgrest", "postgres"):
                times = process.cpu_times()
                used += times.user + times.system
    return used


def _extra(cutter: Cutter) -> float:
    """Microseconds (of CPU, where Linux tells it) that core.begin_request adds to core.pre_request without a key."""
    spans: dict[str, list[float]] = {"core.pre_request()": [], "core.begin_request()": []}
    with cutter.db.transaction(force_rollback=True):
        for name, value in {
            "request.jwt.claims": json.dumps(cutter.claims),
            "request.headers": '{"host":"127.0.0.1","x-request-id":"12345678"}',
            "request.method": "POST",
            "request.path": "/contacts",
        }.items():
            cutter.db.execute("select set_config(%s, %s, true)", [name, value])
        cutter.db.execute("set local role member")
        for _ in range(15):
            for call, found in spans.items():
                began = rls.now(cutter.db)
                cutter.db.execute(f"select count({call}::text) from generate_series(1, 2000)")
                found.append((rls.now(cutter.db) - began) / 2000)
    return statistics.median(spans["core.begin_request()"]) - statistics.median(spans["core.pre_request()"])
