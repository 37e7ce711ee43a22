"""Connections that are cut at every point, and requests that are sent again with the same Idempotency-Key.

A request to the API is cut after each byte that the client sends and before each byte of the answer that he reads;
while the database stands still at a chosen moment of it, the client goes, the session of the database is ended, or
PostgREST is killed. Each time the client then sends the same request until it is answered. What must hold: one effect,
and an answer that is the same again.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import struct
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import psycopg
from psycopg import sql

from erpgres.errors import CannotRun
from erpgres.stack.processes import find
from erpgres.stack.state import State
from erpgres.tokens import open_session, sign

Connection = psycopg.Connection[Any]

CASES = ("insert", "update", "function")
# What a request waits for when somebody holds the table: the key is not noted yet; it is, and nothing else is done; the
# row is written, and the event of it is not.
MOMENTS = {"before": "core.idempotency", "noted": "core.partner", "written": "events.event"}
COMMITTED = "committed"  # on disk, and PostgREST does not know it yet
ENDS = ("client", "session", "postgrest")

_GONE_AGAIN = (OSError, TimeoutError)


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers with names in lower case, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_replayed(self) -> bool:
        """Whether it says that it is the answer to an earlier request."""
        return self.headers.get("idempotency-replayed") == "true"


@dataclass
class Tried:
    """One way of cutting: at how many points, how often the request was sent in all, and what was wrong."""

    case: str
    cut: str
    points: int = 0
    sent: int = 0
    replayed: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Request:
    """A request to be cut: its bytes, and the row whose effects are counted."""

    case: str
    id: str
    target: uuid.UUID
    data: bytes


class Cutter:
    """A client of the running stack with an organisation of its own, who cuts what he sends."""

    def __init__(self, state: State, db: Connection) -> None:
        """`db` is a session of the tools (migrator), each statement its own transaction."""
        self.state = state
        self.db = db
        tag = uuid.uuid4().hex[:12].upper()
        self.org = self._one("select core.create_organization(%s, %s, 'BD', 'USD')", f"CUT{tag}", f"Cut {tag}")
        self.user = self._one(
            "insert into core.app_user (email, name, kind) values (%s, %s, 'INTERNAL') returning id",
            f"{tag.lower()}@example.com", "Cutter",
        )  # fmt: skip
        db.execute(
            "insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [self.org, self.user]
        )
        role = self._one(
            "insert into core.role (org_id, code, name, is_administrator) values (%s, 'cutter', 'Cutter', true)"
            " returning id",
            self.org,
        )
        db.execute(
            "insert into core.user_role (org_id, user_id, role_id) values (%s, %s, %s)", [self.org, self.user, role]
        )
        self.claims = {"role": "member", "sub": str(self.user), "org_id": str(self.org)}
        self.claims["sid"] = open_session(db, self.claims, 240)
        self.token = sign(self.claims, state.secret("jwt.key").strip(), 240)

    def _one(self, query: str, *values: Any) -> Any:
        row = self.db.execute(query, values).fetchone()
        assert row is not None
        return row[0]

    # ---- requests ---------------------------------------------------------------------------------------------------

    def requests(self, case: str, count: int) -> list[Request]:
        """Make requests of a case, each with a key, a request id and a partner of its own."""
        targets = self.db.execute(
            "insert into core.partner (org_id, code, name) select %s, 'CUT-' || n || %s, 'Cut ' || n"
            " from generate_series(1, %s) as n returning id",
            [self.org, uuid.uuid4().hex[:8], count],
        ).fetchall()
        return [self._request(case, target) for (target,) in targets]

    def _request(self, case: str, target: uuid.UUID) -> Request:
        method, path, body = {
            "insert": ("POST", "/api/contacts", {"partner_id": str(target), "name": "Ann", "email": "a@example.com"}),
            "update": ("PATCH", f"/api/partners?id=eq.{target}", {"name": "Other"}),
            "function": ("POST", "/api/rpc/partner_hold", {"id": str(target), "reason": "unpaid"}),
        }[case]
        id = f"cut-{uuid.uuid4()}"
        return Request(case, id, target, self.written(method, path, body, id, str(uuid.uuid4())))

    def written(self, method: str, path: str, body: Any, id: str, key: str | None) -> bytes:
        """Write a request that closes its connection."""
        text = json.dumps(body)
        lines = [
            f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", "Content-Type: application/json",
            f"Content-Length: {len(text)}", f"Authorization: Bearer {self.token}", f"X-Request-ID: {id}",
            "Prefer: return=representation",
        ]  # fmt: skip
        if key is not None:
            lines.append(f"Idempotency-Key: {key}")
        return ("\r\n".join(lines) + "\r\n\r\n" + text).encode()

    def effects(self, requests: Sequence[Request]) -> dict[uuid.UUID, int]:
        """Count what the requests of one case did: rows made, versions gone by, or events written."""
        query = {
            "insert": "select partner_id, count(*) from core.contact where org_id = %s and partner_id = any(%s)"
            " group by 1",
            "update": "select id, version - 1 from core.partner where org_id = %s and id = any(%s)",
            "function": "select entity_id, count(*) from events.event where org_id = %s and entity = 'partner'"
            " and entity_id = any(%s) and type = 'partner.on_hold' group by 1",
        }[requests[0].case]
        found = dict(self.db.execute(query, [self.org, [r.target for r in requests]]).fetchall())
        return {request.target: found.get(request.target, 0) for request in requests}

    # ---- sending and cutting ----------------------------------------------------------------------------------------

    def connect(self) -> socket.socket:
        """Open a connection to the gateway."""
        return socket.create_connection(("127.0.0.1", self.state.port), timeout=60)

    def send(self, data: bytes) -> Answer:
        """Send a request and read the whole answer. Raises OSError when the connection breaks."""
        with self.connect() as connection:
            connection.sendall(data)
            return read(connection)

    def cut_request(self, data: bytes, at: int) -> None:
        """Send that many bytes and go."""
        with self.connect() as connection:
            connection.sendall(data[:at])
            _reset(connection)

    def cut_answer(self, data: bytes, at: int) -> None:
        """Send all, read that many bytes of the answer, and go."""
        with self.connect() as connection:
            connection.sendall(data)
            left = at
            while left and (got := connection.recv(left)):
                left -= len(got)
            _reset(connection)

    def settle(self, data: bytes, seconds: float = 60) -> tuple[Answer, int]:
        """Send until there is an answer; returns it and how often that took. What says "later" is asked again."""
        until = time.monotonic() + seconds
        sent = 0
        while True:
            sent += 1
            answer = None
            with contextlib.suppress(*_GONE_AGAIN):
                answer = self.send(data)
            if answer is not None and answer.status not in (409, 500, 502, 503, 504):
                return answer, sent
            if time.monotonic() > until:
                raise CannotRun(f"no answer in {seconds:g} seconds", str(answer))
            time.sleep(0.005)

    def try_all(self, case: str, cut: str, points: Sequence[Callable[[Request], None]]) -> Tried:
        """Cut a request of its own at each point, send it again until it is answered, and once more; judge all."""
        tried = Tried(case, cut, len(points))
        requests = self.requests(case, len(points))
        for number, (request, point) in enumerate(zip(requests, points, strict=True)):
            with contextlib.suppress(*_GONE_AGAIN):
                point(request)
            answer, sent = self.settle(request.data)
            again, more = self.settle(request.data)
            tried.sent += 1 + sent + more
            tried.replayed += answer.is_replayed
            if answer.status not in (200, 201) or str(request.target).encode() not in answer.body:
                tried.wrong.append(f"point {number}: {answer.status} {answer.body[:200]!r}")
            elif not again.is_replayed or (again.status, again.body) != (answer.status, answer.body):
                tried.wrong.append(f"point {number}: the answer is not the same again: {again}")
        for number, (target, effects) in enumerate(self.effects(requests).items()):
            if effects != 1:
                tried.wrong.append(f"point {number}: {effects} effects on {target}")
        return tried

    def every_byte(self, case: str, step: int = 1) -> tuple[Tried, Tried]:
        """Cut the request after every `step`-th byte of it, and the answer before every one."""
        first = self.requests(case, 1)[0]
        with self.connect() as connection:
            connection.sendall(first.data)
            length = sum(len(part) for part in iter(lambda: connection.recv(65536), b""))

        def sent(at: int) -> Callable[[Request], None]:
            return lambda request: self.cut_request(request.data, at)

        def received(at: int) -> Callable[[Request], None]:
            return lambda request: self.cut_answer(request.data, at)

        size = len(first.data)
        return (
            self.try_all(case, "request", [sent(at) for at in sorted({*range(0, size + 1, step), size})]),
            self.try_all(case, "answer", [received(at) for at in sorted({*range(0, length + 1, step), length})]),
        )

    # ---- moments ----------------------------------------------------------------------------------------------------

    def moments(self, case: str, ends: Sequence[str] = ENDS) -> Iterator[Tried]:
        """Stop the request at each moment, end something, and let it go on."""
        for moment in (*MOMENTS, COMMITTED):
            table = "core.contact" if (case, moment) == ("insert", "noted") else MOMENTS.get(moment, "")
            for end in ends:
                yield self.try_all(case, f"{moment}, {end}", [lambda r, t=table, e=end: self._stop(r, t, e)])  # type: ignore[misc]

    def _stop(self, request: Request, table: str, end: str) -> None:
        holding = self._held(table) if table else self._no_commit()
        with holding, self._waiting(request) as (connection, pid):
            if end == "session":
                with psycopg.connect(self.state.dsn("postgres"), autocommit=True) as superuser:
                    superuser.execute("select pg_terminate_backend(%s, 5000)", [pid])
            elif end == "postgrest":
                for process in find(self.state):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        if process.name() == "postgrest":
                            process.kill()
                            process.wait(10)
            _reset(connection)

    @contextmanager
    def _held(self, table: str) -> Iterator[None]:
        with psycopg.connect(self.state.dsn("postgres", self.state.database)) as holder:
            holder.execute(sql.SQL("lock table {} in share mode").format(sql.Identifier(*table.split("."))))
            yield
            holder.rollback()

    @contextmanager
    def _no_commit(self) -> Iterator[None]:
        """Let every commit wait for a replica that there is not: it is on disk, and nobody is told."""
        with psycopg.connect(self.state.dsn("postgres"), autocommit=True) as superuser:
            try:
                superuser.execute("alter system set synchronous_standby_names = 'nobody'")
                self._reload(superuser, "nobody")
                yield
            finally:
                superuser.execute("alter system reset synchronous_standby_names")
                self._reload(superuser, "")

    def _reload(self, superuser: Connection, wanted: str) -> None:
        superuser.execute("select pg_reload_conf()")
        until = time.monotonic() + 20
        while superuser.execute("show synchronous_standby_names").fetchone() != (wanted,):
            if time.monotonic() > until:
                raise CannotRun("the setting is not taken over")
            time.sleep(0.01)

    @contextmanager
    def _waiting(self, request: Request) -> Iterator[tuple[socket.socket, int]]:
        """Send a request and wait until its session waits, for a lock or to be told of its commit.

        Yields the connection and the session's process. What is answered 503 is sent again: the pool of PostgREST may
        hold a connection that died of what was ended before.
        """
        until = time.monotonic() + 60
        with psycopg.connect(self.state.dsn("postgres"), autocommit=True) as superuser:
            while time.monotonic() < until:
                with self.connect() as connection:
                    connection.sendall(request.data)
                    while time.monotonic() < until and not select.select([connection], [], [], 0.002)[0]:
                        found = superuser.execute(
                            "select a.pid from pg_stat_activity as a where a.application_name = %s"
                            " and (a.wait_event_type = 'Lock' or a.wait_event = 'SyncRep')",
                            [request.id],
                        ).fetchone()
                        if found:
                            yield connection, int(found[0])
                            return
                    answer = None
                    with contextlib.suppress(*_GONE_AGAIN):
                        answer = read(connection)
                if answer is not None and answer.status != 503:
                    raise CannotRun(f"the request {request.id} does not wait", str(answer))
        raise CannotRun(f"the request {request.id} does not wait")


def read(connection: socket.socket) -> Answer:
    """Read an answer to its end. Raises OSError when it is not whole."""
    data = b"".join(iter(lambda: connection.recv(65536), b""))
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        raise ConnectionResetError("no answer")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    if headers.get("transfer-encoding") == "chunked":
        if not body.endswith(b"0\r\n\r\n"):
            raise ConnectionResetError("half an answer")
        whole = b""
        while (size := re.match(rb"([0-9a-f]+)\r\n", body)) and int(size[1], 16):
            start = size.end()
            whole += body[start : start + int(size[1], 16)]
            body = body[start + int(size[1], 16) + 2 :]
        body = whole
    elif len(body) < int(headers.get("content-length", len(body))):
        raise ConnectionResetError("half an answer")
    return Answer(int(lines[0].split(" ")[1]), headers, body)


def _reset(connection: socket.socket) -> None:
    """Close so that the other side sees a broken connection, not an ended one."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
