"""Asking through the gateway: many requests over a few kept connections, and what each was answered."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

THREADS = 4
ROLLBACK = "tx=rollback"


@dataclass(frozen=True)
class Ask:
    """A request below /api/. `token` is a bearer token, `body` is sent as JSON."""

    method: str
    path: str
    token: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    content_type: str
    content_range: str

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def code(self) -> str:
        """The stable code of an error, or ''."""
        told = self.json
        return str(told.get("code", "")) if self.status >= 400 and isinstance(told, dict) else ""

    @property
    def word(self) -> str:
        """Status, and the code of an error: `200`, `403 42501`."""
        return f"{self.status} {self.code}".strip()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of a list; none when it is something else."""
        told = self.json
        return told if self.status < 300 and isinstance(told, list) else []

    @property
    def total(self) -> int | None:
        """The exact count that was asked for, or None."""
        total = self.content_range.rpartition("/")[2]
        return int(total) if total.isdigit() else None


class Web:
    """A gateway, asked by a few threads at once. `answers` counts what came, `failed` keeps every 5xx."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers = 0
        self.failed: list[tuple[Ask, Answer]] = []
        self._local = threading.local()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS)

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def all(self, asked: Iterable[Ask]) -> list[Answer]:
        """Send all requests; the answers in the same order."""
        return list(self._pool.map(self.one, asked))

    def by_key[K](self, asked: Mapping[K, Ask]) -> dict[K, Answer]:
        """Send all requests; the answers by the same keys."""
        return dict(zip(asked, self.all(asked.values()), strict=True))

    def one(self, ask: Ask) -> Answer:
        """Send one request. A closed connection is opened again, once."""
        headers = dict(ask.headers)
        body = None
        if ask.body is not None:
            body = json.dumps(ask.body)
            headers.setdefault("Content-Type", "application/json")
        if ask.token:
            headers["Authorization"] = f"Bearer {ask.token}"
        path = f"/api/{ask.path}" + (f"?{urlencode(ask.query)}" if ask.query else "")
        for attempt in (1, 2):
            connection = self._connection()
            try:
                connection.request(ask.method, path, body, headers)
                reply = connection.getresponse()
                answer = Answer(
                    reply.status,
                    reply.read(),
                    reply.getheader("Content-Type") or "",
                    reply.getheader("Content-Range") or "",
                )
                break
            except (http.client.HTTPException, OSError):
                connection.close()
                if attempt == 2:
                    raise
        with self._lock:
            self.answers += 1
            if answer.status >= 500:
                self.failed.append((ask, answer))
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        found: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        return found


def prefer(*wishes: str) -> dict[str, str]:
    """A Prefer header."""
    return {"Prefer": ", ".join(wishes)}


def columns(names: Sequence[str]) -> str:
    """A select list."""
    return ",".join(names)
