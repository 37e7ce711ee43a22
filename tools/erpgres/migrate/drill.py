"""The drill: changes of every kind applied to a large table while the API is used, and what its clients felt.

On a stack of its own that is removed afterwards, with a copy of this checkout's SQL and one more table, partitioned,
behind row level security, with a view in `api`. Its migrations are what `migrate new --kind` makes.

Before each change the load runs alone for some seconds, so that what the machine lets requests wait without any change
stands beside what they waited with it, a minute apart. Two more things tell where a wait comes from: the longest wait
for a lock that the change held (and that other clients held), and what was being done when the slowest requests began.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from erpgres.database import connect
from erpgres.errors import CannotRun, Refused
from erpgres.migrate import backfill, files, kinds, runner
from erpgres.migrate.session import Session
from erpgres.migrate.traffic import Report, Traffic
from erpgres.settings import ROOT
from erpgres.stack.state import State

TABLE = "wms.drill"
ALONE = "nothing (the load alone)"
LIMIT_MS = 500.0
LOCK_TOLD_MS = 50.0  # a longer wait for a lock of a change is told with the lock
RATE_SHARE = 0.95  # of the rate that was asked for: less is told
_TREES = ("migrations", "functions", "policies", "sql/api", "sql/analytics", "sql/reference")
_LIMITS = "100000r/s burst 10000"

Progress = Callable[[str], None]

_MIGRATION = """\
-- domain: wms
-- why: a large table for the drill
-- locks: none (new objects)
-- breaking: no

create table wms.drill_place (org_id uuid, id uuid, constraint drill_place_pkey primary key (org_id, id));

create table wms.drill (
  org_id uuid not null,
  id uuid not null default uuidv7(),
  quantity integer not null default 1,
  tag text,
  memo text,
  place_id uuid,
  constraint drill_pkey primary key (org_id, id)
) partition by range (id);

create table wms.drill_1 partition of wms.drill
for values from ('00000000-0000-0000-0000-000000000000') to ('00800000-0000-0000-0000-000000000000');
create table wms.drill_2 partition of wms.drill
for values from ('00800000-0000-0000-0000-000000000000') to ('01000000-0000-0000-0000-000000000000');
create table wms.drill_3 partition of wms.drill
for values from ('01000000-0000-0000-0000-000000000000') to ('01800000-0000-0000-0000-000000000000');
create table wms.drill_4 partition of wms.drill
for values from ('01800000-0000-0000-0000-000000000000') to ('02000000-0000-0000-0000-000000000000');
"""
_PARTITIONS = 4
_PLACES = 100

_POLICIES = """\
-- The rows of the drill.

grant select, insert, update on {table} to member;
grant select, insert, update, delete on {table} to migrator;
{view}
create policy owner_all on {table} for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on {table} for all to migrator
using (true)
with check (true);

create policy member_all on {table} for all to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));
"""

_VIEW = """\
-- The rows of the drill.

create view api.drills
with (security_invoker = true)
as
select d.org_id, d.id, {columns}, d.tag from wms.drill as d;
"""

# {rows} is put in here, the rest by the traffic: the rows that are asked for lie at many places of every partition.
_PLAN = """
[find]
row = [{rows}]
org = "organizations?limit=1&select=id"

[[endpoint]]
name = "one row"
weight = 30
path = "drills?id=eq.{row}"

[[endpoint]]
name = "a page"
weight = 20
path = "drills?id=lt.{row}&order=id.desc&limit=20"

[[endpoint]]
name = "newest documents"
weight = 15
path = "wms_documents?order=id.desc&limit=20&select=id,number,document_type,status,total"

[[endpoint]]
name = "who am I"
weight = 5
path = "rpc/me"

[[endpoint]]
name = "change a row"
weight = 20
method = "PATCH"
path = "drills?id=eq.{row}"
body = '{"tag": "seen {n} times"}'

[[endpoint]]
name = "add a row"
weight = 10
method = "POST"
path = "drills"
body = '{"org_id": "{org}", "tag": "new {n}"}'
"""

# Straight into a partition, in the order of the key; `synchronous_commit` may be off, nobody relies on it.
_FILL = """
insert into {partition} (org_id, id, quantity, tag, place_id)
select o.id, (lpad(to_hex(n >> 16), 8, '0') || '-' || lpad(to_hex(n & 65535), 4, '0')
         || '-7000-8000-000000000000')::uuid, n % 100, 'row ' || n, p.ids[n % {places} + 1]
  from core.organization o
  cross join (select array_agg(id order by id) as ids from wms.drill_place) p
  cross join generate_series({first}::bigint, {last}::bigint, {step}::bigint) n
 where o.code = 'MEGHNA'
"""
_FILL_PLACES = """
insert into wms.drill_place (org_id, id)
select o.id, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid
  from core.organization o cross join generate_series(1, {places}) n where o.code = 'MEGHNA'
"""
_FILL_LATER = """
insert into wms.drill_5 (org_id, id, tag)
select o.id, ('02000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'old'
  from core.organization o cross join generate_series(1, {rows}) n where o.code = 'MEGHNA'
"""
_SPAN = 2**41  # the first 48 bits of the ids of the partitions: milliseconds until 2039
_PIECES = 5  # of a partition: progress is told after each
_SAMPLES = 8  # places of the table whose rows are asked for


@dataclass(frozen=True)
class Options:
    """How large and how fast. `share`: of the time that back-fills work.

    Seconds: `quiet_seconds` of the load alone at first, `alone_seconds` before each change; `settle_seconds` after it
    belong to the change, since PostgREST looks at the new schema by itself, later.
    """

    rows: int = 500_000
    rate: float = 1000.0
    connections: int = 16
    share: float = 0.9
    quiet_seconds: float = 10.0
    alone_seconds: float = 5.0
    settle_seconds: float = 2.0


@dataclass(frozen=True)
class Change:
    """One item of the list. `prepare` is done before, while nothing is measured."""

    name: str
    apply: Callable[[], None]
    prepare: Callable[[], None] = lambda: None


@dataclass
class Item:
    """What one change did to the clients.

    `over` counts waits over the limit; `alone_ms` is the longest wait in the seconds of the load alone before it;
    `lock_ms` the longest wait for a lock that the change held (`lock` says which), `client_lock_ms` for one that
    another client held;
    `slowest` the longest waits, with what was going on; `error` why it could not be applied.
    """

    name: str
    seconds: float
    requests: int
    failed: int
    over: int
    longest_ms: float
    p99_ms: float
    alone_ms: float
    alone_p99_ms: float
    lock_ms: float
    client_lock_ms: float
    lock: str = ""
    slowest: list[str] = field(default_factory=list)
    error: str | None = None

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0


@dataclass
class Drill:
    """All items, beginning with the load alone; `failures` are the first answers that failed.

    `sender_us`: microseconds of a processor that sending one request and reading its answer took.
    """

    options: Options
    items: list[Item] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    bytes: int = 0
    fill_seconds: float = 0.0
    sender_us: float = 0.0

    @property
    def broken(self) -> list[str]:
        """What does not hold, a sentence each: requests that failed, waits over half a second, a rate not reached."""
        lines = []
        for item in self.items:
            if item.error:
                lines.append(f"{item.name}: {item.error}")
            if item.failed:
                lines.append(f"{item.name}: {item.failed} requests failed")
            if item.longest_ms > LIMIT_MS:
                alone = "" if item.name == ALONE else f" ({item.alone_ms:.0f} ms by the load alone before)"
                lines.append(
                    f"{item.name}: {item.over} requests waited over {LIMIT_MS:.0f} ms,"
                    f" the longest {item.longest_ms:.0f} ms{alone}"
                )
        quiet = self.items[0] if self.items else None
        if quiet is not None and quiet.rate < self.options.rate * RATE_SHARE:
            lines.append(f"the load alone reached {quiet.rate:.0f} of {self.options.rate:.0f} requests/s")
        return lines

    @property
    def holds(self) -> bool:
        """Whether no request failed or waited over half a second, at the rate that was asked for."""
        return not self.broken

    def public(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        items = [{**asdict(item), "rate": round(item.rate, 1)} for item in self.items]
        return {**asdict(self), "items": items, "holds": self.holds, "broken": self.broken}


@dataclass(frozen=True)
class LockWait:
    """The longest wait of API sessions for a lock: milliseconds, and which lock it was and who held it."""

    ms: float = 0.0
    lock: str = ""


class _LockWatch:
    """Remembers the longest waits of API sessions for a lock: for one of a migration, and for one of another client."""

    # Who blocks is asked for those who wait only; whoever stands before them in the queue counts, too.
    _QUERY = """
      select distinct on (w.blocker is not null)
             w.blocker is not null, extract(epoch from clock_timestamp() - l.waitstart) * 1000,
             concat_ws(' ', l.mode, 'on', coalesce(l.relation::regclass::text, l.locktype), ', held by', w.blocker)
        from pg_locks l
        join pg_stat_activity a on a.pid = l.pid
        left join lateral (
          select concat_ws(' ', b.application_name, b.wait_event,
                   left(regexp_replace(b.query, '\\s+', ' ', 'g'), 60)) as blocker
            from unnest(pg_blocking_pids(l.pid)) as k (pid) join pg_stat_activity b on b.pid = k.pid
           where b.usename <> 'authenticator' limit 1) w on true
       where not l.granted and a.usename = 'authenticator' and l.waitstart is not null
       order by 1, 2 desc
    """

    def __init__(self, dsn: str) -> None:
        self._dsn, self._stop = dsn, threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lock-watch", daemon=True)
        self._longest = {True: LockWait(), False: LockWait()}
        self._thread.start()

    def take(self) -> tuple[LockWait, LockWait]:
        """Return the longest since the last call: for a lock of a migration, of another client."""
        found, self._longest = self._longest, {True: LockWait(), False: LockWait()}
        return found[True], found[False]

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _watch(self) -> None:
        with suppress(psycopg.Error), psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._stop.wait(0.02):
                for by_change, waited, lock in connection.execute(self._QUERY).fetchall():
                    if waited > self._longest[by_change].ms:
                        self._longest[by_change] = LockWait(round(float(waited), 1), lock)


def run(options: Options, progress: Progress, port: int = 8780) -> Drill:
    """Start a stack, fill it, apply every kind of change under load, remove it. `port`: the first of five free ones."""
    place = Path(tempfile.mkdtemp(prefix="erpgres-drill-"))
    place.chmod(0o711)  # the services run as another account when the drill runs as root
    path = place / "state"
    try:
        with ExitStack() as exits:
            progress("starting a stack of its own")
            exits.callback(_command, path, "down")
            # Back-fills are a change of the list: the worker is not to begin with one by itself.
            _command(path, "up", "-d", "--port", str(port), ERPGRES_RATE_USER=_LIMITS, ERPGRES_BACKFILL_SHARE="0")
            _command(path, "seed")
            site = _Site(State(path), place / "tree", options, progress)
            site.prepare()
            return site.drill(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _command(path: Path, *words: str, **environment: str) -> None:
    """Run erpgres on the stack of the drill, without the settings of the caller."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ERPGRES_")}
    for name in ("ERPGRES_RUNTIME", "ERPGRES_POSTGREST", "ERPGRES_RUN_AS"):
        if name in os.environ:
            kept[name] = os.environ[name]
    done = subprocess.run(
        [sys.executable, "-m", "erpgres", *words, "--state", str(path)],
        env={**kept, "PYTHONPATH": str(ROOT / "tools"), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CannotRun(f"`erpgres {words[0]}` failed: {done.stderr.strip()[-300:]}", "--port names other ports")


class _Site:
    def __init__(self, state: State, root: Path, options: Options, progress: Progress) -> None:
        self.state, self.root, self.options = state, root, options
        self._tell = progress
        self._said: list[tuple[float, str]] = []
        self.dsn = state.dsn("migrator")
        self.admin = state.dsn("postgres", state.database)
        self.throttle = backfill.Throttle(share=options.share, transactions=1000)
        self.found = Drill(options)

    def progress(self, line: str) -> None:
        """Tell a line, and remember when: the slowest requests are told with it."""
        self._said.append((time.time(), line.splitlines()[0][:60]))
        self._tell(line)

    # ---- what it is done to ------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Copy the tree, add the table, fill it."""
        for tree in _TREES:
            if (ROOT / tree).is_dir():
                shutil.copytree(ROOT / tree, self.root / tree)
        path = files.new("wms", "drill", self.root)
        path.write_text(_MIGRATION, encoding="utf-8")
        self._write_api("d.quantity")
        self._policies("drill", "grant select, insert, update on api.drills to member;")
        self._policies("drill_place")
        self.migrate()
        self.progress(f"filling {TABLE} with {self.options.rows:,} rows")
        began = time.monotonic()
        self._execute(sql.SQL(_FILL_PLACES).format(places=sql.Literal(_PLACES)))
        with ThreadPoolExecutor(min(_PARTITIONS, os.cpu_count() or 1)) as pool:
            list(pool.map(self._fill, range(_PARTITIONS)))
        self._execute(sql.SQL("analyze {}").format(sql.SQL(TABLE)), sql.SQL("checkpoint"))
        self.found.fill_seconds = round(time.monotonic() - began, 1)
        with connect(self.admin) as connection:
            query = "select count(*), (select sum(pg_total_relation_size(relid)) from pg_partition_tree(%s)) from {}"
            row = connection.execute(sql.SQL(query).format(sql.SQL(TABLE)), [TABLE]).fetchone()
        rows, self.found.bytes = (int(row[0]), int(row[1])) if row else (0, 0)
        size = self.found.bytes / 2**20
        self.progress(f"{rows:,} rows, {size:,.0f} MB with the key, in {self.found.fill_seconds:.0f} s")

    def _fill(self, number: int) -> None:
        """Fill a partition piece by piece, and freeze it: no request has to do what the first reader of a row does."""
        partition = sql.Identifier("wms", f"drill_{number + 1}")
        step = max(1, _SPAN // self.options.rows)
        part = _SPAN // _PARTITIONS // _PIECES
        for piece in range(_PIECES):
            first = number * (_SPAN // _PARTITIONS) + piece * part
            # Multiples of the step, so that a row is nobody's twice, wherever a piece ends.
            values = {"first": -(-first // step) * step, "last": first + part - 1, "step": step, "places": _PLACES}
            literals = {name: sql.Literal(value) for name, value in values.items()}
            self._execute(sql.SQL(_FILL).format(partition=partition, **literals))
        self._execute(sql.SQL("vacuum (freeze) {}").format(partition))

    def _execute(self, *statements: sql.SQL | sql.Composed) -> None:
        """Run statements as the superuser, whom no policy binds."""
        with connect(self.admin, autocommit=True) as connection:
            connection.execute("set synchronous_commit = off")
            connection.execute("set statement_timeout = 0")
            for statement in statements:
                connection.execute(statement)

    def _write_api(self, columns: str) -> None:
        (self.root / "sql/api/wms_drill.sql").write_text(_VIEW.format(columns=columns), encoding="utf-8")

    def _policies(self, table: str, view: str = "") -> None:
        path = self.root / f"policies/wms/{table}.sql"
        path.write_text(_POLICIES.format(table=f"wms.{table}", view=view), encoding="utf-8")

    def migrate(self) -> None:
        """Apply what is pending."""
        runner.migrate(self.dsn, root=self.root, progress=self.progress, throttle=self.throttle, attempts=60)

    def new(self, kind: str, **values: str) -> None:
        """Write a migration of a kind and apply it."""
        kinds.new(kind, TABLE, f"drill {kind}", values, self.root)
        self.migrate()

    # ---- the changes -------------------------------------------------------------------------------------------------

    def changes(self) -> Iterator[Change]:
        """Yield each item of the list."""
        yield Change("add a column", lambda: self.new("add-column", column="note", type="text", meaning="A note"))
        yield Change(
            "add a column with a default",
            lambda: self.new("add-column-default", column="size", type="integer", default="1", meaning="Size"),
        )
        yield Change(
            "add a check", lambda: self.new("add-check", constraint="quantity_not_negative", check="quantity >= 0")
        )
        yield Change(
            "add a foreign key",
            lambda: self.new(
                "add-foreign-key", constraint="place_exists", columns="org_id, place_id", references="wms.drill_place"
            ),
        )
        yield Change("set not null", lambda: self.new("set-not-null", column="tag"))
        yield Change(
            "add an index on a partitioned table", lambda: self.new("add-index", columns="org_id, quantity, id")
        )
        yield Change(
            "change a column's type: expand",
            lambda: self.new(
                "change-type", column="quantity", new="amount", type="numeric", forth="new.quantity::numeric",
                back="new.amount::integer",
            ),
        )  # fmt: skip
        yield Change("change a column's type: back-fill", lambda: self._backfill("drill_amount"))
        yield Change("change a column's type: contract", self._change_type)
        yield Change("split a table: expand", self._split)
        yield Change("split a table: back-fill", lambda: self._backfill("drill_drill_memo"))
        yield Change(
            "split a table: contract", lambda: self.new("split-table.contract", new="drill_memo", columns="memo")
        )
        yield Change("replace the whole api schema", self._replace_api)
        yield Change("add a partition with rows", self._add_partition, self._fill_later)
        yield Change(
            "drop a column", lambda: self.new("drop-column", column="note", reason="the drill made it and drops it")
        )

    def _backfill(self, name: str) -> None:
        with Session(self.dsn, application_name="erpgres backfill") as session:
            runner.settle(session)
            backfill.run(session, name, self.throttle, self.progress)

    def _change_type(self) -> None:
        self._write_api("d.amount::integer as quantity")
        self.migrate()
        self.new("change-type.contract", column="quantity", new="amount")

    def _split(self) -> None:
        kinds.new("split-table", TABLE, "drill split", {
            "new": "drill_memo", "columns": "memo", "types": "text", "meaning": "Memos",
        }, self.root)  # fmt: skip
        self._policies("drill_memo")
        self.migrate()

    def _replace_api(self) -> None:
        for path in sorted((self.root / "sql/api").glob("*.sql")):
            path.write_text(path.read_text(encoding="utf-8") + "-- replaced\n", encoding="utf-8")
        self._write_api("d.amount::integer as quantity, d.place_id")  # clients may ask for a column more
        self.migrate()

    def _fill_later(self) -> None:
        self._execute(
            sql.SQL("create table wms.drill_5 (like wms.drill including all)"),
            sql.SQL("alter table wms.drill_5 owner to owner"),
            sql.SQL(_FILL_LATER).format(rows=sql.Literal(max(1, self.options.rows // 10))),
        )

    def _add_partition(self) -> None:
        self.new(
            "add-partition", partition="wms.drill_5", key="id", **{"from": "'02000000-0000-0000-0000-000000000000'"},
            to="'03000000-0000-0000-0000-000000000000'",
        )  # fmt: skip

    # ---- measuring ---------------------------------------------------------------------------------------------------

    def drill(self, place: Path) -> Drill:
        """Apply one after the other under load."""
        plan = place / "traffic.toml"
        plan.write_text(_PLAN.replace("{rows}", ", ".join(map(_sample, range(_SAMPLES)))), encoding="utf-8")
        options = self.options
        with Traffic(
            self.state, rate=options.rate, connections=options.connections, plan=plan, organization="MEGHNA"
        ) as traffic:
            watch = _LockWatch(self.admin)
            try:
                quiet = Change(ALONE, lambda: time.sleep(options.quiet_seconds))
                for change in [quiet, *self.changes()]:
                    traffic.mark("between")
                    change.prepare()
                    self._measure(change, traffic, watch)
                report = traffic.stop()
            finally:
                watch.close()
        self.found.failures = report.failures
        self.found.sender_us = round(1e6 * report.cpu_seconds / max(1, report.requests), 1)
        # An answer that came after the phase was told belongs to it, too.
        for item in self.found.items:
            self._fill_in(item, report)
        return self.found

    def _measure(self, change: Change, traffic: Traffic, watch: _LockWatch) -> None:
        name = change.name
        if name != ALONE:
            traffic.mark(_before(name))
            time.sleep(self.options.alone_seconds)
        watch.take()
        traffic.mark(name)
        self.progress(f"== {name}")
        error = None
        try:
            change.apply()
        except Refused as refused:
            error = refused.message.splitlines()[0]
            self._tell(f"{name}: {refused.message}")
        if name != ALONE:
            time.sleep(self.options.settle_seconds)
        traffic.mark("between")
        by_change, by_clients = watch.take()
        item = Item(name, 0, 0, 0, 0, 0, 0, 0, 0, by_change.ms, by_clients.ms, by_change.lock, error=error)
        self._fill_in(item, traffic.report())
        self.found.items.append(item)
        self._tell(line(item))

    def _fill_in(self, item: Item, report: Report) -> None:
        """Put what the clients saw into an item."""
        phase, before = report.phases[item.name], report.phases.get(_before(item.name))
        item.seconds, item.requests, item.failed = phase.seconds, phase.requests, phase.failed
        item.over, item.longest_ms, item.p99_ms = phase.over, phase.longest_ms, phase.p99_ms
        if before is not None:
            item.alone_ms, item.alone_p99_ms = before.longest_ms, before.p99_ms
        item.slowest = [
            f"{wait.ms:.0f} ms: {wait.name}, {self._doing(wait.at)}"
            for wait in phase.slowest[:3]
            if wait.ms > LIMIT_MS / 2
        ]

    def _doing(self, at: float) -> str:
        """Say what was told last when a request began, and next."""
        before = [(when, what) for when, what in self._said if when <= at]
        after = [(when, what) for when, what in self._said if when > at]
        parts = []
        if before:
            parts.append(f"{at - before[-1][0]:.1f} s after '{before[-1][1]}'")
        if after:
            parts.append(f"{after[0][0] - at:.1f} s before '{after[0][1]}'")
        return ", ".join(parts)


def _before(name: str) -> str:
    return f"before: {name}"


def _sample(number: int) -> str:
    """Return the query of rows at one of the places that are spread over the table, as TOML has it."""
    at = (2 * number + 1) * _SPAN // (2 * _SAMPLES)
    first = f"{at >> 16:08x}-{at & 65535:04x}-7000-8000-000000000000"
    return f'"drills?id=gte.{first}&order=id&limit=25&select=id"'


HEADS = ("seconds", "requests/s", "failed", "over", "longest ms", "p99 ms", "alone ms", "lock ms", "clients' ms")


def line(item: Item) -> str:
    """Write an item for people, under HEADS."""
    values = (
        f"{item.seconds:.1f}", f"{item.rate:.0f}", item.failed, item.over, f"{item.longest_ms:.0f}",
        f"{item.p99_ms:.0f}", f"{item.alone_ms:.0f}", f"{item.lock_ms:.0f}", f"{item.client_lock_ms:.0f}",
    )  # fmt: skip
    return f"{item.name:<40}" + "".join(f"{value:>12}" for value in values)


def text(found: Drill) -> str:
    """Write a drill for people."""
    options = found.options
    lines = [
        f"{options.rows:,} rows ({found.bytes / 2**20:,.0f} MB, made in {found.fill_seconds:.0f} s); at most"
        f" {options.rate:g} requests/s on {options.connections} connections, {found.sender_us:.0f} us of a processor"
        " to send one",
        f"{'':<40}" + "".join(f"{head:>12}" for head in HEADS),
        *(line(item) for item in found.items),
    ]
    for item in found.items:
        lines += [f"{item.name}: {slow}" for slow in item.slowest]
        if item.lock_ms > LOCK_TOLD_MS:
            lines.append(f"{item.name}: {item.lock_ms:.0f} ms for {item.lock}")
    lines += [f"failed: {failure}" for failure in found.failures]
    return "\n".join(lines + [f"broken: {said}" for said in found.broken])
