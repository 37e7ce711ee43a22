"""One connection as the hub sees it: who it is, what it wants, where it stands, and what waits to be sent."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from erpgres.relay.database import Claims, session, subject
from erpgres.relay.protocol import Chunk, Cursor, Ended, Filters

if TYPE_CHECKING:
    from erpgres.relay.hub import Group

CHECK_SECONDS = 60.0
HEARTBEAT_SECONDS = 15.0
_FIRST_HEARTBEAT_SECONDS = 3.0  # brings a cursor that survives a crash of the database, see Hub.safe
_GIVE_UP_SECONDS = 2.0

# What may wait for a client that does not read: then it is cut off.
MOST_EVENTS = 2000
MOST_BYTES = 4 << 20


class Subscriber:
    """A connection that was let in. Filled by the hub, emptied by `run`."""

    def __init__(self, claims: Claims, filters: Filters, audience: str, position: Cursor) -> None:
        self.filters = filters
        self.audience = audience
        self.position = position
        self.is_caught_up = False
        self.group: Group | None = None
        self.follower: asyncio.Task[None] | None = None
        self.ending: Ended | None = None
        self.sent = 0
        self.told = position  # the newest cursor it was or will be sent
        self._pending: deque[Chunk] = deque()
        self._events = 0
        self._bytes = 0
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._sender: asyncio.Task[None] | None = None
        now = time.monotonic()
        self.next_check = now + CHECK_SECONDS * random.uniform(0.5, 1.0)
        self.next_heartbeat = now + _FIRST_HEARTBEAT_SECONDS
        self.renew(claims)

    def renew(self, claims: Claims) -> None:
        """Take the claims of a newer token of the same user."""
        self.claims = claims
        self.subject = subject(claims)
        self.session = session(claims)
        self.expires_at = float(claims["exp"])

    @property
    def organization(self) -> str | None:
        """The organisation whose events it may see; None: any (a SUPER_ADMIN)."""
        return None if self.claims["role"] == "superadmin" else str(self.claims["org_id"])

    def push(self, chunk: Chunk) -> None:
        """Put something to be sent; a client that lets too much pile up behind it is cut off."""
        if self.ending:
            return
        is_behind = not self._empty.is_set()
        self._pending.append(chunk)
        self.told = max(self.told, chunk.cursor)
        self._events += len(chunk.events)
        self._bytes += chunk.size
        if is_behind and (self._events > MOST_EVENTS or self._bytes > MOST_BYTES):
            self.cut(Ended("realtime.too_slow"))
            return
        self._empty.clear()
        self._wake.set()

    @property
    def is_idle(self) -> bool:
        """Say whether everything was sent."""
        return self._empty.is_set()

    async def drained(self, seconds: float | None = None) -> None:
        """Wait until everything was sent, or the time is up."""
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            return

    def cut(self, ended: Ended) -> None:
        """End the connection: nothing that waits is sent any more, but why it ends is."""
        if self.ending:
            return
        self.ending = ended
        self._pending.clear()
        self._empty.set()
        self._wake.set()
        if self._sender:  # it may be waiting for a client that reads nothing at all
            asyncio.get_running_loop().call_later(_GIVE_UP_SECONDS, self._sender.cancel)

    async def run(self, send: Callable[[Chunk], Awaitable[None]]) -> None:
        """Send what comes until the connection is to end. Ended by `cut`, or by cancelling it."""
        self._sender = asyncio.current_task()
        while not self.ending:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                chunks = list(self._pending)
                self._pending.clear()
                chunk = chunks[0] if len(chunks) == 1 else joined(chunks)
                await send(chunk)
                self._events -= len(chunk.events)
                self._bytes -= chunk.size
                self.sent += len(chunk.events)
            self._empty.set()


def joined(chunks: list[Chunk]) -> Chunk:
    """Make one chunk of several; heartbeats among events are lost, their cursor is not."""
    return Chunk(chunks[-1].cursor, [event for chunk in chunks for event in chunk.events])
