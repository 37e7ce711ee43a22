"""What the tests of notifications and webhooks share: waiting for the worker, a receiver, and refusals."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import psycopg

Connection = psycopg.Connection[Any]


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.05)
    return found


def caught_up(db: Connection, org_id: Any, reader: str) -> None:
    """Wait until the worker has read every event that an organisation has now."""
    query = (
        "select not exists (select from events.event as e cross join events.feed_cursor as c "
        "where e.org_id = %s and c.reader = %s and (e.xid, e.id) > (c.xid, c.id))"
    )
    until(lambda: (db.execute(query, [org_id, reader]).fetchone() or (False,))[0])


def settled(db: Connection, org_id: Any) -> None:
    """Wait until no transaction of the server, in whatever database, keeps an organisation's events from the feed."""
    query = "select not exists (select from events.event where org_id = %s and xid >= events.horizon())"
    until(lambda: (db.execute(query, [org_id]).fetchone() or (False,))[0])


def refused(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json().get("code")) == (status, code), response.text


@dataclass(frozen=True)
class Request:
    """What a receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """An HTTP server that keeps what it gets; `status` says how it answers, by path, and `gate` holds answers back."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    status: dict[str, int] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)

    def got(self, path: str = "/hook") -> list[Request]:
        return [request for request in list(self.requests) if request.path == path]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a receiver on the loopback address."""
    made = Receiver()
    made.gate.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.requests.append(Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            made.gate.wait(60)
            self.send_response(made.status.get(self.path, 200))
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"taken")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a killed client is part of the tests

    server = Server(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.gate.set()
        server.shutdown()
        server.server_close()


def allow_loopback(connection: Connection) -> None:
    """Let webhooks of this installation reach receivers of the tests."""
    for code, value in (("events.webhook_http", "true"), ("events.webhook_networks", '"127.0.0.0/8"')):
        connection.execute(
            "insert into core.installation_setting (code, value) values (%s, %s::jsonb) "
            "on conflict (code) do update set value = excluded.value",
            [code, value],
        )
