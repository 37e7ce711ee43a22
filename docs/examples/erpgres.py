"""What a program adds to postgrest-py: pages, totals, errors, retries, conflicts (docs/frontends.md)."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, cast
from uuid import UUID

import httpx
from postgrest import SyncPostgrestClient, SyncSelectRequestBuilder
from postgrest.exceptions import APIError

Token = Callable[[bool], str]  # called with True when the token before has expired
List = Callable[[], SyncSelectRequestBuilder]
_BUSY = ("gateway.busy", "core.request_in_flight")
_KEYLESS = ("core.idempotency_key_refused", "gateway.key_")  # nothing was done, and without a key it may be
_UNREACHABLE = {"code": "client.unreachable", "message": "The service cannot be reached."}


class Versioned(TypedDict):
    """A row that can be changed."""

    id: str
    version: int


@dataclass(frozen=True)
class Total:
    """A number of rows: exact up to 10,000."""

    count: int
    is_exact: bool

    def __str__(self) -> str:
        return str(self.count) if self.is_exact else f"{self.count}+"


class ErpgresError(APIError):
    """Any refusal or failure. `code` is stable, `message` may be shown, `request_id` finds the request in the log."""

    def __init__(self, told: Mapping[str, Any], status: int, request_id: str, retry_after: float = 0) -> None:
        plain = {"code": f"http_{status}", "message": f"The request was answered with {status}."}
        super().__init__({**plain, **told})
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def is_retryable(self) -> bool:
        """Nothing is wrong with the request: sent again, with its key, it may succeed."""
        return self.status in (0, 429, 502, 503, 504) or self.code in _BUSY


class Conflict(ErpgresError):
    """Somebody changed the row meanwhile: `current` is what it holds now, None when it is gone."""

    def __init__(self, error: ErpgresError, current: Any) -> None:
        super().__init__(error.json(), error.status, error.request_id)
        self.current = current


def connect(url: str, token: Token | None = None, **options: Any) -> SyncPostgrestClient:
    """Return the client of the API, one for each user and organisation; options are those of Transport."""
    session = httpx.Client(transport=Transport(token, **options), timeout=options.get("timeout", 60))
    return SyncPostgrestClient(f"{url}/api", schema="api", http_client=session, retry_enabled=False)


def pages[Row](
    query: List, row: type[Row], *, by: str = "id", descending: bool = True, size: int = 100
) -> Iterator[list[Row]]:
    """Yield the pages of a list by cursor: the id, or a column that is never null and the id, both selected.

    `query` makes the query of each page, `row` says what a row is (a type that `erpgres types python` writes).
    """
    beyond, start = ("lt", "lte") if descending else ("gt", "gte")
    last: Any = None
    while True:
        page = query().order(by, desc=descending).limit(size)
        if by != "id":
            page = page.order("id", desc=descending)
        if last and by == "id":
            page = page.filter("id", beyond, last["id"])
        elif last:
            value = '"' + str(last[by]).replace("\\", "\\\\").replace('"', '\\"') + '"'
            page = page.filter(by, start, last[by]).or_(f"{by}.{beyond}.{value},id.{beyond}.{last['id']}")
        rows = cast(list[Any], page.execute().data)
        if rows:
            yield rows
        if len(rows) < size:
            return
        last = rows[-1]
        if last[by] is None:
            raise ValueError(f"{by} is null in a row: a cursor needs another column")


def total(query: List) -> Total:
    """Return how many rows a list has: exactly up to 10,000, else "10000+"."""
    first = query().limit(1)
    first.request.headers["Prefer"] = "count=exact"
    count = first.execute().count
    return Total(10000, False) if count is None else Total(count, True)


def update[Row: Versioned](erp: SyncPostgrestClient, view: str, row: Row, change: Mapping[str, object]) -> Row:
    """Change a row as it was read and return it as it is now; raises Conflict when somebody else was quicker."""
    changing = erp.from_(view).update(change).eq("id", row["id"])
    changing.request.headers["If-Match"] = f'"{row["version"]}"'
    changing.request.headers["Accept"] = "application/vnd.pgrst.object+json"
    try:
        return cast(Row, changing.execute().data)
    except ErpgresError as error:
        if error.status != 412:
            raise
        current = erp.from_(view).select("*").eq("id", row["id"]).maybe_single().execute()
        raise Conflict(error, current and current.data) from error


def uuid7() -> str:
    """Return an id in time order (UUID version 7): for rows, and for keys of intents."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return str(UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62))


class Transport(httpx.BaseTransport):
    """The way there and back: token, key, condition, retries.

    At most `attempts` of one request within `patience` seconds; `keep` answers are remembered for If-None-Match.
    """

    def __init__(
        self, token: Token | None = None, *, attempts: int = 6, patience: float = 30, keep: int = 200,
        inner: httpx.BaseTransport | None = None, **_: Any,
    ) -> None:  # fmt: skip
        self.token, self.attempts, self.patience, self.keep = token, attempts, patience, keep
        self.inner = inner or httpx.HTTPTransport()
        self.kept: OrderedDict[str, tuple[str, httpx.Response]] = OrderedDict()
        self.bearer = ""
        self.lock = threading.Lock()  # one renewal for all threads that wait for it

    def close(self) -> None:
        """Close the connections."""
        self.inner.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request until it is answered; raises ErpgresError."""
        headers, reads = request.headers, request.method in ("GET", "HEAD")
        given = headers.get("Idempotency-Key")
        intent = given or uuid7()
        if not reads and self.token:
            headers["Idempotency-Key"] = intent
        headers["X-Request-ID"] = intent
        name = " ".join((request.method, str(request.url), headers.get("Accept", ""), headers.get("Prefer", "")))
        tag, known = self.kept.get(name, ("", None))
        if reads and known:
            headers["If-None-Match"] = tag
        end = time.monotonic() + self.patience
        attempt, renewed = 1, False
        while True:
            used = self._bearer("")
            if used:
                headers["Authorization"] = f"Bearer {used}"
            why: Exception | None = None
            try:
                answer = self.inner.handle_request(request)
                answer.read()
            except httpx.TransportError as cause:
                error, why = ErpgresError(_UNREACHABLE, 0, intent), cause
            else:
                if answer.status_code == 304 and known:
                    return _copy(known)
                if answer.is_success:
                    if reads and "ETag" in answer.headers:
                        self._remember(name, answer)
                    return _copy(answer)
                error = _refused(answer, intent)
            if error.code == "gateway.token_expired" and self.token and not renewed:
                renewed = True
                self._bearer(used)
                continue
            if (error.code or "").startswith(_KEYLESS) and not given and "Idempotency-Key" in headers:
                del headers["Idempotency-Key"]
                continue
            is_safe = reads or "Idempotency-Key" in headers or error.status == 429
            wait = error.retry_after + random.random() * 0.1 * 2**attempt
            if not (error.is_retryable and is_safe) or attempt >= self.attempts or time.monotonic() + wait > end:
                raise error from why
            time.sleep(wait)
            attempt += 1

    def _bearer(self, expired: str) -> str:
        if self.token is None:
            return ""
        with self.lock:
            if self.bearer == expired:
                self.bearer = self.token(expired != "")
            return self.bearer

    def _remember(self, name: str, answer: httpx.Response) -> None:
        with self.lock:
            self.kept[name] = answer.headers["ETag"], answer
            self.kept.move_to_end(name)
            if len(self.kept) > self.keep:
                self.kept.popitem(last=False)


def _copy(answer: httpx.Response) -> httpx.Response:
    told = [pair for pair in answer.headers.multi_items() if pair[0] not in ("content-encoding", "content-length")]
    return httpx.Response(answer.status_code, headers=told, content=answer.content)


def _refused(answer: httpx.Response, intent: str) -> ErpgresError:
    try:
        told = dict(answer.json())
    except ValueError:
        told = {"message": answer.text} if answer.text else {}
    wait = answer.headers.get("Retry-After", "")
    request_id = answer.headers.get("X-Request-ID", intent)
    return ErpgresError(told, answer.status_code, request_id, float(wait) if wait.isdigit() else 0)
