"""The ASGI application: WebSocket at /realtime/ws, server-sent events at /realtime/events, and how it is at /health."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

from erpgres.relay import protocol
from erpgres.relay.database import Claims
from erpgres.relay.hub import Hub
from erpgres.relay.protocol import Chunk, Cursor, Ended, Filters
from erpgres.relay.subscriber import HEARTBEAT_SECONDS, Subscriber
from erpgres.relay.tokens import Verifier

HELLO_SECONDS = 10.0
_END_SECONDS = 2.0

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log = logging.getLogger("erpgres.relay.access")


class App:
    """What uvicorn calls for each connection."""

    def __init__(self, hub: Hub, verifier: Verifier) -> None:
        self.hub = hub
        self.verifier = verifier

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "websocket":
            await _Socket(self, scope, receive, send).serve()
        elif scope["type"] == "http":
            await _Stream(self, scope, receive, send).serve()


class _Connection:
    """What both kinds of connections share."""

    kind: str

    def __init__(self, app: App, scope: Message, receive: Receive, send: Send) -> None:
        self.app = app
        self.path = str(scope["path"])
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.query = bytes(scope["query_string"])
        self.receive = receive
        self.send = send
        self.began = time.monotonic()
        self.subscriber: Subscriber | None = None

    @property
    def bearer(self) -> str | None:
        """The token of the Authorization header; the gateway has verified its form."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    def ready(self, subscriber: Subscriber) -> dict[str, Any]:
        return {
            "type": "ready",
            "cursor": str(subscriber.position),
            "expires_at": _time(subscriber.expires_at),
            "heartbeat": HEARTBEAT_SECONDS,
        }

    def note(self, what: str, **more: Any) -> None:
        """Log the beginning or the end of a connection: who, never with what token."""
        claims: Claims = self.subscriber.claims if self.subscriber else {}
        log.info(json.dumps({
            "time": _time(time.time()), "what": what, "kind": self.kind, "request_id": self.headers.get("x-request-id"),
            "user": claims.get("sub", ""), "role": claims.get("role", ""), "org": claims.get("org_id") or "",
            "address": self.headers.get("x-real-ip"), **more,
        }))  # fmt: skip

    def note_end(self, ended: Ended | None) -> None:
        self.note(
            "close", code=ended.code if ended else "client", sent=self.subscriber.sent if self.subscriber else 0,
            seconds=round(time.monotonic() - self.began, 3),
        )  # fmt: skip

    async def refuse(self, ended: Ended, prefix: str = "") -> None:
        """Answer with an error instead of a stream."""
        body = json.dumps(ended.body).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if ended.status == 401:
            headers.append((b"www-authenticate", b'Bearer error="invalid_token"'))
        if ended.status in (429, 503):
            headers.append((b"retry-after", b"2"))
        await self.send({"type": f"{prefix}http.response.start", "status": ended.status, "headers": headers})
        await self.send({"type": f"{prefix}http.response.body", "body": body})
        self.note("refused", code=ended.code)


class _Socket(_Connection):
    kind = "websocket"

    async def serve(self) -> None:
        await self.receive()  # websocket.connect
        try:
            if self.path != "/realtime/ws":
                raise Ended("gateway.not_found")
            protocol.query(self.query, ())
            claims = self.app.verifier.claims(self.bearer) if "authorization" in self.headers else None
        except Ended as ended:
            await self.refuse(ended, "websocket.")
            return
        await self.send({"type": "websocket.accept"})
        why: Ended | None = None
        try:
            why = await self._talk(claims)
        except Ended as ended:
            why = ended
        finally:
            if self.subscriber:
                self.app.hub.close(self.subscriber)
        self.note_end(why)
        if why:
            with contextlib.suppress(TimeoutError):  # of a client that reads nothing
                await asyncio.wait_for(self._end(why), _END_SECONDS)

    async def _talk(self, claims: Claims | None) -> Ended | None:
        """Return why the connection ends; None when the client left."""
        try:
            told = await asyncio.wait_for(self._next(), HELLO_SECONDS)
        except TimeoutError:
            return Ended("realtime.hello_missing")
        if told is None:
            return None
        if told["type"] != "hello":
            return Ended("realtime.message_malformed", "the first message is hello")
        if claims is None or "token" in told:
            claims = self.app.verifier.claims(told.get("token"))
        filters = Filters.parse(told.get("filters"))
        cursor = Cursor.parse(told["cursor"]) if told.get("cursor") is not None else None
        subscriber = self.subscriber = await self.app.hub.open(claims, filters, cursor)
        self.note("open")
        await self._say(self.ready(subscriber))
        listener = asyncio.create_task(self._listen(subscriber))
        sender = asyncio.create_task(subscriber.run(self._push))
        await asyncio.wait((listener, sender), return_when=asyncio.FIRST_COMPLETED)
        for task in (listener, sender):
            task.cancel()
        for result in await asyncio.gather(listener, sender, return_exceptions=True):
            if isinstance(result, Ended):
                return result
            if isinstance(result, Exception) and not _is_gone(result):
                raise result
        return subscriber.ending

    async def _listen(self, subscriber: Subscriber) -> None:
        """Take what the client says until it leaves. Raises Ended."""
        while (told := await self._next()) is not None:
            if told["type"] == "token":
                await self.app.hub.renew(subscriber, self.app.verifier.claims(told.get("token")))
                await self._say({"type": "token_accepted", "expires_at": _time(subscriber.expires_at)})
            elif told["type"] == "filters":
                self.app.hub.refilter(subscriber, Filters.parse(told.get("filters")))
                await self._say({"type": "filters_accepted"})
            else:
                raise Ended("realtime.message_malformed", "after hello come token and filters")

    async def _next(self) -> dict[str, Any] | None:
        received = await self.receive()
        return None if received["type"] == "websocket.disconnect" else protocol.message(received.get("text"))

    async def _say(self, told: dict[str, Any]) -> None:
        await self.send({"type": "websocket.send", "text": json.dumps(told)})

    async def _push(self, chunk: Chunk) -> None:
        await self.send({"type": "websocket.send", "text": chunk.text})

    async def _end(self, ended: Ended) -> None:
        try:
            await self.send({"type": "websocket.send", "text": ended.text})
            await self.send({"type": "websocket.close", "code": ended.close_code, "reason": ended.code})
        except Exception as error:
            if not _is_gone(error):
                raise


class _Stream(_Connection):
    kind = "sse"

    def __init__(self, app: App, scope: Message, receive: Receive, send: Send) -> None:
        super().__init__(app, scope, receive, send)
        self.method = str(scope["method"])

    async def serve(self) -> None:
        if self.path == "/health":
            await self._health()
            return
        try:
            await self._open()
        except Ended as ended:
            await self.refuse(ended)
            return
        subscriber = self.subscriber
        assert subscriber is not None
        self.note("open")
        try:
            await self._say("ready", self.ready(subscriber), str(subscriber.position))
            gone = asyncio.create_task(self._gone())
            sender = asyncio.create_task(subscriber.run(self._push))
            await asyncio.wait((gone, sender), return_when=asyncio.FIRST_COMPLETED)
            for task in (gone, sender):
                task.cancel()
            for result in await asyncio.gather(gone, sender, return_exceptions=True):
                if isinstance(result, Exception) and not _is_gone(result):
                    raise result
        finally:
            self.app.hub.close(subscriber)
            self.note_end(subscriber.ending)
        if subscriber.ending:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._end(subscriber.ending), _END_SECONDS)

    async def _open(self) -> None:
        if self.path == "/realtime/ws":
            raise Ended("realtime.upgrade_required")
        if self.path != "/realtime/events":
            raise Ended("gateway.not_found")
        if self.method != "GET":
            raise Ended("gateway.method_not_allowed")
        query = protocol.query(self.query)
        claims = self.app.verifier.claims(self.bearer)
        filters = Filters.of_query(query)
        text = self.headers.get("last-event-id") or query.get("cursor")
        self.subscriber = await self.app.hub.open(claims, filters, Cursor.parse(text) if text else None)
        headers = [
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _gone(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def _push(self, chunk: Chunk) -> None:
        await self.send({"type": "http.response.body", "body": chunk.stream, "more_body": True})

    async def _say(self, event: str, told: dict[str, Any], cursor: str | None = None) -> None:
        place = f"id: {cursor}\n" if cursor else ""
        text = f"{place}event: {event}\ndata: {json.dumps(told)}\n\n"
        await self.send({"type": "http.response.body", "body": text.encode(), "more_body": True})

    async def _end(self, ended: Ended) -> None:
        await self._say("error", json.loads(ended.text))
        await self.send({"type": "http.response.body", "body": b""})

    async def _health(self) -> None:
        body = json.dumps(await self.app.hub.health()).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _is_gone(error: BaseException) -> bool:
    """Say whether an error means that the client left while something was sent to it."""
    return isinstance(error, OSError)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
