"""What the gateway's cache is worth: repeated reads against bare PostgREST, the hit rate of a mix, the age of answers.

Three ways to the same rows of the same query, in turns: `cached` (gateway with sign-in, limits and log; users of one
organisation, each with his own session), `uncached` (the same with Cache-Control: no-cache) and `bare` (PostgREST
alone: no gateway, token, pre-request function or row-level security; the organisation is a filter). On a stack of its
own.

The clients are cheap, 20 to 40 µs of CPU a request, and the same for all: one process that sends the next request on a
connection when the answer to the last is there. More than one would only take the cores away from the servers.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import select
import shutil
import socket
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from psycopg import sql

from erpgres.bench import api, histories
from erpgres.bench.histories import Found, Line
from erpgres.database import connect
from erpgres.errors import CannotRun
from erpgres.stack.processes import find
from erpgres.stack.state import State
from erpgres.tokens import claims_of, open_session, sign

WAYS = ("cached", "uncached", "bare")
AIM = 10.0  # requests/s of `cached` to `bare`
ROWS = 60
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HIT = b"\r\nCache-Status: erpgres; hit"
_LARGEST = 256 * 1024  # bytes of an answer

# Requirement 002-31: buyers 5, samples 3, orders 2, a new sample 1, with 2 to 5 seconds between two requests of a user.
# Buyers are partners; samples and orders are documents, as long as there is nothing nearer.
MIX = (
    ("buyers", 5, "/api/partners?select=id,code,name,status&order=code"),
    ("samples", 3, "/api/wms_documents?document_type=eq.TRANSFER&order=id.desc&limit=20"),
    ("orders", 2, "/api/wms_documents?document_type=eq.SALE&order=id.desc&limit=20"),
    ("new sample", 1, "/api/rpc/wms_document_create"),
)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """How much is measured."""

    rounds: int = 5
    seconds: float = 1.5
    clients: int = 16
    histories: int = 500
    users: int = 250
    mix_seconds: float = 20.0


@dataclass
class Way:
    """One way of asking: medians over the rounds, and the CPU of the servers for a request."""

    name: str
    rates: list[float] = field(default_factory=list)
    requests: int = 0
    hits: int = 0
    server_seconds: float = 0.0
    client_seconds: float = 0.0
    bytes: int = 0

    def public(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "way": self.name,
            "per_second": round(statistics.median(self.rates)),
            "server_cpu_us": round(1e6 * self.server_seconds / self.requests, 1),
            "client_cpu_us": round(1e6 * self.client_seconds / self.requests, 1),
            "hit_rate": round(self.hits / self.requests, 4),
            "bytes": self.bytes,
        }


@dataclass
class Report:
    """Everything that was measured."""

    options: Options
    ways: list[Way]
    mix: dict[str, Any]
    found: Found

    @property
    def throughput(self) -> float:
        """Requests a second, cached to bare: the median of the rounds' ratios."""
        ways = {way.name: way for way in self.ways}
        return round(statistics.median(a / b for a, b in zip(ways["cached"].rates, ways["bare"].rates, strict=True)), 2)

    @property
    def cpu(self) -> float:
        """CPU time of the servers for a request, bare to cached."""
        figures = {way.name: float(way.public()["server_cpu_us"]) for way in self.ways}
        return round(figures["bare"] / figures["cached"], 2)

    @property
    def is_short(self) -> bool:
        """Whether an aim is missed."""
        return self.throughput < AIM or not self.found.is_good

    def public(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "options": asdict(self.options),
            "ways": [way.public() for way in self.ways],
            "throughput_ratio": self.throughput,
            "cpu_ratio": self.cpu,
            "aim": AIM,
            "mix": self.mix,
            "staleness": self.found.public(),
            "is_short": self.is_short,
        }


def run(options: Options, progress: Progress, port: int = 8700) -> Report:
    """Start everything, measure, remove everything. `port` is the first of six free ones. Raises CannotRun."""
    place = Path(tempfile.mkdtemp(prefix="erpgres-bench-"))
    place.chmod(0o711)  # the services run as another account when the benchmark runs as root
    path = place / "state"
    try:
        with ExitStack() as exits:
            progress("starting a stack of its own")
            exits.callback(api.command, path, "down")
            api.command(path, "up", "-d", "--port", str(port), ERPGRES_RATE_USER=api.LIMITS)
            api.command(path, "seed")
            site = _Site(State(path), options, port)
            exits.enter_context(site.bare(place))
            ways = site.measure(progress)
            progress(f"the mix of reads: {options.users} users, {options.mix_seconds:g} seconds")
            mix = asyncio.run(site.mix())
            progress(f"{options.histories:,} random histories")
            found = histories.run(State(path), options.histories, progress)
            return Report(options, ways, mix, found)
    finally:
        shutil.rmtree(place, ignore_errors=True)


class _Site:
    """The measured stack."""

    def __init__(self, state: State, options: Options, port: int) -> None:
        self.state = state
        self.options = options
        self.bare_port = port + 5
        self.key = state.secret("jwt.key").strip()
        with connect(state.dsn("migrator"), autocommit=True) as connection:
            row = connection.execute(
                "select u.id::text, o.code from core.app_user u join core.membership m on m.user_id = u.id "
                "join core.organization o on o.id = m.org_id "
                "join core.user_role r on r.org_id = o.id and r.user_id = u.id "
                "join core.role k on k.org_id = r.org_id and k.id = r.role_id "
                "where u.kind = 'INTERNAL' and k.is_administrator order by o.code, u.email limit 1"
            ).fetchone()
            assert row is not None
            self.claims = claims_of(connection, row[0], row[1])
            self.org = self.claims["org_id"]
            connection.execute(
                "insert into core.partner (org_id, code, name, legal_name, country_code, tax_id, currency) "
                "select %s, 'BENCH-' || n, 'Buyer number ' || n, 'Buyer number ' || n || ' Limited', 'BD', 'T' || n, "
                "'USD' "
                "from generate_series(1, %s) as n on conflict do nothing",
                [self.org, ROWS],
            )
            self.tokens = [self._token(connection) for _ in range(options.clients)]
        self.roots = [p for p in find(state) if p.name() in ("nginx", "postgrest", "postgres", "erpgres-relay")]

    def _token(self, connection: Any) -> str:
        return sign({**self.claims, "sid": open_session(connection, self.claims, 240)}, self.key, 240)

    @contextmanager
    def bare(self, place: Path) -> Iterator[None]:
        """Run PostgREST alone."""
        with connect(self.state.dsn("postgres", self.state.database), autocommit=True) as connection:
            connection.execute(sql.SQL(_BARE).format(role=sql.Identifier(api.ROLE)))
        values = {
            "db-uri": self.state.dsn("migrator"), "db-schemas": "bench", "db-anon-role": api.ROLE,
            "server-host": "127.0.0.1", "log-level": "error",
        }  # fmt: skip
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        lines += [f"server-port = {self.bare_port}", f"db-pool = {self.state.api_pool}", "db-plan-enabled = false"]
        (place / "bare.conf").write_text("\n".join(lines) + "\n")
        with api.running([str(self.state.postgrest_binary), str(place / "bare.conf")], place / "bare.log") as process:
            until = time.monotonic() + 60
            while True:
                try:
                    if b" 200 " in _flood(self.bare_port, self._requests("bare")[:1], 0.01).first[:20]:
                        break
                except OSError:
                    pass
                if time.monotonic() > until:
                    raise CannotRun("bare PostgREST did not start")
                time.sleep(0.1)
            self.roots.append(psutil.Process(process.pid))
            yield

    def _requests(self, way: str) -> list[bytes]:
        query = "partners?select=id,code,name,legal_name,country_code,tax_id,currency,status&order=code&limit=20"
        requests = []
        for token in self.tokens:
            path = f"/{query}&org_id=eq.{self.org}" if way == "bare" else f"/api/{query}"
            lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
            if way != "bare":
                lines.append(f"Authorization: Bearer {token}")
            if way == "uncached":
                lines.append("Cache-Control: no-cache")
            requests.append(("\r\n".join(lines) + "\r\n\r\n").encode())
        return requests

    def _cpu(self) -> float:
        used = 0.0
        for root in {p.pid: p for top in self.roots for p in [top, *top.children(recursive=True)]}.values():
            try:
                times = root.cpu_times()
                used += times.user + times.system
            except psutil.NoSuchProcess:
                continue
        return used

    def measure(self, progress: Progress) -> list[Way]:
        """Ask in all ways, in turns. Raises CannotRun for an answer that is not 200 or not the same."""
        ways = {name: Way(name) for name in WAYS}
        me = psutil.Process()
        bodies = {}
        for number in range(self.options.rounds + 1):
            progress(f"round {number} of {self.options.rounds}" if number else "warming up")
            turn = number % len(WAYS)
            for name in WAYS[turn:] + WAYS[:turn]:
                before, mine = self._cpu(), sum(me.cpu_times()[:2])
                port = self.bare_port if name == "bare" else self.state.port
                block = _flood(port, self._requests(name), self.options.seconds if number else 0.5)
                mine, before = sum(me.cpu_times()[:2]) - mine, self._cpu() - before  # in this order: looking costs, too
                bodies[name] = json.loads(api.body(block.first))
                if set(block.statuses) != {200}:
                    raise CannotRun(f"`{name}` answered {dict(block.statuses)}")
                if number:
                    way = ways[name]
                    way.rates.append(block.requests / block.seconds)
                    way.requests += block.requests
                    way.hits += block.hits
                    way.server_seconds += before
                    way.client_seconds += mine
                    way.bytes = len(block.first)
        if not bodies["bare"] or bodies["cached"] != bodies["bare"] or bodies["uncached"] != bodies["bare"]:
            raise CannotRun("the ways do not give the same rows")
        return list(ways.values())

    async def mix(self) -> dict[str, Any]:
        """Have users do what the requirement says, and return what of it the gateway answered."""
        asked: Counter[str] = Counter()
        hits: Counter[str] = Counter()
        statuses: Counter[int] = Counter()
        with connect(self.state.dsn("migrator"), autocommit=True) as connection:
            tokens = [self._token(connection) for _ in range(self.options.users)]
            place, item = connection.execute(
                "select (select id::text from core.location where org_id = %(org)s and kind = 'WAREHOUSE' limit 1), "
                "(select id::text from core.item where org_id = %(org)s limit 1)",
                {"org": self.org},
            ).fetchone() or (None, None)
        names, weights = [name for name, _, _ in MIX], [weight for _, weight, _ in MIX]
        paths = {name: path for name, _, path in MIX}
        until = time.monotonic() + self.options.mix_seconds

        async def user(number: int, token: str) -> None:
            chance = random.Random(number)
            line = Line(self.state.port)
            await asyncio.sleep(chance.uniform(0, 2))  # an address may have a hundred requests under way at a time
            await line.ask("GET", paths["buyers"], token)  # as when signing in: the first answer admits the session
            await asyncio.sleep(chance.uniform(0, 3.5))
            while time.monotonic() < until:
                name = chance.choices(names, weights)[0]
                lines = [{"item_id": item, "quantity": 1}]
                body = {"document_type": "SALE", "from_location_id": place, "lines": lines}
                is_new = name == "new sample"
                status, head, _ = await line.ask(
                    "POST" if is_new else "GET", paths[name], token, body if is_new else None
                )
                statuses[status] += 1
                asked[name] += 1
                hits[name] += _HIT.decode() in head
                await asyncio.sleep(chance.uniform(2, 5))
            line.close()

        await asyncio.gather(*(user(number, token) for number, token in enumerate(tokens)))
        if bad := {status: count for status, count in statuses.items() if status != 200}:
            raise CannotRun(f"the mix was answered {bad}")
        reads = sum(asked.values()) - asked["new sample"]
        return {
            "requests": sum(asked.values()),
            "asked": dict(asked),
            "hits": dict(hits),
            "hit_rate_of_lookups": round(hits["buyers"] / max(asked["buyers"], 1), 4),
            "hit_rate_of_reads": round(sum(hits.values()) / max(reads, 1), 4),
        }


@dataclass
class _Block:
    requests: int = 0
    hits: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    first: bytes = b""


# The socket, two of its methods, what is asked, and what is read into.
_Line = tuple[socket.socket, Callable[[memoryview], int], Callable[[bytes], int], bytes, bytearray, memoryview]


def _flood(port: int, requests: list[bytes], seconds: float) -> _Block:
    """Ask on as many connections as there are requests; each waits for its answer before it asks again."""
    block = _Block()
    lines: dict[int, _Line] = {}
    begun: dict[int, int] = {}  # how much of an answer is there that came in parts
    others: Counter[int] = Counter()
    poll = select.epoll()
    try:
        for request in requests:
            line = socket.create_connection(("127.0.0.1", port))
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            buffer = bytearray(_LARGEST)  # once: a new one for each answer costs more than everything else here
            lines[line.fileno()] = (line, line.recv_into, line.send, request, buffer, memoryview(buffer))
            poll.register(line.fileno(), select.EPOLLIN)
        for line, *_, request, _, _ in lines.values():
            line.sendall(request)
        began = time.perf_counter()
        end = began + seconds
        waiting = len(lines)
        while waiting:
            for number, _ in poll.poll():
                _, receive, send, request, buffer, view = lines[number]
                before = begun.pop(number, 0) if begun else 0
                read = receive(view[before:] if before else view)
                if not read:
                    raise CannotRun(f"the connection to port {port} ended after {block.requests:,} requests")
                size = before + read
                head = buffer.find(b"\r\n\r\n", 0, size)
                length = _LENGTH.search(buffer, 0, head) if head > 0 else None
                if size < head + 4 + int(length[1]) if length else not buffer.endswith(b"0\r\n\r\n", 0, size):
                    begun[number] = size
                    continue
                block.requests += 1
                if not buffer.startswith(b"HTTP/1.1 200 "):
                    others[int(buffer[9:12])] += 1
                if buffer.find(_HIT, 0, head) > 0:
                    block.hits += 1
                if not block.first:
                    block.first = bytes(buffer[:size])
                if time.perf_counter() < end:
                    send(request)
                else:
                    poll.unregister(number)
                    waiting -= 1
        block.seconds = time.perf_counter() - began
    finally:
        poll.close()
        for line, *_ in lines.values():
            line.close()
    block.statuses = others + Counter({200: block.requests - others.total()})
    return block


def text(report: Report) -> str:
    """Return the figures for people."""
    lines = [f"{'way':<10} {'requests/s':>11} {'server CPU':>12} {'client CPU':>12} {'hits':>7} {'bytes':>7}"]
    for way in report.ways:
        w = way.public()
        lines.append(
            f"{w['way']:<10} {w['per_second']:>11,} {w['server_cpu_us']:>9.1f} µs {w['client_cpu_us']:>9.1f} µs "
            f"{w['hit_rate']:>7.2%} {w['bytes']:>7,}"
        )
    mix, found = report.mix, report.found
    lines += [
        "",
        f"cached to bare: {report.throughput:g} times the requests/s (aim: {AIM:g}), "
        f"1/{report.cpu:g} of the servers' CPU",
        f"mix of 002-31: {mix['requests']:,} requests, of the lookups {mix['hit_rate_of_lookups']:.1%} from the cache, "
        f"of all reads {mix['hit_rate_of_reads']:.1%}",
        staleness_text(found),
    ]
    return "\n".join(lines)


def staleness_text(found: Found) -> str:
    """Return what the histories showed, in words."""
    lines = [
        f"{found.histories:,} histories in {found.seconds:g} s, {found.reads:,} reads, {found.hits:,} from the cache: "
        f"the oldest answer was {found.longest_ms:.0f} ms old, a session that had ended was answered for "
        f"{found.longest_session_ms:.0f} ms",
        *found.problems,
    ]
    return "\n".join(lines)


_BARE = """
create role {role} nologin bypassrls;
grant {role} to migrator with set true;
create schema bench;
grant usage on schema bench, core, public to {role};
grant select on core.partner to {role};
create view bench.partners as select * from core.partner;
grant select on bench.partners to {role};
alter view bench.partners owner to {role};
"""
