"""The versions of the data, told to the gateway: what its kept answers depend on, and until when it may believe so.

The gateway's moments are of its own clock, and this process never reads a clock to date anything: each answer of the
gateway brings a moment, the next look at the database begins after it, and what was seen is told with that moment.
All that was committed before it is then in the versions. `docs/caching/gateway.md` has the argument.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

LOOK_SECONDS = 0.02
IDLE_SECONDS = 0.25
_IDLE_AFTER_SECONDS = 3.0
_COUNTS_SECONDS = 1.0
_REFRESH_SECONDS = 900.0  # the gateway forgets what it was not told for an hour
_AGAIN_SECONDS = 0.25
_LEASE_SECONDS = 0.1  # longer than the gateway believes anything
_MOST_ORGANIZATIONS = 1000
_PART = 2000  # entries in one message
_NOBODY = "00000000-0000-0000-0000-000000000000"

CLASSES = ("lookup", "style", "material")

_ADMISSION = "session_end"  # core.tg_session__note_end: an open session has ended, or may do less from now on

_VIEWS = """
  select s.view_name, s.sources, s.cache_class, s.view_name = any (array(select core.shared_views()))
  from core.api_source as s
  where s.cache_class = any (%s) and s.is_tagged and s.time_dependence = 'none'
"""
_REVISION = "select coalesce(string_agg(distinct s.revision, ' ' order by s.revision), '') from core.api_source as s"
# What this snapshot sees and the one before did not: what began after that one, and what was under way then.
_LOOK = f"""
  select
    pg_current_snapshot()::text,
    ({_REVISION}),
    array(
      select d.org_id || ' ' || d.source || ' ' || d.xid
      from core.data_change as d
      where d.xid >= %s::xid8 or d.xid = any (%s::xid8[])
    )
"""
_NOTE_COUNTS = "select ops.note_cache_use(%s::jsonb)"

log = logging.getLogger("erpgres.relay.versions")


class Broken(Exception):
    """The gateway or the database cannot be told or asked any more on this connection."""


@dataclass
class View:
    """A view whose answers may be kept: what they depend on, and whether members of an organisation share them."""

    name: str
    sources: frozenset[str]
    cache_class: str
    is_shared: bool


@dataclass
class Book:
    """What was told: for each organisation the number of the look that last saw something new for each view.

    A number is never used twice for different data; `epoch` makes those of one connection unlike any other's.
    """

    epoch: str
    views: list[View]
    look: int = 0
    views_of: dict[str, dict[str, int]] = field(default_factory=dict)
    admission_of: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._reading: dict[str, list[View]] = defaultdict(list)
        for view in self.views:
            for source in view.sources:
                self._reading[source].append(view)

    def introduce(self, organizations: Iterable[str]) -> list[str]:
        """Return the entries of organisations that the gateway does not know, or not any more."""
        entries: list[str] = []
        for organization in organizations:
            if organization not in self.views_of:
                self.views_of[organization] = {view.name: self.look for view in self.views}
                self.admission_of[organization] = self.look
            entries += self._entries(organization, self.views)
        return entries

    def remember(self, changes: Iterable[str], ended: Iterable[int]) -> list[str]:
        """Return `organisation source` of what may have changed.

        `changes`: `organisation source transaction` of each seen for the first time; `ended`: transactions that
        were under way at the look before and are not any more. The note of one that ended late may be pruned at once,
        because there is a newer one: so whatever has a newer one may have changed.
        """
        found = set()
        first = min(ended, default=None)
        if first is not None:
            found = {name for name, newest in self._newest.items() if newest > first}
        for change in changes:
            name, _, transaction = change.rpartition(" ")
            found.add(name)
            self._newest[name] = max(self._newest.get(name, 0), int(transaction))
        return list(found)

    def note(self, changes: Iterable[str]) -> list[str]:
        """Take `organisation source` of each change that was seen for the first time; return new entries."""
        self.look += 1
        changed: dict[str, set[str]] = defaultdict(set)
        for change in changes:
            organization, _, source = change.partition(" ")
            changed[organization].add(source)
        everywhere = changed.pop(_NOBODY, set())
        entries: list[str] = []
        for organization in self.views_of if everywhere else changed.keys() & self.views_of.keys():
            sources = changed.get(organization, set()) | everywhere
            fresh = {view.name: view for source in sources for view in self._reading.get(source, ())}
            self.views_of[organization].update(dict.fromkeys(fresh, self.look))
            if _ADMISSION in sources:
                self.admission_of[organization] = self.look
                fresh = {view.name: view for view in self.views}
            entries += self._entries(organization, fresh.values())
        return entries

    def _entries(self, organization: str, views: Iterable[View]) -> list[str]:
        known, admission = self.views_of[organization], self.admission_of[organization]
        entries: list[str] = []
        for view in views:
            entries.append(f"{self.epoch} {organization} {view.name}")
            entries.append(f"{'s' if view.is_shared else 'u'} {self.epoch}.{known[view.name]} {self.epoch}.{admission}")
        return entries


class Gateway:
    """One connection to the gateway's socket; HTTP by hand, since it is fifty messages a second."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, path: Path) -> Gateway:
        """Raises OSError."""
        return cls(*await asyncio.open_unix_connection(str(path)))

    async def tell(
        self,
        epoch: str,
        moment: int = 0,
        entries: list[str] | None = None,
        *,
        clear: bool = False,
        counts: bool = False,
    ) -> dict[str, Any]:
        """Tell entries (key, value, key, value …) and with `moment` that they are complete. Raises Broken."""
        entries = entries or []
        while len(entries) > _PART:
            await self._say({"epoch": epoch, "entries": entries[:_PART], "clear": clear})
            entries, clear = entries[_PART:], False
        return await self._say({
            "epoch": epoch, "moment": moment, "entries": entries, "clear": clear, "counts": counts
        })  # fmt: skip

    async def _say(self, told: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(told).encode()
        try:
            self._writer.write(
                b"POST /versions HTTP/1.1\r\nHost: gateway\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 5)
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            answer = await asyncio.wait_for(self._reader.readexactly(int(length.partition(b":")[2])), 5)
            if not head.startswith(b"HTTP/1.1 200"):
                raise Broken(head.partition(b"\r\n")[0].decode("latin-1"))
            result: dict[str, Any] = json.loads(answer)
        except (OSError, EOFError, TimeoutError, StopIteration, ValueError, asyncio.LimitOverrunError) as error:
            raise Broken(str(error) or type(error).__name__) from error
        return result

    async def close(self) -> None:
        """Close it."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class Versions:
    """Looks for changes while the gateway is asked for answers that it might keep, and tells it."""

    def __init__(self, dsn: str, socket: Path) -> None:
        self._dsn = dsn
        self._socket = socket
        self._hurry = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._told_at = float("-inf")
        self._noted: dict[str, int] | None = None  # what of the gateway's counts is in the database
        self._said: str | None = None

    async def settle(self) -> None:
        """Return when the gateway gives no answer any more that lacks what is committed now.

        Those who are told of a change ask again at once, and must not get the answer of before.
        """
        left = self._told_at + _LEASE_SECONDS - time.monotonic()
        if left <= 0:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._hurry.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(future, left)

    async def run(self) -> None:
        """Tell for ever; whatever breaks, what was told ends by itself and all begins anew with another epoch."""
        while True:
            if self._socket.exists():
                try:
                    await self._serve()
                except (Broken, OSError, psycopg.Error) as error:
                    self._say(f"the versions of the data cannot be told: {str(error).strip().partition(chr(10))[0]}")
            await asyncio.sleep(_AGAIN_SECONDS)

    def _say(self, text: str | None) -> None:
        if text and text != self._said:
            log.warning(text)
        self._said = text

    async def _serve(self) -> None:
        gateway = await Gateway.connect(self._socket)
        try:
            async with await psycopg.AsyncConnection.connect(
                self._dsn, autocommit=True, connect_timeout=5, prepare_threshold=0, application_name="erpgres versions"
            ) as connection:
                await self._follow(gateway, connection)
        finally:
            await gateway.close()

    async def _follow(self, gateway: Gateway, connection: psycopg.AsyncConnection[Any]) -> None:
        """Tell until something breaks or the views of the API change."""
        cursor = await connection.execute(f"select pg_current_snapshot()::text, ({_REVISION})")
        row = await cursor.fetchone()
        assert row is not None
        snapshot, revision = row
        cursor = await connection.execute(_VIEWS, [list(CLASSES)])
        views = [
            View(name, frozenset(sources), kind, shared) for name, sources, kind, shared in await cursor.fetchall()
        ]
        book = Book(secrets.token_hex(8), views)
        known = [word for view in views for word in (f"v {view.name}", view.cache_class)]
        reply = await gateway.tell(book.epoch, 0, known, clear=True, counts=True)
        if self._noted is None:
            self._noted = reply["counts"]
        # What is newer than something under way now (see Book.remember).
        cursor = await connection.execute(_LOOK, [snapshot.split(":")[0], []])
        row = await cursor.fetchone()
        assert row is not None
        book.remember(row[2], ())
        self._say(None)
        active_until = counted_at = 0.0
        told_at = time.monotonic()
        while len(book.views_of) <= _MOST_ORGANIZATIONS:
            now = time.monotonic()
            if reply["wanted"]:
                active_until = now + _IDLE_AFTER_SECONDS
            if now >= active_until:
                self._hurry.clear()
                reply = await gateway.tell(book.epoch, 0, known if now - told_at > _REFRESH_SECONDS else None)
                if now - told_at > _REFRESH_SECONDS:
                    told_at = now
                if not reply["wanted"]:
                    await self._pause(IDLE_SECONDS)
                continue
            # From here on the moment of the last reply is before the snapshot.
            waiting, self._waiting = self._waiting, []
            self._hurry.clear()
            _, xmax, under_way = snapshot.split(":")
            cursor = await connection.execute(_LOOK, [xmax, under_way.split(",") if under_way else []], prepare=True)
            row = await cursor.fetchone()
            assert row is not None
            snapshot, found, changes = row
            if found != revision:
                return
            ended = set(filter(None, under_way.split(","))) - set(snapshot.split(":")[2].split(","))
            entries = book.note(book.remember(changes, map(int, ended))) + book.introduce(reply["wanted"])
            counts = now - counted_at >= _COUNTS_SECONDS
            if now - told_at > _REFRESH_SECONDS:
                entries += known
                told_at = now
            self._told_at = time.monotonic()
            reply = await gateway.tell(book.epoch, reply["now"], entries, counts=counts)
            for future in waiting:
                if not future.done():
                    future.set_result(None)
            if counts:
                counted_at = now
                if await self._note_counts(connection, reply["counts"]):
                    active_until = now + _IDLE_AFTER_SECONDS
            await self._pause(max(0.0, LOOK_SECONDS - (time.monotonic() - now)))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)

    async def _note_counts(self, connection: psycopg.AsyncConnection[Any], counts: dict[str, int]) -> bool:
        """Add what was counted since the last time to the database; return whether there was anything."""
        news: dict[str, int] = {}
        for name, count in counts.items():
            before = (self._noted or {}).get(name, 0)
            if count != before:
                news[name] = count - before if count > before else count  # less: another gateway process began
        if news:
            await connection.execute(_NOTE_COUNTS, [json.dumps(news)], prepare=True)
        self._noted = counts
        return bool(news)
