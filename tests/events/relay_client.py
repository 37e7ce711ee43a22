"""A client of the relay for tests: hears what comes by WebSocket, with deadlines instead of sleeps."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from erpgres.stack.state import State

SECONDS = 15.0


class Listener:
    """One WebSocket; `events` are those heard so far, `cursor` is where it stands."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []
        self.cursor: str | None = None
        self.error: dict[str, Any] | None = None

    def say(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def hear(self, seconds: float = SECONDS) -> dict[str, Any]:
        """Return the next message, whatever it is. Raises TimeoutError, ConnectionClosed."""
        message: dict[str, Any] = json.loads(self.socket.recv(timeout=seconds))
        self.cursor = message.get("cursor", self.cursor)
        self.events += message.get("events", [])
        if message["type"] == "error":
            self.error = message
        return message

    def wait(self, kind: str, seconds: float = SECONDS) -> dict[str, Any]:
        """Return the next message of a kind."""
        deadline = time.monotonic() + seconds
        while (message := self.hear(deadline - time.monotonic()))["type"] != kind:
            pass
        return message

    def until(
        self, condition: Callable[[list[dict[str, Any]]], bool], seconds: float = SECONDS
    ) -> list[dict[str, Any]]:
        """Hear until the events heard fulfil a condition; return them."""
        deadline = time.monotonic() + seconds
        while not condition(self.events):
            self.hear(deadline - time.monotonic())
        return self.events

    def end(self, seconds: float = SECONDS) -> tuple[int, str]:
        """Hear until the relay ends the connection; return its close code and the code of the error before."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                self.hear(max(0.0, deadline - time.monotonic()))
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "the connection broke without a close frame"
            assert self.error is not None and self.error["code"] == closed.rcvd.reason
            return closed.rcvd.code, closed.rcvd.reason


@contextmanager
def dial(state: State, headers: dict[str, str] | None = None, queue: int = 16) -> Iterator[Listener]:
    """Connect and say nothing yet; so many messages are read ahead, with one only as little as the system allows."""
    url = f"{state.url}/realtime/ws".replace("http", "ws", 1)
    there = urlsplit(url)
    wire = socket.socket()
    if queue == 1:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    wire.connect((there.hostname, there.port))
    with connect(
        url, sock=wire, additional_headers=headers, compression=None, close_timeout=1, max_size=1 << 26,
        max_queue=queue,
    ) as connection:  # fmt: skip
        yield Listener(connection)


@contextmanager
def listening(state: State, token: str, queue: int = 16, **hello: Any) -> Iterator[Listener]:
    """Connect, say hello and hear that it is ready."""
    with dial(state, queue=queue) as listener:
        listener.say(type="hello", token=token, **hello)
        listener.wait("ready")
        yield listener


class Stream:
    """Server-sent events, read one by one."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def next(self) -> dict[str, str]:
        """Return the fields of the next event."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line:
                return fields
            name, _, value = line.partition(": ")
            fields[name] = value
        raise EOFError

    def event(self) -> tuple[str, dict[str, Any]]:
        """Return the id and the content of the next event of the feed."""
        while "event" in (fields := self.next()):
            pass
        return fields["id"], json.loads(fields["data"])


@contextmanager
def streaming(state: State, token: str, last: str | None = None, **query: str) -> Iterator[Stream]:
    """Open a stream of server-sent events."""
    headers = {"Authorization": f"Bearer {token}", **({"Last-Event-ID": last} if last else {})}
    with (
        httpx.Client(timeout=SECONDS) as client,
        client.stream("GET", f"{state.url}/realtime/events", params=query, headers=headers) as response,
    ):
        yield Stream(response)
