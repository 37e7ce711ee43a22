"""How fast this machine scans, rewrites, indexes and updates: measured on a table of the clone's server, and kept.

A rate is in bytes of the table's heap a second of processor time, of data in memory. It is the optimistic end of an
estimate; the other end adds reading all of it from storage, at the rate that the live server has had so far
(pg_stat_io), or at a slow one.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg

from erpgres.migrate.plan.live import Live

ROWS = 200_000
KEPT_DAYS = 1
# The storage of a live server that does not say how fast it reads: a slow network volume.
SLOW_STORAGE = 100 * 1024 * 1024
NOISE = 1.5


@dataclass(frozen=True)
class Rates:
    """Bytes of heap a second; `measured_at` in seconds since 1970."""

    scan: float
    foreign_key: float
    rewrite: float
    index: float
    write: float
    measured_at: float


@dataclass(frozen=True)
class Estimate:
    """Seconds: `low` with everything in memory and nobody else about, `high` with everything read from storage."""

    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> Estimate:
        """Return it so many times."""
        return Estimate(self.low * factor, self.high * factor)

    def __str__(self) -> str:
        if self.high < 0.001:
            return "at once"
        low, high = seconds(self.low), seconds(self.high)
        return high if low == high else f"{low} to {high}"


def seconds(value: float) -> str:
    """Return a time as people read it."""
    if value < 0.001:
        return "0 ms"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 120:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def rates(cache: Path, dsn: str) -> Rates:
    """Return this machine's rates, measured in the database of `dsn` (a scratch one) if those kept are old."""
    path = cache / "rates.json"
    try:
        kept = Rates(**json.loads(path.read_text()))
        if 0 <= time.time() - kept.measured_at < KEPT_DAYS * 86400:
            return kept
    except (OSError, ValueError, TypeError):
        pass
    found = measure(dsn)
    path.write_text(json.dumps(asdict(found)))
    return found


def measure(dsn: str) -> Rates:
    """Measure in about two seconds: each thing on a table of its own that is in memory."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        pid = connection.info.backend_pid
        connection.execute("set max_parallel_maintenance_workers = 0")
        connection.execute("set max_parallel_workers_per_gather = 0")
        with connection.transaction(force_rollback=True):
            connection.execute("create schema plan_rates")
            connection.execute("create table plan_rates.other as select n as id from generate_series(1, 1000) as n")
            connection.execute("alter table plan_rates.other add primary key (id)")
            connection.execute(
                "create table plan_rates.item as select n as id, gen_random_uuid() as key, n % 1000 + 1 as other_id,"
                f" repeat('x', 60) as name, now() as at from generate_series(1, {ROWS}) as n"
            )
            row = connection.execute("select pg_relation_size('plan_rates.item')").fetchone()
            size = float(row[0]) if row else 0.0

            def rate(statement: str) -> float:
                started = _spent(pid)
                connection.execute(statement)
                return size / max(_spent(pid) - started, 1e-4)

            scan = rate("alter table plan_rates.item add constraint c check (id > 0 and name is not null)")
            key = rate("alter table plan_rates.item add foreign key (other_id) references plan_rates.other (id)")
            rewrite = rate("alter table plan_rates.item alter column other_id type bigint")
            index = rate("create index on plan_rates.item (key)")
            write = rate("update plan_rates.item set name = 'y'")
    return Rates(scan, key, rewrite, index, write, time.time())


def _spent(pid: int) -> float:
    """Return the seconds of a processor that a process has had (a busy machine does not change them), or the time."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except (OSError, ValueError, IndexError):  # no Linux
        return time.monotonic()


class Estimator:
    """Turns what a statement does to a table into seconds on the live database."""

    def __init__(self, live: Live, rates: Rates) -> None:
        self.live, self.rates = live, rates

    def _of(self, size: float, rate: float, read: float | None = None) -> Estimate:
        low = size / rate
        storage = self.live.read_rate or SLOW_STORAGE
        return Estimate(low, low * NOISE + (size if read is None else read) / storage)

    def scan(self, size: float, *, foreign_key: bool = False) -> Estimate:
        """Return how long reading so many bytes of a table takes, with a condition or a lookup for each row."""
        return self._of(size, self.rates.foreign_key if foreign_key else self.rates.scan)

    def rewrite(self, heap: float) -> Estimate:
        """Return how long a table is written anew; its indexes are built one by one (see `index`)."""
        return self._of(heap, self.rates.rewrite)

    def index(self, heap: float, *, concurrently: bool = False) -> Estimate:
        """Return how long an index is built on a table of so many bytes."""
        once = self._of(heap, self.rates.index)
        return once + self.scan(heap) if concurrently else once

    def write(self, heap: float) -> Estimate:
        """Return how long so many bytes of rows are written, updated or deleted."""
        return self._of(heap, self.rates.write)

    def explain(self) -> dict[str, Any]:
        """Return what the estimates rest on."""
        mb = 1024 * 1024
        return {
            "scan_mb_per_second": round(self.rates.scan / mb),
            "foreign_key_mb_per_second": round(self.rates.foreign_key / mb),
            "rewrite_mb_per_second": round(self.rates.rewrite / mb),
            "index_mb_per_second": round(self.rates.index / mb),
            "write_mb_per_second": round(self.rates.write / mb),
            "storage_mb_per_second": round((self.live.read_rate or SLOW_STORAGE) / mb),
            "storage_is_measured": self.live.read_rate is not None,
        }
