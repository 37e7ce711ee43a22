"""The API against what it is built on and what it replaces: four systems, one database, the same rows, in turns.

- `erpgres`: the gateway, PostgREST and PostgreSQL as `erpgres up` starts them, with tokens of sessions, row-level
  security, permissions, limits (raised, so that they count but do not refuse) and the request log.
- `bare`: PostgREST alone: no gateway, token, pre-request function or row-level security; the filter by organisation is
  in the query. Its posting is the same function, called without a user, so that no permission is asked for.
- `python`: what the four systems were built of (`application.py`): Gunicorn, Uvicorn, FastAPI, SQLAlchemy, pydantic.
- `query`: pgbench, the statement alone.

All of them run on a stack of their own that is removed afterwards, filled with the TPC-H data set. Every round measures
every system, each time in another order; ratios are medians over the rounds, so that what else the machine does touches
all alike. Beside the clock, the CPU time of the server processes is counted: on a busy machine the better figure.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from psycopg import sql

from erpgres.bench import clients
from erpgres.bench.clients import Block
from erpgres.database import connect
from erpgres.errors import CannotRun
from erpgres.settings import ROOT
from erpgres.stack.processes import find
from erpgres.stack.state import State
from erpgres.tokens import claims_of, open_session, sign

SYSTEMS = ("erpgres", "bare", "python", "query")
CASES = ("by key", "filtered list", "deep page", "posting")
AIMS = {"bare": 0.8, "python": 3.0}  # erpgres to be at least so many times as fast
P99_AIM = 1.5  # and its p99 at most so many times that of `bare`
WORKERS = 4  # of Gunicorn: requirement 003-14
LIMITS = "100000r/s burst 10000"  # ERPGRES_RATE_USER of the measured stack
LINES = 5  # of a posted document
PAGE = 20
ROLE = "bench_bare"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """How much is measured."""

    rounds: int = 7
    seconds: float = 2.0
    clients: int = 16
    posts: int = 200
    scale: float = 0.01


@dataclass
class Measured:
    """One system in one case: medians over the rounds, latencies over all of them."""

    case: str
    system: str
    per_second: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_ms: float | None = None  # of the server processes, for a request
    blocks: list[Block] = field(default_factory=list)
    cpu_seconds: float = 0.0

    def settle(self) -> None:
        """Work out the figures of all blocks."""
        latencies = sorted(latency for block in self.blocks for latency in block.latencies)
        self.per_second = statistics.median(block.rate for block in self.blocks)
        self.p50_ms = 1000 * latencies[len(latencies) // 2]
        self.p99_ms = 1000 * latencies[math.ceil(len(latencies) * 0.99) - 1]
        # The sessions of pgbench are gone, and their times with them, before they can be read.
        self.cpu_ms = None if self.system == "query" else 1000 * self.cpu_seconds / len(latencies)

    def public(self) -> dict[str, Any]:
        """Return the figures without the blocks."""
        figures = {key: value for key, value in vars(self).items() if key not in ("blocks", "cpu_seconds")}
        return {key: round(value, 3) if isinstance(value, float) else value for key, value in figures.items()}


@dataclass(frozen=True)
class Ratio:
    """Erpgres to another system in one case: throughput (median of the rounds), p99, and CPU of the servers."""

    case: str
    to: str
    throughput: float
    p99: float
    cpu: float | None

    @property
    def is_short(self) -> bool:
        """Whether it misses its aim."""
        return self.throughput < AIMS.get(self.to, 0) or (self.to == "bare" and self.p99 > P99_AIM)


@dataclass
class Report:
    """Everything that was measured."""

    options: Options
    machine: dict[str, Any]
    results: list[Measured]
    client_cpu_share: float

    @property
    def ratios(self) -> list[Ratio]:
        """Erpgres to each other system, in each case."""
        found = {(measured.case, measured.system): measured for measured in self.results}
        ratios = []
        for case, to in itertools.product(dict.fromkeys(measured.case for measured in self.results), SYSTEMS[1:]):
            ours, other = found[case, "erpgres"], found[case, to]
            rounds = zip(ours.blocks, other.blocks, strict=True)
            ratios.append(
                Ratio(
                    case,
                    to,
                    round(statistics.median(mine.rate / theirs.rate for mine, theirs in rounds), 3),
                    round(ours.p99_ms / other.p99_ms, 3),
                    round(ours.cpu_ms / other.cpu_ms, 3) if ours.cpu_ms and other.cpu_ms else None,
                )
            )
        return ratios

    def public(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "options": asdict(self.options),
            "machine": self.machine,
            "limits": LIMITS,
            "aims": {"throughput": AIMS, "p99": P99_AIM},
            "client_cpu_share": self.client_cpu_share,
            "results": [measured.public() for measured in self.results],
            "ratios": [{**asdict(ratio), "is_short": ratio.is_short} for ratio in self.ratios],
        }


def run(options: Options, progress: Progress, port: int = 8700) -> Report:
    """Start everything, measure, remove everything. `port` is the first of eight free ones. Raises CannotRun."""
    place = Path(tempfile.mkdtemp(prefix="erpgres-bench-"))
    place.chmod(0o711)  # the services run as another account when the benchmark runs as root
    path = place / "state"
    try:
        with ExitStack() as exits:
            progress("starting a stack of its own")
            exits.callback(command, path, "down")
            command(path, "up", "-d", "--port", str(port), ERPGRES_RATE_USER=LIMITS)
            with connect(State(path).dsn("postgres"), autocommit=True) as connection:
                # The pools of three systems stay open, one of them in four processes.
                connection.execute("alter system set max_connections = 250")
            command(path, "down")
            command(path, "up", "-d", ERPGRES_RATE_USER=LIMITS)
            progress(f"loading TPC-H at scale {options.scale:g}")
            command(path, "load", "tpch", "--scale", str(options.scale))
            site = _Site(State(path), options, port)
            site.prepare()
            progress("starting bare PostgREST and the Python application")
            exits.enter_context(site.bare(place))
            exits.enter_context(site.python(place))
            site.compare()
            return _measure(site, options, progress)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def command(path: Path, *words: str, **environment: str) -> None:
    """Run erpgres on the stack that is measured, without the settings of the caller."""
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
        raise CannotRun(
            f"`erpgres {words[0]}` failed: {done.stderr.strip().splitlines()[-1:]}", "--port names other ports"
        )


class _Site:
    """The measured stack, and what each system is asked."""

    def __init__(self, state: State, options: Options, port: int) -> None:
        self.state = state
        self.options = options
        self.ports = {"erpgres": port, "bare": port + 5, "python": port + 6}
        self.roots: dict[str, list[psutil.Process]] = {}
        self.random = random.Random(1)
        with connect(state.dsn("migrator"), autocommit=True) as connection:
            self.claims = claims_of(connection, "admin@tpch.example", "TPCH")
            self.key = state.secret("jwt.key").strip()
            sessions = [open_session(connection, self.claims, 240) for _ in range(options.clients)]
            self.tokens = [sign({**self.claims, "sid": session}, self.key, 240) for session in sessions]
        self.org = self.claims["org_id"]
        self.keys: list[str] = []
        self.drafts: dict[str, Iterator[str]] = {}

    # ---- what is there to ask for -----------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make drafts to post, the schema of `bare`, and choose what will be read."""
        posts = self.options.posts * (self.options.rounds + 1)
        with connect(self.state.dsn("postgres", self.state.database), autocommit=True) as connection:
            self.keys = [
                str(id)
                for (id,) in connection.execute(
                    "select id from wms.document where org_id = %s order by md5(id::text) limit 2000", [self.org]
                ).fetchall()
            ]
            for system in SYSTEMS:
                self.drafts[system] = iter(self._drafts(connection, posts))
            offered = connection.execute("select * from api.wms_documents where false").description or []
            columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in offered)
            connection.execute(
                sql.SQL(_BARE).format(role=sql.Identifier(ROLE), org=sql.Literal(self.org), columns=columns)
            )
            with connection.cursor() as cursor, cursor.copy("copy bench.draft (n, id) from stdin") as copy:
                for row in enumerate(self.drafts["query"], 1):
                    copy.write_row(row)
            with connection.cursor() as cursor, cursor.copy("copy bench.key (n, id) from stdin") as copy:
                for row in enumerate(self.keys, 1):
                    copy.write_row(row)
            connection.execute("vacuum (analyze)")
            connection.execute("checkpoint")

    def _drafts(self, connection: psycopg.Connection[Any], count: int) -> list[str]:
        """Make drafts of sales with lines of items that there is enough of."""
        with connection.transaction():
            connection.execute("set local session_replication_role = replica")  # no triggers: the rows are right
            found = connection.execute(_DRAFTS, {"org": self.org, "count": count, "lines": LINES}).fetchall()
        return [str(id) for (id,) in found]

    def requests(self, system: str, case: str) -> Iterator[bytes]:
        """Return what the clients of a system send, one after the other."""
        sent = 0
        while True:
            sent += 1
            if case == "posting":
                if sent > self.options.posts:
                    return
                yield self._post(system, next(self.drafts[system]))
            else:
                yield self._get(system, case, self.random.choice(self.keys), sent)

    def _get(self, system: str, case: str, key: str, sent: int) -> bytes:
        if system == "python":
            path = {
                "by key": f"/documents/{key}",
                "filtered list": f"/documents?document_type=SALE&status=POSTED&limit={PAGE}",
                "deep page": f"/documents?before={key}&limit={PAGE}",
            }[case]
        else:
            path = {
                "by key": f"id=eq.{key}",
                "filtered list": f"document_type=eq.SALE&status=eq.POSTED&order=id.desc&limit={PAGE}",
                "deep page": f"id=lt.{key}&order=id.desc&limit={PAGE}",
            }[case]
            path = (
                f"/api/wms_documents?{path}" if system == "erpgres" else f"/wms_documents?org_id=eq.{self.org}&{path}"
            )
        return self._request(system, "GET", path, sent)

    def _post(self, system: str, draft: str) -> bytes:
        body = json.dumps({"id": draft} if system == "erpgres" else {"id": draft, "org_id": self.org})
        path = {
            "erpgres": "/api/rpc/wms_document_post",
            "bare": "/rpc/document_post",
            "python": f"/documents/{draft}/post",
        }[system]
        return self._request(system, "POST", path, 0, "" if system == "python" else body)

    def _request(self, system: str, method: str, path: str, sent: int, body: str = "") -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
        if system != "bare":
            lines.append(f"Authorization: Bearer {self.tokens[sent % len(self.tokens)]}")
        if method == "POST":
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    # ---- the other systems -------------------------------------------------------------------------------------------

    @contextmanager
    def bare(self, place: Path) -> Iterator[None]:
        """Run PostgREST alone."""
        configuration = place / "bare.conf"
        values = {
            "db-uri": self.state.dsn("migrator"), "db-schemas": "bench", "db-anon-role": ROLE,
            "server-host": "127.0.0.1", "log-level": "error",
        }  # fmt: skip
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        lines += [f"server-port = {self.ports['bare']}", f"db-pool = {self.state.api_pool}", "db-plan-enabled = false"]
        configuration.write_text("\n".join(lines) + "\n")
        with running([str(self.state.postgrest_binary), str(configuration)], place / "bare.log") as process:
            self._await("bare", "/wms_documents?limit=1")
            self.roots["bare"] = [psutil.Process(process.pid)]
            yield

    @contextmanager
    def python(self, place: Path) -> Iterator[None]:
        """Run the application under Gunicorn."""
        options = self.state.dsn("migrator")
        parts = psycopg.conninfo.conninfo_to_dict(options)
        query = "&".join(f"{key}={value}" for key, value in parts.items() if key in ("host", "port"))
        url = f"postgresql+psycopg2://{parts['user']}:{parts['password']}@/{parts['dbname']}?{query}"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "tools"),
            "BENCH_URL": url,
            "BENCH_KEY": self.key,
            "PGOPTIONS": f"-c role={ROLE}",
        }
        words = [
            sys.executable, "-m", "gunicorn", "--workers", str(WORKERS), "--keep-alive", "65", "--log-level", "warning",
            "--worker-class", "uvicorn.workers.UvicornWorker", "--bind", f"127.0.0.1:{self.ports['python']}",
            "erpgres.bench.application:app",
        ]  # fmt: skip
        with running(words, place / "python.log", environment) as process:
            self._await("python", "/openapi.json")
            self.roots["python"] = [psutil.Process(process.pid)]
            yield

    def _await(self, system: str, path: str) -> None:
        until = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{self.ports[system]}{path}").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > until:
                raise CannotRun(f"`{system}` did not start")
            time.sleep(0.1)

    def compare(self) -> None:
        """Make sure that all of them give the same rows. Raises CannotRun."""
        self.roots["erpgres"] = [process for process in find(self.state) if process.name() in ("nginx", "postgrest")]
        self.roots["database"] = [process for process in find(self.state) if process.name() == "postgres"]
        for case in CASES[:3]:
            answers = {}
            for system in SYSTEMS[:3]:
                request = self._get(system, case, self.keys[0], 0)
                block = clients.run(self.ports[system], iter([request]), 1)
                rows = json.loads(body(block.first))
                rows = rows if isinstance(rows, list) else [rows]
                answers[system] = [(row["id"], row["number"], float(row["total"]), len(row)) for row in rows]
            if not answers["erpgres"] or answers["erpgres"] != answers["bare"] or answers["bare"] != answers["python"]:
                raise CannotRun(f"the systems do not give the same rows: {case}")

    # ---- measuring ---------------------------------------------------------------------------------------------------

    def cpu(self, system: str) -> float:
        """Return the seconds of CPU that the servers of a system have used."""
        roots = self.roots["database"] + self.roots.get(system, [])
        used = 0.0
        for root in {
            process.pid: process for top in roots for process in [top, *top.children(recursive=True)]
        }.values():
            try:
                times = root.cpu_times()
                used += times.user + times.system
            except psutil.NoSuchProcess:
                continue
        return used

    def block(self, system: str, case: str, seconds: float) -> Block:
        """Let the clients of a system ask for some seconds, or post their share. Raises CannotRun for a failure."""
        if system == "query":
            for longer in (1, 4, 16):  # its time runs from before it is connected
                if (found := self._pgbench(case, seconds * longer)).latencies:
                    return found
            raise CannotRun("pgbench got no answer in time: the machine is too busy", "measure longer: --seconds")
        requests = self.requests(system, case)
        block = clients.run(self.ports[system], requests, self.options.clients, 1e9 if case == "posting" else seconds)
        wrong = [status for status in block.statuses if status != 200]
        if wrong:
            raise CannotRun(f"`{system}` answered {dict(block.statuses)} to {case}", body(block.first).decode()[:200])
        return block

    def _pgbench(self, case: str, seconds: float) -> Block:
        with tempfile.TemporaryDirectory(prefix="erpgres-pgbench-") as folder:
            script = Path(folder) / "script.sql"
            script.write_text(_QUERIES[case].format(org=self.org, page=PAGE, keys=len(self.keys)))
            parts = psycopg.conninfo.conninfo_to_dict(self.state.dsn("migrator"))
            number = self.options.clients
            time_or_count = ["-T", str(max(2, math.ceil(seconds)))]
            if case == "posting":
                time_or_count = ["-t", str(self.options.posts // number)]
            done = subprocess.run(
                [
                    str(self.state.bindir / "pgbench"), "-n", "-M", "prepared", "-c", str(number), "-j", "1",
                    *time_or_count, "-l", "--log-prefix", f"{folder}/log", "-f", str(script), str(parts["dbname"]),
                ],
                env={
                    **os.environ,
                    "PGHOST": str(parts["host"]), "PGPORT": str(parts["port"]), "PGUSER": str(parts["user"]),
                    "PGPASSWORD": str(parts["password"]), "PGOPTIONS": f"-c role={ROLE}",
                },
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise CannotRun("pgbench failed", " ".join(done.stderr.split())[:300])
            block = Block()
            ends = []
            for log in Path(folder).glob("log.*"):
                for line in log.read_text().splitlines():
                    _, _, took, _, second, microsecond, *_ = line.split()
                    block.latencies.append(int(took) / 1e6)
                    ends.append(int(second) + int(microsecond) / 1e6)
            begins = [end - took for end, took in zip(ends, block.latencies, strict=True)]
            block.seconds = max(ends, default=0.0) - min(begins, default=0.0)
            return block


@contextmanager
def running(
    words: list[str], log: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program; its output goes into a file."""
    with log.open("wb") as output, subprocess.Popen(words, env=environment, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


def body(answer: bytes) -> bytes:
    """Return the body of an answer, put together if it came in chunks."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return body
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        whole, body = whole + body[:length], body[length + 2 :]
    return whole


def _measure(site: _Site, options: Options, progress: Progress) -> Report:
    found = {(case, system): Measured(case, system) for case in CASES for system in SYSTEMS}
    me = psutil.Process()
    used = elapsed = 0.0
    for case in CASES:
        for number in range(options.rounds + 1):
            progress(f"{case}: " + (f"round {number} of {options.rounds}" if number else "warming up"))
            turn = number % len(SYSTEMS)
            for system in SYSTEMS[turn:] + SYSTEMS[:turn]:
                before, mine = site.cpu(system), sum(me.cpu_times()[:2])
                block = site.block(system, case, options.seconds if number else min(1.0, options.seconds))
                if not number:  # warms up caches, pools and plans
                    continue
                measured = found[case, system]
                measured.blocks.append(block)
                measured.cpu_seconds += site.cpu(system) - before
                if system != "query":
                    used += sum(me.cpu_times()[:2]) - mine
                    elapsed += block.seconds
    for measured in found.values():
        measured.settle()
    machine = {
        "cores": psutil.cpu_count(),
        "load_average": round(psutil.getloadavg()[0], 2),
        "postgresql": _version(site),
        "id": uuid.uuid4().hex[:8],
    }
    return Report(options, machine, list(found.values()), round(used / elapsed, 3))


def _version(site: _Site) -> str:
    with connect(site.state.dsn("migrator"), autocommit=True) as connection:
        row = connection.execute("show server_version").fetchone()
    return str(row[0]) if row else ""


_BARE = """
create role {role} nologin bypassrls;
grant {role} to migrator with set true;
create schema bench;
grant usage on schema bench, api, core, wms, events, ops, public to {role};
grant select, insert, update on all tables in schema core, wms to {role};
grant execute on all functions in schema core, wms, api to {role};
create view bench.wms_documents as select {columns} from wms.document;
create table bench.draft (n bigint primary key, id uuid not null);
create table bench.key (n bigint primary key, id uuid not null);
create sequence bench.posted;
create function bench.document_post(org_id uuid, id uuid) returns api.wms_documents language plpgsql as $$
declare
  v_row api.wms_documents;
begin
  perform set_config('request.jwt.claims', json_build_object('org_id', document_post.org_id)::text, true);
  select * into v_row from api.wms_document_post(document_post.id);
  return v_row;
end
$$;
grant select on all tables in schema bench to {role};
grant all on all sequences in schema bench to {role};
alter view bench.wms_documents owner to {role};
"""

_DRAFTS = """
with made as (
  insert into wms.document (org_id, id, document_type, from_location_id, currency, line_count, total)
  select %(org)s, uuidv7(), 'SALE', w.id, 'USD', %(lines)s, %(lines)s
  from core.location as w, generate_series(1, %(count)s)
  where w.org_id = %(org)s and w.code = 'MAIN' and w.kind = 'WAREHOUSE'
  returning org_id, id, from_location_id
),
stock as (
  select b.item_id, b.location_id, row_number() over (order by b.id) - 1 as n, count(*) over () as items
  from wms.balance as b
  where b.org_id = %(org)s and b.quantity > 1000
),
numbered as (
  select *, row_number() over () as n from made
),
lines as (
  insert into wms.document_line (
    org_id, document_id, line_no, item_id, from_position_id, to_position_id, quantity, unit_code, quantity_base,
    unit_price
  )
  select m.org_id, m.id, l.n, s.item_id, s.location_id, c.id, 1, 'H87', 1, 1
  from numbered as m
  cross join generate_series(1, %(lines)s) as l (n)
  join stock as s on s.n = (m.n * 7919 + l.n * 104729) %% s.items
  join core.location as c on c.org_id = m.org_id and c.kind = 'CUSTOMER'
)
select id from made
"""

_QUERIES = {
    "by key": "\\set n random(1, {keys})\n"
    "select * from wms.document where org_id = '{org}' and id = (select id from bench.key where n = :n);\n",
    "filtered list": "select * from wms.document where org_id = '{org}' and document_type = 'SALE'"
    " and status = 'POSTED' order by id desc limit {page};\n",
    "deep page": "\\set n random(1, {keys})\n"
    "select * from wms.document where org_id = '{org}' and id < (select id from bench.key where n = :n)"
    " order by id desc limit {page};\n",
    "posting": "with next as materialized (select nextval('bench.posted') as n)"
    " select bench.document_post('{org}', d.id) from next join bench.draft as d on d.n = next.n;\n",
}
