"""What clients and the relay say to each other: cursors, filters, messages, errors. docs/events.md describes it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

# A message of a client: the longest token, and room for filters.
MESSAGE_BYTES = 64 * 1024
MOST_FILTERS = 50
MOST_VALUES = 500

_CURSOR = re.compile(r"(\d{1,20})\.([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_WORD = re.compile(r"[a-z][a-z0-9_.]{0,99}")
_NIL = "00000000-0000-0000-0000-000000000000"
_FIELDS = ("entity", "entity_id", "type")

# code: HTTP status, WebSocket close code, whether coming back with the cursor is right, message, hint
_ERRORS: dict[str, tuple[int, int, bool, str, str | None]] = {
    "gateway.token_invalid": (401, 4401, False, "The bearer token is not valid.", "Sign in again."),
    "gateway.token_expired": (401, 4401, False, "The bearer token has expired.", "Come back with a new one."),
    "gateway.not_found": (404, 4404, False, "There is nothing at this address.", None),
    "gateway.method_not_allowed": (405, 4405, False, "This method is not offered.", "Use GET."),
    "realtime.upgrade_required": (426, 4426, False, "This address speaks WebSocket.", "Use /realtime/events without."),
    "realtime.token_missing": (401, 4401, False, "No token came.", "Send it in hello, or as Authorization header."),
    "realtime.token_of_another": (
        401, 4401, False, "The new token is not for the same user and organisation.", "Open another connection.",
    ),
    "realtime.role_refused": (403, 4403, False, "The role of the token gets no events.", "Sign in as a user."),
    "realtime.hello_missing": (408, 4408, False, "No hello came in time.", "Send it as the first message."),
    "realtime.message_malformed": (400, 4400, False, "The message is not understood.", "docs/events.md lists them."),
    "realtime.filter_malformed": (
        400, 4400, False, "The filter is not understood.", "Use entity, entity_id and type, each a list of strings.",
    ),
    "realtime.cursor_malformed": (400, 4400, False, "This is not a cursor.", "Send back one that you were given."),
    "realtime.cursor_unknown": (
        409, 4409, False, "The cursor is not of this database.", "Read everything again and start without a cursor.",
    ),
    "realtime.too_slow": (503, 4413, True, "The client does not read fast enough.", "Come back with the last cursor."),
    "realtime.too_many_connections": (429, 4429, False, "The user has too many connections.", "Close some of them."),
    "realtime.restarting": (503, 1012, True, "The relay is restarting.", "Come back with the last cursor."),
    "realtime.unavailable": (503, 1013, True, "The database does not answer.", "Come back with the last cursor."),
    "realtime.full": (503, 1013, True, "The relay has no room for another connection.", "Come back later."),
}  # fmt: skip


class Ended(Exception):
    """Why a connection is refused or ends; shaped like every error of the API."""

    def __init__(
        self, code: str, details: str | None = None, *, status: int | None = None,
        message: str | None = None, hint: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(code)
        known = _ERRORS.get(code)
        self.code = code
        self.details = details
        self.status = known[0] if known else status or 500
        self.close_code = known[1] if known else 4000 + self.status
        self.reconnect = known[2] if known else False
        self.message = known[3] if known else message or "The request was refused."
        self.hint = known[4] if known else hint

    @classmethod
    def from_database(cls, told: Mapping[str, Any]) -> Ended:
        """Make one of what the database raised: code, status, message, details, hint."""
        return cls(
            str(told["code"]), told.get("details"), status=int(told.get("status") or 500),
            message=told.get("message"), hint=told.get("hint"),
        )  # fmt: skip

    @property
    def body(self) -> dict[str, Any]:
        """The four fields of every error."""
        return {"code": self.code, "message": self.message, "details": self.details, "hint": self.hint}

    @cached_property
    def text(self) -> str:
        """The message that goes before the end of a connection."""
        return json.dumps({"type": "error", **self.body, "reconnect": self.reconnect})


@dataclass(frozen=True, order=True)
class Cursor:
    """A place in the feed: transaction, then event. Ordered as the feed is."""

    xid: int
    id: str

    @classmethod
    def parse(cls, text: object) -> Cursor:
        """Read `<xid>.<uuid>`. Raises Ended."""
        match = _CURSOR.fullmatch(text) if isinstance(text, str) else None
        if not match or int(match[1]) >= 1 << 64:
            raise Ended("realtime.cursor_malformed")
        return cls(int(match[1]), match[2])

    @classmethod
    def before(cls, xid: int) -> Cursor:
        """The place before the first event of a transaction."""
        return cls(xid, _NIL)

    def __str__(self) -> str:
        return f"{self.xid}.{self.id}"


@dataclass(frozen=True, slots=True)
class Event:
    """One event as the database told it; `text` is its JSON, the same bytes for everybody who gets it."""

    cursor: Cursor
    entity: str
    entity_id: str
    type: str
    text: str


@dataclass(frozen=True)
class Filters:
    """What a client wants: an event passes when one of the alternatives holds; none means everything."""

    alternatives: tuple[tuple[frozenset[str], frozenset[str], frozenset[str]], ...] = ()

    @classmethod
    def parse(cls, told: object) -> Filters:
        """Read `[{"entity": [...], "entity_id": [...], "type": [...]}, ...]`, or null for everything. Raises Ended."""
        if told is None:
            return cls()
        if not isinstance(told, list) or len(told) > MOST_FILTERS:
            raise Ended("realtime.filter_malformed", f"not a list of at most {MOST_FILTERS}")
        return cls(tuple(sorted({_alternative(entry) for entry in told}, key=repr)))

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> Filters:
        """Read `entity=a,b&type=c` of an address: one alternative. Raises Ended."""
        entry = {name: query[name].split(",") for name in _FIELDS if query.get(name)}
        return cls((_alternative(entry),)) if entry else cls()

    def passes(self, event: Event) -> bool:
        """Say whether the client wants the event."""
        if not self.alternatives:
            return True
        return any(
            (not entities or event.entity in entities)
            and (not ids or event.entity_id in ids)
            and (not types or event.type in types)
            for entities, ids, types in self.alternatives
        )


def _alternative(told: object) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    if not isinstance(told, dict) or not told or not told.keys() <= set(_FIELDS):
        raise Ended("realtime.filter_malformed", f"an entry has one of {', '.join(_FIELDS)}, and nothing else")
    entities, ids, types = (_values(name, told.get(name)) for name in _FIELDS)
    return entities, ids, types


def _values(name: str, told: object) -> frozenset[str]:
    values = [told] if isinstance(told, str) else told
    if values is None:
        return frozenset()
    if not isinstance(values, list) or not 1 <= len(values) <= MOST_VALUES:
        raise Ended("realtime.filter_malformed", f"{name} is not a list of 1 to {MOST_VALUES} strings")
    found = set()
    for value in values:
        if not isinstance(value, str):
            raise Ended("realtime.filter_malformed", f"{name} holds something else than strings")
        if name == "entity_id":
            try:
                found.add(str(uuid.UUID(value)))
            except ValueError:
                raise Ended("realtime.filter_malformed", f"{name} holds what is no UUID") from None
        elif _WORD.fullmatch(value):
            found.add(value)
        else:
            raise Ended("realtime.filter_malformed", f"{name} holds what is no name")
    return frozenset(found)


def message(text: str | None) -> dict[str, Any]:
    """Read a message of a client: an object with a `type`. Raises Ended."""
    try:
        told = json.loads(text or "")
    except ValueError:
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("type"), str):
        raise Ended("realtime.message_malformed", "a message is a JSON object with a type")
    return told


def query(raw: bytes, allowed: tuple[str, ...] = (*_FIELDS, "cursor")) -> dict[str, str]:
    """Read the query of an address, whose parameters may come once each. Raises Ended for any other."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Ended("realtime.filter_malformed", "the query cannot be decoded") from None
    found = dict(pairs)
    if len(found) != len(pairs) or not found.keys() <= set(allowed):
        raise Ended("realtime.filter_malformed", f"parameters are {', '.join(allowed)}, once each")
    return found


class Chunk:
    """Events that follow each other, with the cursor after them; worded once for all who get the same."""

    __slots__ = ("_stream", "_text", "cursor", "events", "size")

    def __init__(self, cursor: Cursor, events: list[Event]) -> None:
        self.cursor = cursor
        self.events = events
        self.size = sum(len(event.text) for event in events)
        self._text: str | None = None
        self._stream: bytes | None = None

    @property
    def text(self) -> str:
        """As a WebSocket message."""
        if self._text is None:
            if self.events:
                inner = ",".join(event.text for event in self.events)
                self._text = f'{{"type":"events","cursor":"{self.cursor}","events":[{inner}]}}'
            else:
                self._text = f'{{"type":"heartbeat","cursor":"{self.cursor}"}}'
        return self._text

    @property
    def stream(self) -> bytes:
        """As server-sent events; the last one carries the cursor after all of them."""
        if self._stream is None:
            if self.events:
                ids = [*(event.cursor for event in self.events[:-1]), self.cursor]
                parts = zip(ids, self.events, strict=True)
                text = "".join(f"id: {cursor}\ndata: {event.text}\n\n" for cursor, event in parts)
            else:
                text = f"id: {self.cursor}\nevent: heartbeat\ndata: {{}}\n\n"
            self._stream = text.encode()
        return self._stream
