"""The drill: changes of every kind applied to a large table while the API is used, and what its clients felt.

On a stack of its own that is removed afterwards, with a copy of this checkout's SQL and one more table, partitioned,
behind row level security, with a view in `api`. Its migrations are what `migrate new --kind` makes. Beside the longest
wait of a client stands the longest wait for a lock that was seen: on a busy machine the first holds much else.
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
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from erpgres.database import connect
from erpgres.errors import CannotRun
from erpgres.migrate import backfill, files, kinds, runner
from erpgres.migrate.traffic import Report, Traffic
from erpgres.settings import ROOT
from erpgres.stack.state import State

TABLE = "wms.drill"
LIMIT_MS = 500.0
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
select d.org_id, d.id, {quantity} as quantity, d.tag from wms.drill as d;
"""

_PLAN = """
[find]
row = "drills?order=id.desc&limit=100&select=id"
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

_FILL = """
insert into wms.drill (org_id, id, quantity, tag)
select o.id, (lpad(to_hex(n >> 16), 8, '0') || '-' || lpad(to_hex(n & 65535), 4, '0')
         || '-7000-8000-000000000000')::uuid, n %% 100, 'row ' || n
  from core.organization o, generate_series(%(from)s::bigint, %(to)s::bigint, %(step)s::bigint) n
 where o.code = 'MEGHNA'
"""
_SPAN = 2**41  # the first 48 bits of the ids of the partitions: milliseconds until 2039


@dataclass(frozen=True)
class Options:
    """How large and how fast. `share`: of the time that back-fills work."""

    rows: int = 500_000
    rate: float = 1000.0
    connections: int = 16
    share: float = 0.9
    quiet_seconds: float = 10.0
    pause_seconds: float = 1.0


@dataclass
class Item:
    """What one change did to the clients."""

    name: str
    seconds: float
    requests: int
    failed: int
    longest_ms: float
    p99_ms: float
    lock_ms: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0


@dataclass
class Drill:
    """All items, beginning with the load alone; `failures` are the first answers that failed."""

    options: Options
    items: list[Item] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether no request failed or waited over half a second while something was applied."""
        return all(item.failed == 0 and item.longest_ms <= LIMIT_MS for item in self.items)

    def public(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        items = [{**asdict(item), "rate": round(item.rate, 1)} for item in self.items]
        return {"options": asdict(self.options), "holds": self.holds, "items": items, "failures": self.failures}


class _LockWatch:
    """Remembers the longest wait of an API session for a lock."""

    def __init__(self, dsn: str) -> None:
        self._dsn, self._stop = dsn, threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lock-watch", daemon=True)
        self.longest = 0.0
        self._thread.start()

    def take(self) -> float:
        """Return the longest since the last call, in milliseconds."""
        found, self.longest = self.longest, 0.0
        return round(found, 1)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _watch(self) -> None:
        query = (
            "select max(extract(epoch from clock_timestamp() - l.waitstart)) * 1000 from pg_locks l"
            " join pg_stat_activity a on a.pid = l.pid where not l.granted and a.usename = 'authenticator'"
        )
        with suppress(psycopg.Error), psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._stop.wait(0.02):
                row = connection.execute(query).fetchone()
                self.longest = max(self.longest, float(row[0] or 0) if row else 0)


def run(options: Options, progress: Progress, port: int = 8780) -> Drill:
    """Start a stack, fill it, apply every kind of change under load, remove it. `port`: the first of five free ones."""
    place = Path(tempfile.mkdtemp(prefix="erpgres-drill-"))
    place.chmod(0o711)  # the services run as another account when the drill runs as root
    path = place / "state"
    try:
        with ExitStack() as exits:
            progress("starting a stack of its own")
            exits.callback(_command, path, "down")
            _command(path, "up", "-d", "--port", str(port), ERPGRES_RATE_USER=_LIMITS)
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
        self.state, self.root, self.options, self.progress = state, root, options, progress
        self.dsn = state.dsn("migrator")
        self.throttle = backfill.Throttle(share=options.share, transactions=1000)

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
        self.progress(f"filling {TABLE} with {self.options.rows} rows")
        step = max(1, _SPAN // self.options.rows)
        with connect(self.dsn, autocommit=True) as connection:
            part = _SPAN // 20
            for number in range(20):
                connection.execute(_FILL, {"from": number * part, "to": (number + 1) * part - 1, "step": step})
        with connect(self.state.dsn("postgres", self.state.database), autocommit=True) as connection:
            connection.execute(sql.SQL("vacuum (analyze) {}").format(sql.SQL(TABLE)))
            connection.execute("checkpoint")

    def _write_api(self, quantity: str) -> None:
        (self.root / "sql/api/wms_drill.sql").write_text(_VIEW.format(quantity=quantity), encoding="utf-8")

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

    def changes(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield each item of the list, and what does it."""
        yield "add a column", lambda: self.new("add-column", column="note", type="text", meaning="A note")
        yield (
            "add a column with a default",
            lambda: self.new("add-column-default", column="size", type="integer", default="1", meaning="Size"),
        )
        yield "add a check", lambda: self.new("add-check", constraint="quantity_not_negative", check="quantity >= 0")
        yield (
            "add a foreign key",
            lambda: self.new(
                "add-foreign-key", constraint="place_exists", columns="org_id, place_id", references="wms.drill_place"
            ),
        )
        yield "set not null", lambda: self.new("set-not-null", column="tag")
        yield "add an index on a partitioned table", lambda: self.new("add-index", columns="org_id, quantity, id")
        yield "change a column's type: expand", lambda: self.new(
            "change-type", column="quantity", new="amount", type="numeric", forth="new.quantity::numeric",
            back="new.amount::integer",
        )  # fmt: skip
        yield "change a column's type: back-fill, contract", self._change_type
        yield "split a table: expand", self._split
        yield (
            "split a table: back-fill, contract",
            lambda: self.new("split-table.contract", new="drill_memo", columns="memo"),
        )
        yield "replace the whole api schema", self._replace_api
        yield "add a partition with rows", self._add_partition
        yield "drop a column", lambda: self.new("drop-column", column="note")

    def _change_type(self) -> None:
        backfill_only(self.dsn, "drill_amount", self.throttle, self.progress)
        self._write_api("d.amount::integer")
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
        self.migrate()

    def _add_partition(self) -> None:
        with connect(self.dsn) as connection:
            connection.execute("set role owner")
            connection.execute("create table wms.drill_5 (like wms.drill including all)")
            connection.execute(
                "insert into wms.drill_5 (org_id, id, tag) select o.id, ('02000000-0000-7000-8000-'"
                " || lpad(to_hex(n), 12, '0'))::uuid, 'old' from core.organization o, generate_series(1, %s) n"
                " where o.code = 'MEGHNA'",
                [max(1, self.options.rows // 10)],
            )
        self.new(
            "add-partition", partition="wms.drill_5", key="id", **{"from": "'02000000-0000-0000-0000-000000000000'"},
            to="'03000000-0000-0000-0000-000000000000'",
        )  # fmt: skip

    # ---- measuring ---------------------------------------------------------------------------------------------------

    def drill(self, place: Path) -> Drill:
        """Apply one after the other under load."""
        plan = place / "traffic.toml"
        plan.write_text(_PLAN, encoding="utf-8")
        found = Drill(self.options)
        locks: dict[str, float] = {}
        names: list[str] = []
        with self._traffic(plan) as traffic:
            watch = _LockWatch(self.state.dsn("postgres", self.state.database))
            try:
                for name, change in [("nothing (the load alone)", self._nothing), *self.changes()]:
                    watch.take()
                    traffic.mark(name)
                    self.progress(f"== {name}")
                    change()
                    traffic.mark("between")
                    locks[name] = watch.take()
                    names.append(name)
                    time.sleep(self.options.pause_seconds)
                report = traffic.stop()
            finally:
                watch.close()
        found.failures = report.failures
        found.items = [_item(name, report.phases[name], locks[name]) for name in names]
        return found

    @contextmanager
    def _traffic(self, plan: Path) -> Iterator[Traffic]:
        with Traffic(
            self.state, rate=self.options.rate, connections=self.options.connections, plan=plan, organization="MEGHNA"
        ) as traffic:
            yield traffic

    def _nothing(self) -> None:
        time.sleep(self.options.quiet_seconds)


def backfill_only(dsn: str, name: str, throttle: backfill.Throttle, progress: Progress) -> None:
    """Work a back-fill off."""
    from erpgres.migrate.session import Session

    with Session(dsn, application_name="erpgres backfill") as session:
        runner.settle(session)
        backfill.run(session, name, throttle, progress)


def _item(name: str, phase: Report, lock_ms: float) -> Item:
    return Item(name, phase.seconds, phase.requests, phase.failed, phase.longest_ms, phase.p99_ms, lock_ms)
