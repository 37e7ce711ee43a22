"""How long a change takes to reach the clients of the relay: from its commit to the client's hands.

In a stack of its own, thrown away afterwards: gateway, relay and PostgreSQL as `erpgres up` makes them. The clients are
WebSockets through the gateway in a process of their own, each a user with a session; the writers commit one row each
time, evenly spread. A time begins when the writer has the answer to its commit and ends when the client's process
reads the message. Each write must reach each client that wants it exactly once, or the run fails.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from erpgres import database
from erpgres.errors import CannotRun
from erpgres.settings import ROOT
from erpgres.stack import lifecycle, processes, supervise
from erpgres.stack.state import State
from erpgres.tokens import sign

Progress = Callable[[str], None]

TARGET_MS = 50.0
WRITERS = 5
_SETTINGS = {"ERPGRES_RATE_REALTIME": "60000r/m burst 5000", "ERPGRES_REALTIME_CONNECTIONS": "500"}


@dataclass(frozen=True)
class Load:
    """So many connections, so many of which want what is written, so often a second."""

    connections: int
    subscribers: int
    writes: float


@dataclass(frozen=True)
class Measured:
    """What came of a load: times in milliseconds, `cpu` the share of one core that the relay used."""

    connections: int
    subscribers: int
    writes: float
    seconds: float
    written: int
    delivered: int
    missing: int
    repeated: int
    disconnected: int
    connect_s: float
    median_ms: float
    p95_ms: float
    p99_ms: float
    longest_ms: float
    cpu: float
    memory_mb: float

    @property
    def is_whole(self) -> bool:
        """Say whether everything arrived once."""
        return not (self.missing or self.repeated or self.disconnected)

    @property
    def is_over(self) -> bool:
        """Say whether the median misses the target."""
        return self.median_ms >= TARGET_MS


def run(loads: list[Load], seconds: float, progress: Progress) -> list[Measured]:
    """Measure each load for so many seconds. Raises CannotRun when the stack or the clients do not start."""
    with _stack(progress) as state, database.connect(state.dsn("migrator"), autocommit=True) as connection:
        row = connection.execute("select core.create_organization('BENCH', 'Bench', 'BD', 'USD')").fetchone()
        assert row is not None
        org_id = row[0]
        progress("making users and sessions")
        tokens = tokens_of(state, connection, org_id, max(load.connections for load in loads))
        measured = []
        for load in loads:
            progress(f"{load.connections} connections, {load.subscribers} subscribers, {load.writes:g} writes/s")
            measured.append(measure(state, org_id, tokens, load, seconds))
        return measured


@contextmanager
def _stack(progress: Progress) -> Iterator[State]:
    """Run a stack in a temporary directory."""
    before = {name: os.environ.get(name) for name in _SETTINGS}
    os.environ.update(_SETTINGS)
    try:
        with tempfile.TemporaryDirectory(prefix="erpgres-bench-", ignore_cleanup_errors=True) as folder:
            Path(folder).chmod(0o711)
            state = State(Path(folder) / "state")
            try:
                lifecycle.up(state, lifecycle.Asked(port=_free_port()), progress)
                yield state
            finally:
                lifecycle.down(state)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _free_port() -> int:
    for port in range(18400, 30000, 4):
        try:
            processes.require_free({str(offset): port + offset for offset in range(4)})
        except CannotRun:
            continue
        return port
    raise CannotRun("four free ports in a row were not found")


def tokens_of(state: State, connection: psycopg.Connection[Any], org_id: uuid.UUID, count: int) -> list[str]:
    """Make users of the organisation with a session each; return their tokens."""
    rows = connection.execute(
        """
        with made as (
          insert into core.app_user (email, name, kind)
          select 'bench' || n || '@example.com', 'Bench ' || n, 'INTERNAL' from generate_series(1, %(count)s) as n
          returning id
        ), members as (
          insert into core.membership (org_id, user_id, kind) select %(org)s, m.id, 'INTERNAL' from made as m
        )
        select id from made
        """,
        {"count": count, "org": org_id},
    ).fetchall()
    key = state.secret("jwt.key")
    tokens = []
    for (user_id,) in rows:
        found = connection.execute(
            "select core.open_session(%s, %s, now() + interval '1 hour')", [user_id, org_id]
        ).fetchone()
        assert found is not None
        claims = {"role": "member", "sub": str(user_id), "org_id": str(org_id), "sid": str(found[0])}
        tokens.append(sign(claims, key, minutes=60))
    return tokens


def measure(state: State, org_id: uuid.UUID, tokens: list[str], load: Load, seconds: float) -> Measured:
    """Measure one load on a running stack, with a token for each connection. Raises CannotRun."""
    hellos = [
        {
            "type": "hello",
            "token": tokens[number],
            "filters": [{"entity": ["partner" if number < load.subscribers else "item"]}],
        }
        for number in range(load.connections)
    ]
    with _clients(state, hellos) as (connect_s, finish):
        part = psutil.Process(supervise.Supervisor(state).parts()["relay"]["pid"])
        before = part.cpu_times()
        began = time.monotonic()
        written = _write(state, org_id, load.writes, seconds)
        took = time.monotonic() - began
        after = part.cpu_times()
        memory = part.memory_info().rss / 1e6
        time.sleep(2.0)
        heard, lost = finish()
    wanted = heard[: load.subscribers]
    times = [at - written[name] for each in wanted for at, name in each if name in written]
    counts = [Counter(name for _, name in each) for each in wanted]
    cuts = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else [float("nan")] * 99
    return Measured(
        load.connections, load.subscribers, load.writes, took, len(written),
        delivered=sum(min(1, count[name]) for count in counts for name in written),
        missing=sum(count[name] == 0 for count in counts for name in written),
        repeated=sum(count[name] - 1 for count in counts for name in count if count[name] > 1)
        + sum(len(each) for each in heard[load.subscribers :]),
        disconnected=lost,
        connect_s=connect_s,
        median_ms=cuts[49] * 1000, p95_ms=cuts[94] * 1000, p99_ms=cuts[98] * 1000,
        longest_ms=max(times, default=float("nan")) * 1000,
        cpu=(after.user + after.system - before.user - before.system) / took,
        memory_mb=memory,
    )  # fmt: skip


@contextmanager
def _clients(
    state: State, hellos: list[dict[str, Any]]
) -> Iterator[tuple[float, Callable[[], tuple[list[list[tuple[float, str]]], int]]]]:
    """Run the clients; yields how long all took to get in, and what ends them and tells what they heard."""
    process = subprocess.Popen(
        [sys.executable, "-m", "erpgres.bench.relay_clients"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin and process.stdout
    pipe_in, pipe_out = process.stdin, process.stdout

    def ask(line: str) -> Any:
        pipe_in.write(line + "\n")
        pipe_in.flush()
        told = pipe_out.readline()
        if not told:
            raise CannotRun("the clients ended early", "what they say stands above")
        return json.loads(told)

    def finish() -> tuple[list[list[tuple[float, str]]], int]:
        told = ask("end")
        return [[(at, name) for at, name in each] for each in told["heard"]], int(told["lost"])

    try:
        told = ask(json.dumps({"host": "127.0.0.1", "port": state.port, "hellos": hellos}))
        yield float(told["ready"]), finish
    finally:
        process.kill()
        process.wait()


def _write(state: State, org_id: uuid.UUID, rate: float, seconds: float) -> dict[str, float]:
    """Commit rows at an even rate from several connections; return when each was committed, by its id."""
    written: dict[str, float] = {}
    began = time.monotonic() + 0.2
    numbers = iter(range(int(rate * seconds)))
    turn = threading.Lock()

    def work() -> None:
        with psycopg.connect(state.dsn("migrator"), autocommit=True) as connection:
            while True:
                with turn:
                    number = next(numbers, None)
                if number is None:
                    return
                time.sleep(max(0.0, began + number / rate - time.monotonic()))
                made = uuid.uuid4().hex[:20].upper()
                row = connection.execute(
                    "insert into core.partner (org_id, code, name) values (%s, %s, %s) returning id::text",
                    [org_id, made, made],
                ).fetchone()
                at = time.monotonic()
                assert row is not None
                written[row[0]] = at

    threads = [threading.Thread(target=work) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return written
