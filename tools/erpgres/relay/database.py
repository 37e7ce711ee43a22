"""The relay's questions to the database, on few connections that are made again when they break."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import set_json_dumps

from erpgres.relay.protocol import Cursor, Ended, Event

READERS = 3
_CONNECT_SECONDS = 5
_NEWS_ROWS = 5000

_NEWS = """
  select
    events.horizon()::text,
    count(*),
    coalesce(array_agg(distinct n.org_id::text), '{}'),
    coalesce(
      array_agg(distinct n.org_id::text) filter (where n.entity = any (%(access)s) or n.type = 'partner.inactive'), '{}'
    )
  from (
    select e.org_id, e.entity, e.type
    from events.event as e
    where (e.xid, e.id) > (%(xid)s::xid8, %(id)s::uuid) and e.xid < pg_snapshot_xmin(pg_current_snapshot())
    limit %(rows)s
  ) as n
"""
# Suspicion only: what is wrong with them, core.pre_request() says.
_ENDED = """
  select s.id::text
  from core.session as s
  left join core.api_key as k on k.org_id = s.org_id and k.id = s.api_key_id
  where s.id = any (%s::uuid[])
    and (s.revoked_at is not null or s.expires_at <= now() or k.revoked_at is not null or k.expires_at <= now())
  union all
  select u.id::text
  from core.app_user as u
  where u.id = any (%s::uuid[]) and not u.is_active
"""
_ADMIT = "select number, audience, horizon::text, refusal from events.admit_subscribers(%s::jsonb[])"
_READ = """
  select audience, horizon::text, xids::text[], ids::text[], entities, entity_ids::text[], types, texts
  from events.read_feed_as(%s::jsonb, %s::xid8, %s::uuid, %s)
"""

# Changes of these may let somebody see more or less; so may the end of a partner.
ACCESS = ("api_key", "org_unit", "organization", "role", "role_permission", "user", "user_role")

Claims = Mapping[str, Any]


class Down(Exception):
    """The database does not answer."""


@dataclass(frozen=True)
class News:
    """What came since a cursor: organisations with events, those where rights may have changed; None means any."""

    cursor: Cursor
    organizations: frozenset[str] | None
    access: frozenset[str] | None


@dataclass(frozen=True)
class Admission:
    """A subscriber may come in: what makes it alike with others, and where the feed stands."""

    audience: str
    cursor: Cursor


@dataclass(frozen=True)
class Page:
    """What one subscriber sees after a cursor, and the cursor after it; `is_last` when nothing is left."""

    audience: str | None
    cursor: Cursor
    events: list[Event]
    is_last: bool


class Database:
    """One connection that looks for news and a few that read."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._watch: asyncio.Queue[psycopg.AsyncConnection[Any] | None] = asyncio.Queue()
        self._readers: asyncio.Queue[psycopg.AsyncConnection[Any] | None] = asyncio.Queue()
        self._watch.put_nowait(None)
        self.reads = 0  # pages read since the start
        for _ in range(READERS):
            self._readers.put_nowait(None)
        set_json_dumps(lambda value: json.dumps(value, separators=(",", ":")))

    @asynccontextmanager
    async def _take(
        self, queue: asyncio.Queue[psycopg.AsyncConnection[Any] | None]
    ) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lend a connection; raise Down when there is none to be had or it breaks. A broken one is not kept."""
        connection = await queue.get()
        try:
            if connection is None:
                connection = await psycopg.AsyncConnection.connect(
                    self._dsn, autocommit=True, connect_timeout=_CONNECT_SECONDS, prepare_threshold=0,
                    application_name="erpgres relay",
                )  # fmt: skip
            yield connection
        except BaseException as error:
            if connection is not None:
                broken, connection = connection, None
                await broken.close()
            if isinstance(error, psycopg.Error | OSError):
                await self.close()  # the others that lie here have the same server behind them
                raise Down(str(error).strip().partition("\n")[0]) from error
            raise
        finally:
            queue.put_nowait(connection)

    async def close(self) -> None:
        """Close what is not lent."""
        for queue in (self._watch, self._readers):
            for _ in range(queue.qsize()):
                connection = queue.get_nowait()
                queue.put_nowait(None)
                if connection is not None:
                    await connection.close()

    async def ping(self) -> bool:
        """Say whether the database answers now."""
        try:
            async with self._take(self._readers) as connection:
                await connection.execute("select 1")
        except Down:
            return False
        return True

    async def news(self, after: Cursor) -> News:
        """Look what came after a cursor. Raises Down."""
        async with self._take(self._watch) as connection:
            cursor = await connection.execute(
                _NEWS, {"xid": str(after.xid), "id": after.id, "rows": _NEWS_ROWS, "access": list(ACCESS)}, prepare=True
            )
            row = await cursor.fetchone()
        assert row is not None
        horizon, count, organizations, access = row
        everywhere = count >= _NEWS_ROWS
        return News(
            max(after, Cursor.before(int(horizon))),
            None if everywhere else frozenset(organizations),
            None if everywhere else frozenset(access),
        )

    async def ended(self, sessions: Iterable[str], users: Iterable[str]) -> frozenset[str]:
        """Return which of these sessions and users are over. Raises Down."""
        async with self._take(self._readers) as connection:
            cursor = await connection.execute(_ENDED, [list(sessions), list(users)], prepare=True)
            return frozenset(row[0] for row in await cursor.fetchall())

    async def admit(self, claims: Sequence[Claims]) -> list[Admission | Ended]:
        """Ask which subscribers may come in. Raises Down when that fails twice: the first time tells of the past."""
        texts = [json.dumps(entry) for entry in claims]
        try:
            rows = await self._admit(texts)
        except Down:
            rows = await self._admit(texts)
        found: list[Admission | Ended] = []
        for _, audience, horizon, refusal in sorted(rows, key=lambda row: int(row[0])):
            if refusal is not None:
                found.append(Ended.from_database(refusal))
            elif audience is None:
                found.append(Ended("realtime.role_refused"))
            else:
                found.append(Admission(audience, Cursor.before(int(horizon))))
        return found

    async def _admit(self, claims: list[str]) -> list[Any]:
        async with self._take(self._readers) as connection:
            cursor = await connection.execute(_ADMIT, [claims])
            return await cursor.fetchall()

    async def read(self, claims: Claims, after: Cursor, rows: int) -> Page:
        """Read at most so many events after a cursor as this subscriber sees them. Raises Down."""
        self.reads += 1
        async with self._take(self._readers) as connection:
            cursor = await connection.execute(_READ, [json.dumps(claims), str(after.xid), after.id, rows], prepare=True)
            row = await cursor.fetchone()
        assert row is not None
        audience, horizon, *columns = row
        if columns[0] is None:
            return Page(audience, max(after, Cursor.before(int(horizon))), [], True)
        events = [
            Event(Cursor(int(xid), event_id), entity, entity_id or "", kind, text)
            for xid, event_id, entity, entity_id, kind, text in zip(*columns, strict=True)
        ]
        is_last = len(events) < rows
        return Page(audience, Cursor.before(int(horizon)) if is_last else events[-1].cursor, events, is_last)


def subject(claims: Claims) -> tuple[str, ...]:
    """Return what tokens of one user in one organisation have in common."""
    return tuple(str(claims.get(name, "")) for name in ("role", "sub", "org_id"))


def session(claims: Claims) -> str:
    """Return what a check of a subscriber depends on: the claims without their times."""
    return json.dumps({name: claims[name] for name in sorted(claims) if name not in ("iat", "exp", "nbf", "jti")})
