"""Who gets which events: subscribers in groups of alike ones, each group read once under the claims of one of it.

Positions. A group stands at a cursor and has read everything before it. A subscriber that comes with an older cursor
reads under its own claims until it reaches what the group still remembers, and joins there; so nothing is sent twice
and nothing is left out. All of this happens in one thread, and nothing is awaited between reading a position and
writing it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

from erpgres.relay.database import Admission, Claims, Database, Down, subject
from erpgres.relay.protocol import Chunk, Cursor, Ended, Event, Filters
from erpgres.relay.subscriber import CHECK_SECONDS, HEARTBEAT_SECONDS, Subscriber
from erpgres.relay.versions import Versions

PAGE = 500
REMEMBERED = 2000  # events of a group, for those who come back
CONNECTIONS_OF_A_USER = 50
BATCH = 100
LOOK_SECONDS = 1.0

_BUSY_SECONDS = 0.01
_QUIET_SECONDS = 0.025
_QUIET_AFTER_SECONDS = 1.0
_DRAIN_SECONDS = 1.0
_SAFE_SECONDS = 2.0

log = logging.getLogger("erpgres.relay")


class Group:
    """Subscribers that see the same events."""

    def __init__(self, hub: Hub, audience: str, organization: str | None, cursor: Cursor) -> None:
        self.hub = hub
        self.audience = audience
        self.organization = organization
        self.cursor = cursor  # everything before it was handed on
        self.seen = cursor  # the last event that was
        self.members: dict[Filters, set[Subscriber]] = {}
        self._remembered: deque[Event] = deque()
        self.floor = cursor  # everything after it, up to `cursor`, is remembered
        self.is_held = False  # while the rights of its members are looked at
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._pump())
        self.wake()

    def wake(self) -> None:
        """Have the group read on."""
        self._wake.set()

    def __iter__(self) -> Any:
        return (subscriber for same in self.members.values() for subscriber in same)

    def add(self, subscriber: Subscriber) -> None:
        """Take in a subscriber that stands at or after `floor`; what it has not seen is sent first."""
        missed = [e for e in self._remembered if e.cursor > subscriber.position and subscriber.filters.passes(e)]
        if missed:
            subscriber.push(Chunk(missed[-1].cursor, missed))
        subscriber.position = max(subscriber.position, self.cursor)
        subscriber.group = self
        self.members.setdefault(subscriber.filters, set()).add(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        """Let a subscriber go, at the position of the group; a group without any ends."""
        same = self.members[subscriber.filters]
        same.discard(subscriber)
        if not same:
            del self.members[subscriber.filters]
        subscriber.position = max(subscriber.position, self.cursor)
        subscriber.group = None
        if not self.members:
            self.hub.forget(self)
            self.wake()

    async def _pump(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while self.members and not self.is_held:
                    if await self._read():
                        break
            except Down as error:
                self.hub.fell(error)  # the poll wakes every group when the database is back
                self.step_back()
            except Exception:
                log.exception("a group cannot be served")
                for subscriber in list(self):
                    subscriber.cut(Ended("realtime.restarting"))
            if not self.members and self.hub.groups.get(self.audience) is not self:
                return

    async def _read(self) -> bool:
        """Read one page and hand it on; return whether it was the last."""
        speaker = next(iter(self))
        page = await self.hub.database.read(speaker.claims, self.cursor, PAGE)
        if page.audience != self.audience:
            # Rights changed since the last look: what this one sees is no longer what the others see.
            await self.hub.check(list(self))
            if speaker.group is self:
                await asyncio.sleep(_QUIET_SECONDS)
            return False
        self._hand_on(page.cursor, page.events)
        if page.is_last:
            return True
        for subscriber in list(self):
            await subscriber.drained(_DRAIN_SECONDS)
        return False

    def _hand_on(self, cursor: Cursor, events: list[Event]) -> None:
        self.cursor = max(self.cursor, cursor)
        if not events:
            return
        first, self.seen = events[0].cursor, events[-1].cursor
        self._remembered.extend(events)
        while len(self._remembered) > REMEMBERED:
            self.floor = self._remembered.popleft().cursor
        for filters, same in list(self.members.items()):
            wanted = [event for event in events if filters.passes(event)]
            if not wanted:
                continue
            chunk = Chunk(self.seen, wanted)
            for subscriber in list(same):
                if subscriber.position < first:
                    subscriber.push(chunk)
                elif rest := [event for event in wanted if event.cursor > subscriber.position]:
                    subscriber.push(Chunk(self.seen, rest))  # it came with a position ahead of the group's

    def step_back(self) -> None:
        """Return to what certainly survived a crash of the database."""
        self.cursor = min(self.cursor, max(self.seen, self.hub.safe or self.seen))


class Hub:
    """All subscribers, the poll that wakes their groups, and the checks that end those who lost their right."""

    def __init__(self, database: Database, most: int, versions: Versions) -> None:
        self.database = database
        self.versions = versions
        self.most = most
        self.groups: dict[str, Group] = {}
        self.subscribers: set[Subscriber] = set()
        self._of_user: Counter[tuple[str, ...]] = Counter()
        self._cursor: Cursor | None = None
        self._safe: deque[tuple[float, Cursor]] = deque()
        self._wanted = asyncio.Event()
        self._waiting: list[tuple[Claims, asyncio.Future[Admission]]] = []
        self._admitting: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._holding: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._has_fallen = False

    def start(self) -> None:
        """Begin to poll and to check."""
        self._tasks = [
            asyncio.create_task(work) for work in (self._poll(), self._tick(), self.versions.run())
        ]  # fmt: skip
        for task in self._tasks:
            task.add_done_callback(self._died)

    def _died(self, task: asyncio.Task[None]) -> None:
        """End the process, so that another is started, when it could only pretend to work."""
        if not task.cancelled():
            log.critical("the relay cannot go on", exc_info=task.exception())
            signal.raise_signal(signal.SIGTERM)

    async def stop(self) -> None:
        """Tell everybody to come back with their cursor, and stop."""
        self._is_stopping = True
        for subscriber in list(self.subscribers):
            subscriber.cut(Ended("realtime.restarting"))
        deadline = time.monotonic() + 3
        while self.subscribers and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for task in self._tasks:
            task.cancel()
        await self.database.close()

    async def health(self) -> dict[str, Any]:
        """Return how things are: for `erpgres status` and for monitoring."""
        is_up = not self._has_fallen and await self.database.ping()
        return {
            "database": "up" if is_up else "down",
            "connections": len(self.subscribers),
            "most_connections": self.most,
            "groups": len(self.groups),
            "reads": self.database.reads,
            "cursor": str(self._cursor) if self._cursor else None,
        }

    # ---- coming and going ------------------------------------------------------------------------------------------

    async def open(self, claims: Claims, filters: Filters, cursor: Cursor | None) -> Subscriber:
        """Let somebody in whose token was verified. Raises Ended."""
        if self._is_stopping:
            raise Ended("realtime.restarting")
        if len(self.subscribers) >= self.most:
            raise Ended("realtime.full")
        admission = await self._admit(claims)
        if cursor and cursor.xid > admission.cursor.xid:
            raise Ended("realtime.cursor_unknown")
        subscriber = Subscriber(claims, filters, admission.audience, cursor or admission.cursor)
        subscriber.is_caught_up = cursor is None
        if self._of_user[subscriber.subject] >= CONNECTIONS_OF_A_USER:
            raise Ended("realtime.too_many_connections")
        self._of_user[subscriber.subject] += 1
        self.subscribers.add(subscriber)
        if self._cursor is None:
            self._cursor = admission.cursor
        self._wanted.set()
        subscriber.follower = asyncio.create_task(self._follow(subscriber))
        return subscriber

    def close(self, subscriber: Subscriber) -> None:
        """Forget a subscriber."""
        if subscriber not in self.subscribers:
            return
        self.subscribers.discard(subscriber)
        self._of_user[subscriber.subject] -= 1
        if not self._of_user[subscriber.subject]:
            del self._of_user[subscriber.subject]
        if subscriber.follower:
            subscriber.follower.cancel()
        if subscriber.group:
            subscriber.group.remove(subscriber)

    async def renew(self, subscriber: Subscriber, claims: Claims) -> None:
        """Take a new token of the same user over an open connection. Raises Ended."""
        if subject(claims) != subscriber.subject:
            raise Ended("realtime.token_of_another")
        admission = await self._admit(claims)
        subscriber.renew(claims)
        self._place(subscriber, admission)

    def refilter(self, subscriber: Subscriber, filters: Filters) -> None:
        """Change what a subscriber wants, from its present position on."""
        group = subscriber.group
        if group is None:
            subscriber.filters = filters
            return
        group.members.setdefault(filters, set()).add(subscriber)
        if filters != subscriber.filters:
            same = group.members[subscriber.filters]
            same.discard(subscriber)
            if not same:
                del group.members[subscriber.filters]
        subscriber.filters = filters

    def forget(self, group: Group) -> None:
        """Drop a group that has nobody."""
        if self.groups.get(group.audience) is group:
            del self.groups[group.audience]

    async def _follow(self, subscriber: Subscriber) -> None:
        """Bring a subscriber to where a group stands, and into it."""
        while not subscriber.ending:
            group = self.groups.get(subscriber.audience)
            if group is None and subscriber.is_caught_up:
                group = Group(self, subscriber.audience, subscriber.organization, subscriber.position)
                self.groups[subscriber.audience] = group
            if group is not None and group.floor <= subscriber.position:
                group.add(subscriber)
                return
            try:
                page = await self.database.read(subscriber.claims, subscriber.position, PAGE)
                if page.audience != subscriber.audience:
                    await self.check([subscriber])
            except Down as error:
                self.fell(error)
                await asyncio.sleep(0.2)
                continue
            wanted = [event for event in page.events if subscriber.filters.passes(event)]
            if wanted:
                subscriber.push(Chunk(page.events[-1].cursor, wanted))
            subscriber.position = page.cursor
            subscriber.is_caught_up = page.is_last
            await subscriber.drained()

    # ---- rights ----------------------------------------------------------------------------------------------------

    async def _admit(self, claims: Claims) -> Admission:
        """Ask for one, together with others who come at the same time. Raises Ended."""
        future: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        self._waiting.append((claims, future))
        if self._admitting is None or self._admitting.done():
            self._admitting = asyncio.create_task(self._admit_waiting())
        return await future

    async def _admit_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                found = await self.database.admit([claims for claims, _ in batch])
            except Down as error:
                self.fell(error)
                found = [Ended("realtime.unavailable")] * len(batch)
            for (_, future), result in zip(batch, found, strict=True):
                if future.cancelled():
                    continue
                if isinstance(result, Ended):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    async def check(self, subscribers: Iterable[Subscriber]) -> None:
        """Ask again whether these may still come in, end those who may not, and move whose rights changed.

        Raises Down.
        """
        by_session: dict[str, list[Subscriber]] = {}
        for subscriber in subscribers:
            by_session.setdefault(subscriber.session, []).append(subscriber)
        sessions = list(by_session.values())
        for start in range(0, len(sessions), BATCH):
            batch = sessions[start : start + BATCH]
            found = await self.database.admit([same[0].claims for same in batch])
            for same, result in zip(batch, found, strict=True):
                for subscriber in same:
                    if isinstance(result, Ended):
                        subscriber.cut(result)
                    else:
                        self._place(subscriber, result)

    def _place(self, subscriber: Subscriber, admission: Admission) -> None:
        if subscriber.audience == admission.audience or subscriber not in self.subscribers:
            return
        subscriber.audience = admission.audience
        if subscriber.group:
            subscriber.group.remove(subscriber)
            subscriber.is_caught_up = True
            subscriber.follower = asyncio.create_task(self._follow(subscriber))

    def _hold(self, organizations: frozenset[str] | None) -> None:
        """Look at the rights of all of these organisations before they get anything more."""
        held = [group for group in self.groups.values() if _concerns(organizations, group.organization)]
        for group in held:
            group.is_held = True
        task = asyncio.create_task(self._release(organizations, held))
        self._holding.add(task)
        task.add_done_callback(self._holding.discard)

    async def _release(self, organizations: frozenset[str] | None, held: list[Group]) -> None:
        try:
            await self.check(s for s in list(self.subscribers) if _concerns(organizations, s.organization))
        except Down as error:
            self.fell(error)
            for subscriber in self.subscribers:
                subscriber.next_check = 0.0  # as soon as the database is back
        finally:
            for group in held:
                group.is_held = False
                group.wake()

    async def _check_ended(self) -> None:
        """Look at all sessions and users at once, and closely at those that are over. Raises Down."""
        sessions = {str(s.claims["sid"]) for s in self.subscribers if s.claims.get("sid")}
        users = {str(s.claims["sub"]) for s in self.subscribers}
        ended = await self.database.ended(sessions, users)
        if ended:
            await self.check(s for s in list(self.subscribers) if ended & {s.claims.get("sid"), s.claims["sub"]})

    # ---- looking for news ------------------------------------------------------------------------------------------

    @property
    def safe(self) -> Cursor | None:
        """A place before which nothing new can appear even when the database crashes now, or None if not known yet.

        The horizon itself is not one: it counts transactions whose end may not have reached the disk (aborts are not
        waited for), and after a crash their numbers are given again. Two seconds later it has.
        """
        return self._safe[0][1] if self._safe and self._safe[0][0] <= time.monotonic() - _SAFE_SECONDS else None

    def _remember_safe(self, cursor: Cursor) -> None:
        now = time.monotonic()
        if not self._safe or now - self._safe[-1][0] >= _SAFE_SECONDS / 4:
            self._safe.append((now, cursor))
        while len(self._safe) > 1 and self._safe[1][0] <= now - _SAFE_SECONDS:
            self._safe.popleft()

    def fell(self, error: Down | None = None) -> None:
        """Take note that the database went away: it may come back without what it had not written."""
        if not self._has_fallen:
            self._has_fallen = True
            log.warning("the database does not answer%s", f": {error}" if error else "")
            for group in self.groups.values():
                group.step_back()
            if self.groups:
                self._cursor = min(group.cursor for group in self.groups.values())

    async def _poll(self) -> None:
        last_news = 0.0
        while True:
            if not self.subscribers:
                self._cursor = None
                self._safe.clear()
                self._wanted.clear()
                await self._wanted.wait()
            if self._cursor is None:
                await asyncio.sleep(_BUSY_SECONDS)
                continue
            try:
                since = self._cursor
                news = await self.database.news(since)
                if self._has_fallen:
                    self._has_fallen = False
                    self._safe.clear()
                    log.warning("the database answers again")
                    for group in self.groups.values():
                        group.wake()
                    continue
            except Down as error:
                self.fell(error)
                await asyncio.sleep(0.2)
                continue
            if news.access is None or news.access:
                self._hold(news.access)
            if news.organizations is None or news.organizations:
                await self.versions.settle()  # who hears of a change asks again at once
            for group in self.groups.values():
                if _concerns(news.organizations, group.organization):
                    group.wake()
                elif since <= group.cursor < news.cursor:
                    group.cursor = news.cursor
            if self._cursor == since:  # else it was set back meanwhile
                self._cursor = news.cursor
            self._remember_safe(news.cursor)
            now = time.monotonic()
            if news.organizations is None or news.organizations:
                last_news = now
            await asyncio.sleep(_BUSY_SECONDS if now - last_news < _QUIET_AFTER_SECONDS else _QUIET_SECONDS)

    async def _tick(self) -> None:
        next_look = 0.0
        while True:
            await asyncio.sleep(0.25)
            now, clock = time.monotonic(), time.time()
            due: list[Subscriber] = []
            beats: dict[Cursor, Chunk] = {}
            for subscriber in self.subscribers:
                if subscriber.expires_at <= clock:
                    subscriber.cut(Ended("gateway.token_expired"))
                    continue
                if subscriber.next_check <= now:
                    subscriber.next_check = now + CHECK_SECONDS
                    due.append(subscriber)
                if subscriber.next_heartbeat <= now and subscriber.is_idle:
                    subscriber.next_heartbeat = now + HEARTBEAT_SECONDS
                    cursor = max(subscriber.told, self._durable(subscriber))
                    subscriber.push(beats.setdefault(cursor, Chunk(cursor, [])))
            if self._has_fallen or not self.subscribers:
                continue
            try:
                if now >= next_look:
                    next_look = now + LOOK_SECONDS
                    await self._check_ended()
                await self.check(due)
            except Down as error:
                self.fell(error)

    def _durable(self, subscriber: Subscriber) -> Cursor:
        group, safe = subscriber.group, self.safe
        if group is None:
            return subscriber.position
        return max(group.seen, min(safe, group.cursor)) if safe else group.seen


def _concerns(organizations: frozenset[str] | None, organization: str | None) -> bool:
    """Say whether news of these organisations (None: of any) matter to somebody of this one (None: of every one)."""
    if organizations is None or organization is None:
        return organizations is None or bool(organizations)
    return organization in organizations
