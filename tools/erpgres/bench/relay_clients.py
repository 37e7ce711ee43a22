"""Many WebSocket clients in one process, for `erpgres bench relay`; started by it, with its orders on standard input.

They share two cores with what they measure, so they do little: no library, one pass over the bytes. A line of JSON on
standard input says what to open; a line on standard output says when all are ready; the next line on standard input
ends it, and the last line on standard output holds what each heard and when (CLOCK_MONOTONIC, the same for all
processes of a machine).
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import sys
import time
from typing import Any

import uvloop

_ENTITY_ID = re.compile(rb'"entity_id": ?"([0-9a-f-]{36})"')
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_AT_ONCE = 50


class Client(asyncio.Protocol):
    """One connection: says hello, notes the id of each entity it hears of."""

    def __init__(self, host: str, hello: dict[str, Any]) -> None:
        self.host = host
        self.hello = json.dumps(hello).encode()
        self.heard: list[tuple[float, bytes]] = []
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_lost = False
        self._buffer = bytearray()
        self._is_open = False
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Ask for a WebSocket."""
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /realtime/ws HTTP/1.1\r\nHost: {self.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        """Take note of it."""
        self.is_lost = True
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"not let in: {bytes(self._buffer[:200])!r}"))

    def data_received(self, data: bytes) -> None:
        """Read what has come, with the time at which it came."""
        now = time.monotonic()
        self._buffer += data
        if not self._is_open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head[:20]:
                self._transport.abort()
                return
            self._is_open = True
            self._buffer = rest
            self._send(_TEXT, self.hello)
        while (frame := self._frame()) is not None:
            self._take(*frame, now)

    def _frame(self) -> tuple[int, bytes] | None:
        """Cut one frame (RFC 6455) off the buffer: operation and content; a server's are neither masked nor split."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1] & 127, 2
        if size == 126:
            size, start = int.from_bytes(buffer[2:4]), 4
        elif size == 127:
            size, start = int.from_bytes(buffer[2:10]), 10
        if len(buffer) < start + size:
            return None
        content = bytes(buffer[start : start + size])
        operation = buffer[0] & 15
        del buffer[: start + size]
        return operation, content

    def _take(self, operation: int, content: bytes, now: float) -> None:
        if operation == _PING:
            self._send(_PONG, content)
        elif operation == _CLOSE:
            self._transport.close()
        elif content.startswith(b'{"type":"events"'):
            self.heard += [(now, found) for found in _ENTITY_ID.findall(content)]
        elif not self.ready.done():
            if b'"ready"' in content[:20]:
                self.ready.set_result(None)
            else:
                self.ready.set_exception(ConnectionError(content.decode()))

    def _send(self, operation: int, content: bytes) -> None:
        size = len(content)
        head = bytes([0x80 | operation])
        head += bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + size.to_bytes(2)
        self._transport.write(head + bytes(4) + content)  # masked with zeros

    def close(self) -> None:
        """Drop the connection."""
        self._transport.abort()


async def main() -> None:
    """Open what the first line asks for, and tell what was heard when the second comes."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    asked = json.loads(await lines.readline())
    free = asyncio.Semaphore(_AT_ONCE)

    async def dial(number: int, hello: dict[str, Any]) -> Client:
        address = f"127.0.{1 + number % 20}.1"  # the gateway counts connections by address
        async with free:
            _, client = await loop.create_connection(
                lambda: Client(asked["host"], hello), asked["host"], asked["port"], local_addr=(address, 0)
            )
            async with asyncio.timeout(60):
                await client.ready
        return client

    began = time.monotonic()
    clients = await asyncio.gather(*(dial(number, hello) for number, hello in enumerate(asked["hellos"])))
    print(json.dumps({"ready": time.monotonic() - began}), flush=True)
    await lines.readline()
    heard = [[(at, name.decode()) for at, name in client.heard] for client in clients]
    print(json.dumps({"heard": heard, "lost": sum(client.is_lost for client in clients)}), flush=True)
    for client in clients:
        client.close()


if __name__ == "__main__":
    uvloop.run(main())
