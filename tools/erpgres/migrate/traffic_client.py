"""The process that sends what `traffic.Traffic` orders: orders come as lines of JSON, answers go back as such.

First line: where, how fast, what; the answer `{}` comes with the first answer of the API, or `{"error": …}`. Then
`{"do": "mark" | "report" | "stop"}`, each answered by one line.
"""

from __future__ import annotations

import asyncio
import bisect
import heapq
import json
import math
import os
import random
import re
import ssl
import sys
import time
from array import array
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_ID = re.compile(rb'"id": ?"([0-9a-f-]{36})"')
_TICK = 0.004
_VARIANTS = 64  # of each request, written beforehand
_FAILURES = 20  # that are kept as text
_SLOWEST = 5  # that are kept of each phase, with the time they began at
_LIMIT = 0.5  # seconds: longer waits are counted
_LOST = 0


@dataclass
class Seen:
    """The answers of one endpoint in one phase."""

    waits: array[float] = field(default_factory=lambda: array("f"))
    failed: int = 0
    limited: int = 0
    longest: float = 0.0


@dataclass
class Phase:
    """A stretch of time between two marks; it may come back."""

    name: str
    seen: list[Seen]
    seconds: float = 0.0
    began: float = 0.0
    slowest: list[tuple[float, float, int]] = field(default_factory=list)  # wait, beginning, endpoint; a heap

    def keep(self, wait: float, began: float, index: int) -> None:
        """Remember a wait if it is one of the longest."""
        if len(self.slowest) < _SLOWEST:
            heapq.heappush(self.slowest, (wait, began, index))
        elif wait > self.slowest[0][0]:
            heapq.heapreplace(self.slowest, (wait, began, index))


class Mix:
    """The requests, ready to send."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self._random = random.Random(7)
        self._next = self._number = 0
        self._values: dict[str, list[str]] = orders["values"]
        self._tokens: list[str] = orders["tokens"]
        self._host = orders["host"]
        self.endpoints: list[dict[str, Any]] = orders["endpoints"]
        self.pools: dict[str, deque[str]] = {e["gives"]: deque(maxlen=10_000) for e in self.endpoints if e.get("gives")}
        self._fixed = [
            None if e.get("take") or "{n}" in e.get("body", "") else [self._write(e) for _ in range(_VARIANTS)]
            for e in self.endpoints
        ]
        self._order = self._shuffled()

    def _shuffled(self) -> list[int]:
        """Spread the endpoints by weight."""
        order = [index for index, e in enumerate(self.endpoints) for _ in range(int(e.get("weight", 1)))]
        self._random.shuffle(order)
        return order

    def take(self) -> tuple[int, bytes, str | None]:
        """Return the next request: its endpoint, its bytes, and the value it took out of a pool."""
        while True:
            index = self._order[self._next % len(self._order)]
            self._next += 1
            fixed = self._fixed[index]
            if fixed is not None:
                return index, fixed[self._next % _VARIANTS], None
            endpoint = self.endpoints[index]
            if not endpoint.get("take"):
                return index, self._write(endpoint), None
            pool = self.pools[endpoint["take"]]
            if pool:
                value = pool.popleft()
                return index, self._write(endpoint, value), value

    def _write(self, endpoint: dict[str, Any], taken: str = "") -> bytes:
        self._number += 1
        path, body = str(endpoint["path"]), str(endpoint.get("body", ""))
        for name, value in (("take", taken), ("n", str(self._number))):
            path, body = path.replace("{" + name + "}", value), body.replace("{" + name + "}", value)
        for name, values in self._values.items():
            if "{" + name + "}" in path + body:
                value = self._random.choice(values)
                path, body = path.replace("{" + name + "}", value), body.replace("{" + name + "}", value)
        method = endpoint.get("method", "GET")
        lines = [
            f"{method} /api/{path} HTTP/1.1", f"Host: {self._host}", "Accept: application/json",
            f"Authorization: Bearer {self._random.choice(self._tokens)}",
        ]  # fmt: skip
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body.encode())}"]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


class Sender:
    """Sends at a rate over connections that are kept, and keeps the books."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self.orders = orders
        self.mix = Mix(orders)
        self.rate = float(orders["rate"])
        self.idle: deque[Connection] = deque()
        self.busy = 0
        self.opening = 0
        self.stopping = False
        self.first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.drained = asyncio.Event()
        self.failures: list[str] = []
        self.whole = self._phase("")
        self.phases: dict[str, Phase] = {}
        self.current: Phase | None = None
        self.clock = time.time() - time.perf_counter()
        self.spent = time.process_time()
        self.context: ssl.SSLContext | None = None
        if orders["tls"]:
            self.context = ssl.create_default_context()
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE

    def _phase(self, name: str) -> Phase:
        return Phase(name, [Seen() for _ in self.mix.endpoints], began=time.perf_counter())

    async def open(self) -> None:
        """Open one more connection. Raises OSError."""
        self.opening += 1
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: Connection(self), self.orders["host"], self.orders["port"], ssl=self.context
            )
        finally:
            self.opening -= 1

    async def run(self) -> None:
        """Send until stopped."""
        loop = asyncio.get_running_loop()
        owed, last = 0.0, time.perf_counter()
        tasks: set[asyncio.Task[None]] = set()
        while not self.stopping:
            await asyncio.sleep(_TICK)
            now = time.perf_counter()
            # What could not be sent because every connection waits is not made up for: the rate is a ceiling.
            owed = min(owed + (now - last) * self.rate, max(1.0, self.rate * 0.05))
            last = now
            while owed >= 1 and self.idle:
                owed -= 1
                self.idle.popleft().send(*self.mix.take())
            missing = int(self.orders["connections"]) - self.busy - len(self.idle) - self.opening - len(tasks)
            for _ in range(missing):
                task = loop.create_task(self._reopen())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        for task in tasks:
            task.cancel()

    async def _reopen(self) -> None:
        try:
            await self.open()
        except OSError as error:
            self.lost(0, f"no connection: {error}", time.perf_counter())
            await asyncio.sleep(0.2)

    # ---- books -------------------------------------------------------------------------------------------------------

    def mark(self, name: str) -> None:
        """Begin a phase, or go on with it."""
        now = time.perf_counter()
        if self.current is not None:
            self.current.seconds += now - self.current.began
        self.current = self.phases.setdefault(name, self._phase(name))
        self.current.began = now

    def note(self, index: int, phase: Phase | None, began: float, status: int, answer: bytearray) -> None:
        """Write down an answer, in the phase it was asked in; a wait that lasted into another counts there, too."""
        wait = time.perf_counter() - began
        good = 200 <= status < 400
        for part in (self.whole, phase):
            if part is None:
                continue
            seen = part.seen[index]
            if status == 429:
                seen.limited += 1
                continue
            seen.waits.append(wait)
            seen.failed += not good
            seen.longest = max(seen.longest, wait)
            part.keep(wait, began, index)
        if self.current is not None and self.current is not phase and status != 429:
            seen = self.current.seen[index]
            seen.longest = max(seen.longest, wait)
            self.current.keep(wait, began, index)
        if not good and status != 429 and len(self.failures) < _FAILURES:
            text = answer.partition(b"\r\n\r\n")[2][:300].decode(errors="replace")
            name = f" during {phase.name}" if phase else ""
            self.failures.append(f"{self.mix.endpoints[index]['name']}{name}: {status or 'no answer'} {text}".strip())
        if not self.first.done() and status != _LOST:
            self.first.set_result(None)

    def lost(self, index: int, why: str, began: float) -> None:
        """Write down a request that had no answer."""
        self.note(index, self.current, began, _LOST, bytearray(b"\r\n\r\n" + why.encode()))

    def report(self) -> dict[str, Any]:
        """Return the books."""
        now = time.perf_counter()
        found = self._summary(self.whole, now - self.whole.began)
        found["failures"] = self.failures
        found["cpu_seconds"] = round(time.process_time() - self.spent, 3)
        found["phases"] = {
            name: self._summary(phase, phase.seconds + (now - phase.began if phase is self.current else 0.0))
            for name, phase in self.phases.items()
        }
        return found

    def _summary(self, phase: Phase, seconds: float) -> dict[str, Any]:
        endpoints = []
        every: array[float] = array("f")
        for endpoint, seen in zip(self.mix.endpoints, phase.seen, strict=True):
            every.extend(seen.waits)
            endpoints.append({"name": endpoint["name"], **_figures(seen.waits, seen)})
        whole = Seen(
            every,
            sum(seen.failed for seen in phase.seen),
            sum(seen.limited for seen in phase.seen),
            max(seen.longest for seen in phase.seen),
        )
        slowest = [
            {"name": self.mix.endpoints[index]["name"], "ms": round(1000 * wait, 1), "at": self.clock + began}
            for wait, began, index in sorted(phase.slowest, reverse=True)
        ]
        return {"seconds": round(seconds, 3), **_figures(every, whole), "endpoints": endpoints, "slowest": slowest}


def _figures(waits: array[float], seen: Seen) -> dict[str, Any]:
    ordered = sorted(waits)

    def percentile(share: float) -> float:
        return round(1000 * ordered[max(0, math.ceil(len(ordered) * share) - 1)], 1) if ordered else 0.0

    return {
        "requests": len(ordered), "failed": seen.failed, "limited": seen.limited,
        "over": len(ordered) - bisect.bisect_right(ordered, _LIMIT),
        "longest_ms": round(1000 * seen.longest, 1), "p50_ms": percentile(0.5), "p95_ms": percentile(0.95),
        "p99_ms": percentile(0.99),
    }  # fmt: skip


class Connection(asyncio.Protocol):
    """One connection to the gateway; one request at a time."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._answer = bytearray()
        self._asked: tuple[int, Phase | None, float, str | None] | None = None
        self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready for a request."""
        self._transport = cast(asyncio.Transport, transport)
        self._sender.idle.append(self)

    def send(self, index: int, request: bytes, taken: str | None) -> None:
        """Send a request."""
        self._sender.busy += 1
        self._asked = (index, self._sender.current, time.perf_counter(), taken)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect an answer."""
        self._answer += data
        head = self._answer.find(b"\r\n\r\n")
        if head < 0 or self._asked is None:
            return
        length = _LENGTH.search(self._answer, 0, head + 2)
        status = int(self._answer[9:12])
        if status not in (204, 304):
            if length is None:
                if not self._answer.endswith(b"0\r\n\r\n"):  # chunked: all of them have come
                    return
            elif len(self._answer) < head + 4 + int(length[1]):
                return
        sender = self._sender
        index, phase, began, taken = self._asked
        sender.note(index, phase, began, status, self._answer)
        endpoint = sender.mix.endpoints[index]
        if status < 300 and endpoint.get("gives") and (given := _ID.search(self._answer, head)):
            sender.mix.pools[endpoint["gives"]].append(given[1].decode())
        if taken is not None and (endpoint.get("returns") or status == 429):
            sender.mix.pools[endpoint["take"]].append(taken)
        closes = _CLOSE.search(self._answer, 0, head + 2)
        self._answer.clear()
        self._over()
        if closes:
            self._closed = True
            self._transport.close()
        else:
            sender.idle.append(self)

    def _over(self) -> None:
        self._asked = None
        self._sender.busy -= 1
        if self._sender.busy == 0:
            self._sender.drained.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the request that has no answer; the sender opens another connection."""
        if self in self._sender.idle:
            self._sender.idle.remove(self)
        if self._asked is not None:
            index, _, began, _ = self._asked
            self._sender.lost(index, f"connection lost: {exc or 'closed by the server'}", began)
            self._over()


async def main() -> None:
    """Take the orders."""
    # Clients have machines of their own: what waits here for a processor is not what the API lets wait.
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=2**26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    try:
        sender = Sender(json.loads(await lines.readline()))
        for _ in range(int(sender.orders["connections"])):
            await sender.open()
        running = loop.create_task(sender.run())
        await asyncio.wait_for(asyncio.shield(sender.first), 30)
    except (OSError, TimeoutError) as error:
        _say({"error": str(error) or "no answer within 30 s"})
        return
    _say({})
    while line := await lines.readline():
        order = json.loads(line)
        if order["do"] == "mark":
            sender.mark(order["phase"])
            _say({})
            continue
        if order["do"] == "report":
            await report_aside(sender)
            continue
        sender.stopping = True
        await running
        if sender.busy:
            sender.drained.clear()
            await asyncio.wait_for(sender.drained.wait(), 120)
        _say(sender.report())
        return


async def report_aside(sender: Sender) -> None:
    """Let a copy of this process report: putting the waits in order takes long, and answers would be read late."""
    child = os.fork()
    if child == 0:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, 0)
        try:
            _say(sender.report())
        except BaseException:
            os._exit(1)
        os._exit(0)
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    descriptor = os.pidfd_open(child)

    def end() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        ended.set_result(None)

    loop.add_reader(descriptor, end)
    await ended
    if os.waitpid(child, 0)[1]:
        raise SystemExit("the report could not be made")


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
