"""A rehearsal: the pending migrations applied to a copy while its API is under load, and who had to wait how long.

The copy is a restored base backup, a restored dump, or the live schema with generated rows. What is measured is what a
client sees: the longest wait at each endpoint, requests that failed, and how a standby and its readers fared.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import psycopg

from erpgres import settings
from erpgres.database import connect
from erpgres.errors import CannotRun, Refused
from erpgres.migrate import runner, throwaway
from erpgres.migrate.throwaway import Standby
from erpgres.migrate.traffic import PLAN, Report, Traffic
from erpgres.stack.state import State

Progress = Callable[[str], None]
BEFORE, DURING, AFTER = "before", "during", "after"
# What a reader on the standby does: a report that takes a while.
_READ = "select count(*), (select count(*) from generate_series(1, 300000)) from wms.document_line"


@dataclass(frozen=True)
class Budget:
    """What clients may be asked to bear: the longest wait, failed requests, lag of the standby; None: no limit."""

    longest_ms: float | None = 500.0
    failed: int | None = 0
    lag_seconds: float | None = None


@dataclass(frozen=True)
class Waited:
    """One endpoint: requests in all, failed ones, the longest wait before and during the migration (milliseconds)."""

    name: str
    requests: int
    failed: int
    before_ms: float
    during_ms: float


@dataclass
class Replica:
    """How the standby fared: the most it lagged behind, and queries that replaying cancelled."""

    lag_bytes: int = 0
    lag_seconds: float = 0.0
    conflicts: int = 0
    queries: int = 0


@dataclass
class Rehearsal:
    """What became of a rehearsal. `broken` are the limits that were broken, a sentence each."""

    source: str
    applied: list[str] = field(default_factory=list)
    seconds: float = 0.0
    attempts: int = 1
    rate: float = 0.0
    requests: int = 0
    failed: int = 0
    longest_ms: float = 0.0
    endpoints: list[Waited] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    replica: Replica | None = None
    broken: list[str] = field(default_factory=list)


@dataclass
class Rehearse:
    """What a rehearsal is asked. Exactly one of `backup` (directory), `dump` (file) and `scale` says what is copied.

    `live` is the conninfo of the database whose schema a scaled copy has; `rate` the requests a second, `log` a
    gateway's access log whose reading requests are repeated instead of generated ones; `seconds` the time of load
    before and after, `attempts` how often the migration is tried.
    """

    backup: Path | None = None
    dump: Path | None = None
    scale: float | None = None
    live: str | None = None
    database: str | None = None
    root: Path = settings.ROOT
    rate: float = 100.0
    connections: int = 16
    log: Path | None = None
    seconds: float = 5.0
    attempts: int = 8
    with_replica: bool = False
    budget: Budget = field(default_factory=Budget)
    progress: Progress = lambda _: None

    def __call__(self) -> Rehearsal:
        """Rehearse. Raises Refused when nothing is pending or a migration fails, CannotRun when it cannot be tried."""
        if sum(given is not None for given in (self.backup, self.dump, self.scale)) != 1:
            raise Refused("name one source: a backup, a dump or a scale")
        with throwaway.stack(self._furnish, self.progress, backup=self.backup, database=self.database) as own:
            status = runner.status(own.dsn("migrator"), root=self.root)
            if not status.pending and not status.changed and not status.gone:
                raise Refused("nothing is pending: the copy is at the state of this checkout")
            with self._standby(own) as standby:
                return self._rehearse(own, standby)

    @property
    def _source(self) -> str:
        if self.backup is not None:
            return f"base backup {self.backup.name}"
        if self.dump is not None:
            return f"dump {self.dump.name}"
        return f"live schema, generated rows at scale {self.scale:g}"

    def _furnish(self, own: State) -> None:
        if self.backup is not None:
            throwaway.settle(own)
        elif self.dump is not None:
            throwaway.from_dump(own, self.dump)
        else:
            assert self.live is not None and self.scale is not None
            throwaway.from_live(own, self.live, self.scale, self.progress, self.root)

    @contextlib.contextmanager
    def _standby(self, own: State) -> Iterator[Standby | None]:
        if not self.with_replica:
            yield None
            return
        standby = Standby(own, self.progress)
        try:
            yield standby
        finally:
            standby.close()

    def _rehearse(self, own: State, standby: Standby | None) -> Rehearsal:
        found = Rehearsal(self._source)
        plan = PLAN if self.log is None else recorded(self.log, own.path / "traffic.toml")
        with Traffic(own, rate=self.rate, connections=self.connections, plan=plan) as traffic:
            with _Watch(own, standby) as watch:
                traffic.mark(BEFORE)
                self.progress(f"{self.seconds:g} s of load before")
                time.sleep(self.seconds)
                traffic.mark(DURING)
                self.progress("migrating")
                began = time.monotonic()
                result = self._migrate(own, found)
                found.seconds = round(time.monotonic() - began, 2)
                # What waited for a lock, or for the API to look again, is answered by now or soon.
                time.sleep(min(self.seconds, 2.0))
                traffic.mark(AFTER)
                time.sleep(self.seconds)
            report = traffic.stop()
        found.replica = watch.replica
        if result is not None:
            found.applied, found.attempts = result.applied, result.attempts
        return self._judge(found, report)

    def _migrate(self, own: State, found: Rehearsal) -> runner.Result | None:
        """Apply what is pending; a failure is part of what is reported, as is what clients saw of it."""
        try:
            return runner.migrate(
                own.dsn("migrator"), root=self.root, progress=self.progress, attempts=self.attempts
            )  # fmt: skip
        except Refused as error:
            found.broken.append(f"the migration failed: {error.message.splitlines()[0]}")
            return None

    def _judge(self, found: Rehearsal, report: Report) -> Rehearsal:
        before, during = report.phases[BEFORE], report.phases[DURING]
        was = {endpoint.name: endpoint for endpoint in before.endpoints}
        now = {endpoint.name: endpoint for endpoint in during.endpoints}
        for endpoint in report.endpoints:
            found.endpoints.append(
                Waited(
                    endpoint.name, endpoint.requests, endpoint.failed,
                    round(was[endpoint.name].longest_ms, 1) if endpoint.name in was else 0.0,
                    round(now[endpoint.name].longest_ms, 1) if endpoint.name in now else 0.0,
                )
            )  # fmt: skip
        found.rate, found.requests, found.failed = round(report.rate, 1), report.requests, report.failed
        found.longest_ms = round(during.longest_ms, 1)
        found.failures, found.left_out = report.failures, report.left_out
        found.broken += broken(found, self.budget)
        if during.requests == 0:
            raise CannotRun(
                "no request was answered while the migrations ran", "give more load, or look at the API's log"
            )
        return found


def broken(found: Rehearsal, budget: Budget) -> list[str]:
    """Return the limits that a rehearsal broke."""
    lines = []
    if budget.longest_ms is not None:
        lines += [
            f"{endpoint.name} waited {endpoint.during_ms:.0f} ms, {budget.longest_ms:.0f} ms are allowed"
            for endpoint in found.endpoints
            if endpoint.during_ms > budget.longest_ms
        ]
    if budget.failed is not None and found.failed > budget.failed:
        lines.append(f"{found.failed} requests failed, {budget.failed} are allowed")
    lag = found.replica.lag_seconds if found.replica else 0.0
    if budget.lag_seconds is not None and lag > budget.lag_seconds:
        lines.append(f"the standby lagged {lag:.1f} s, {budget.lag_seconds:g} s are allowed")
    return lines


class _Watch:
    """Reads from the standby and looks at its lag until it is left."""

    def __init__(self, own: State, standby: Standby | None) -> None:
        self._own, self._standby = own, standby
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.replica = Replica() if standby is not None else None

    def __enter__(self) -> _Watch:
        if self._standby is not None:
            for work in (self._look, self._read):
                self._threads.append(threading.Thread(target=work, daemon=True))
                self._threads[-1].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=30)
        if self._standby is not None and self.replica is not None:
            self.replica.conflicts = max(self.replica.conflicts, self._standby.conflicts())

    def _look(self) -> None:
        assert self._standby is not None and self.replica is not None
        with connect(self._own.dsn("postgres"), autocommit=True) as primary:
            while not self._stop.wait(0.1):
                size, seconds = self._standby.lag(primary)
                self.replica.lag_bytes = max(self.replica.lag_bytes, size)
                self.replica.lag_seconds = round(max(self.replica.lag_seconds, seconds), 3)

    def _read(self) -> None:
        assert self._standby is not None and self.replica is not None
        with connect(self._standby.dsn, autocommit=True) as reader:
            while not self._stop.wait(0.05):
                try:
                    reader.execute(_READ)
                    self.replica.queries += 1
                except psycopg.errors.SerializationFailure:  # a conflict with recovery
                    self.replica.conflicts += 1
                except psycopg.OperationalError:
                    return


def recorded(log: Path, target: Path) -> Path:
    """Write a plan of traffic from a gateway's access log: its reading requests, as often as they were made.

    The log names paths and no values, so that a list is asked for its first page. Raises Refused when it has none.
    """
    paths: Counter[str] = Counter()
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        path = unquote(str(entry.get("path", "")))
        if entry.get("method") == "GET" and entry.get("status") == 200 and path.startswith("/api/") and "{" not in path:
            paths[path.removeprefix("/api/")] += 1
    lists = {path: count for path, count in paths.items() if path and not path.startswith("rpc/") and "/" not in path}
    if not lists:
        raise Refused(f"{log} holds no reading request that could be repeated", "is it the access log of a gateway?")
    parts = [
        f"[[endpoint]]\nname = {json.dumps(path)}\nweight = {count}\npath = {json.dumps(f'{path}?limit=20')}\n"
        for path, count in sorted(lists.items())
    ]
    target.write_text("\n".join(parts), encoding="utf-8")
    return target


def text(found: Rehearsal) -> str:
    """Write a rehearsal for people."""
    width = max((len(endpoint.name) for endpoint in found.endpoints), default=8)
    lines = [
        f"{found.source}: {len(found.applied)} migrations in {found.seconds} s, attempt {found.attempts}",
        *(f"  {name}" for name in found.applied),
        f"{found.requests} requests, {found.rate:g}/s, {found.failed} failed",
        f"{'endpoint':<{width}}  requests  failed  longest before  during the migration",
    ]
    lines += [
        f"{e.name:<{width}}  {e.requests:>8}  {e.failed:>6}  {e.before_ms:>11.0f} ms  {e.during_ms:>17.0f} ms"
        for e in found.endpoints
    ]
    if found.left_out:
        lines.append(f"not asked for, the copy has no such data: {', '.join(found.left_out)}")
    lines += [f"failed: {line}" for line in found.failures]
    lines += _replica(found)
    lines += [f"over the budget: {line}" for line in found.broken]
    return "\n".join(lines + ([] if found.broken else ["within the budget"]))


def _replica(found: Rehearsal) -> list[str]:
    if found.replica is None:
        return []
    r = found.replica
    return [
        f"standby: at most {r.lag_seconds:.2f} s and {r.lag_bytes / 1048576:.1f} MB behind; {r.queries} queries on it,"
        f" {r.conflicts} cancelled"
    ]


def markdown(found: Rehearsal) -> str:
    """Write a rehearsal for a pull request."""
    verdict = "over the budget" if found.broken else "within the budget"
    lines = [
        f"## Rehearsal: {verdict}",
        "",
        f"{found.source}. {len(found.applied)} migrations in {found.seconds} s:",
        "",
    ]
    lines += [f"- `{name}`" for name in found.applied]
    lines += ["", f"{found.requests} requests at {found.rate:g}/s, {found.failed} failed.", ""]
    lines += ["| endpoint | requests | failed | longest before | during |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {e.name} | {e.requests} | {e.failed} | {e.before_ms:.0f} ms | {e.during_ms:.0f} ms |"
        for e in found.endpoints
    ]
    lines += ["", *_replica(found)] if found.replica else []
    lines += ["", *(f"- **{line}**" for line in found.broken)] if found.broken else []
    return "\n".join(lines)
