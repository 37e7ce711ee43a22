"""Clients of an HTTP API that ask, wait for the answer and ask again, as many as there are connections.

One process, one loop, requests that are written beforehand and answers that are only measured: about 40 µs of CPU a
request, the same for every server, so that what the servers cost is what differs. HTTP/1.1, connections are kept.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class Block:
    """What some clients saw: seconds, the seconds of each answer, and how many had which status."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    first: bytes = b""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds


def run(port: int, requests: Iterator[bytes], clients: int, seconds: float = 1e9) -> Block:
    """Send requests to a port of the loopback until they or the time are over. Raises OSError without a server."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_run(port, requests, clients, seconds))
    return uvloop.run(_run(port, requests, clients, seconds))


async def _run(port: int, requests: Iterator[bytes], clients: int, seconds: float) -> Block:
    block = Block()
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: _Client(block, requests), "127.0.0.1", port) for _ in range(clients)]
    began = time.perf_counter()
    protocols = [protocol for _, protocol in made]
    for protocol in protocols:
        protocol.begin(began + seconds)
    await asyncio.gather(*(protocol.done for protocol in protocols))
    block.seconds = time.perf_counter() - began
    for transport, _ in made:
        transport.close()
    return block


class _Client(asyncio.Protocol):
    def __init__(self, block: Block, requests: Iterator[bytes]) -> None:
        self._block = block
        self._requests = requests
        self._answer = bytearray()
        self._end = self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def begin(self, end: float) -> None:
        """Send the first request."""
        self._end = end
        self._send()

    def _send(self) -> None:
        request = next(self._requests, None) if time.perf_counter() < self._end else None
        if request is None:
            if not self.done.done():
                self.done.set_result(None)
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head = self._answer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._answer, 0, head)
        if length is None:
            if not self._answer.endswith(b"0\r\n\r\n"):  # chunked: all of them have come
                return
        elif len(self._answer) < head + 4 + int(length[1]):
            return
        self._block.latencies.append(time.perf_counter() - self._sent)
        self._block.statuses[int(self._answer[9:12])] += 1
        if not self._block.first:
            self._block.first = bytes(self._answer)
        self._answer.clear()
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the server closed the connection"))
