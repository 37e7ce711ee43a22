"""Sends events to webhooks, signed as Standard Webhooks has it (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import logging
import ssl
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from erpgres.jobs import outbound
from erpgres.settings import VERSION

_log = logging.getLogger("erpgres.webhooks")

# A turn of one webhook; then the others have theirs.
_PER_TURN = 20
_TURN_SECONDS = 30.0


@dataclass(frozen=True)
class _Webhook:
    org_id: UUID
    id: UUID
    url: str
    user_id: UUID
    secret: str
    old_secret: str | None
    may_be_served: bool


def serve_next(connection: psycopg.Connection[Any], context: ssl.SSLContext) -> bool:
    """Send what waits for the webhook whose turn it is; return whether there was one. `connection` is in autocommit.

    One sender serves a webhook at a time, and sends in the order of the feed; what failed comes again later and holds
    up nothing. A worker that dies sends again what it had sent and not noted: webhook-id tells the receiver.
    """
    with connection.cursor(row_factory=class_row(_Webhook)) as cursor:
        webhook = cursor.execute("select * from events.webhook_claim()").fetchone()
    if webhook is None:
        return False
    try:
        if not webhook.may_be_served:
            connection.execute(
                "select events.switch_off_webhook(%s, %s, 'USER_INACTIVE')", [webhook.org_id, webhook.id]
            )
            _log.warning("%s switched off: its user is not active", webhook.id)
        else:
            _serve(connection, webhook, context)
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(ops.lock_key('webhook', %s))", [webhook.id])
    return True


def _serve(connection: psycopg.Connection[Any], webhook: _Webhook, context: ssl.SSLContext) -> None:
    deliveries = connection.execute(
        "select id, event_id from events.webhook_delivery where org_id = %s and webhook_id = %s and state = 'WAITING' "
        "and next_attempt_at <= clock_timestamp() order by event_xid, event_id limit %s",
        [webhook.org_id, webhook.id, _PER_TURN],
    ).fetchall()
    events = _visible(connection, webhook, [event_id for _, event_id in deliveries])
    hidden = [delivery_id for delivery_id, event_id in deliveries if event_id not in events]
    if hidden:
        connection.execute("select events.webhook_skipped(%s, %s)", [webhook.org_id, hidden])
    rules = _rules(connection)
    ends = time.monotonic() + _TURN_SECONDS
    for delivery_id, event_id in deliveries:
        if event_id not in events:
            continue
        if not _deliver(connection, webhook, delivery_id, events[event_id], rules, context) or time.monotonic() > ends:
            return


def _visible(connection: psycopg.Connection[Any], webhook: _Webhook, ids: list[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return those of the events that the user of the webhook may see now: read as him, under row-level security."""
    claims = {"role": "member", "sub": str(webhook.user_id), "org_id": str(webhook.org_id)}
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
        cursor.execute("set local role member")
        rows = cursor.execute(
            "select org_id, id, type, entity, entity_id, entity_version, actor_id, unit_id, partner_id, request_id, "
            "before, after, payload, occurred_at from events.event where org_id = %s and id = any (%s)",
            [webhook.org_id, ids],
        ).fetchall()
    return {row["id"]: row for row in rows}


def _rules(connection: psycopg.Connection[Any]) -> outbound.Rules:
    row = connection.execute(
        "select core.installation_setting('events.webhook_http'), core.installation_setting('events.webhook_networks')"
    ).fetchone()
    assert row is not None
    return outbound.Rules(bool(row[0]), outbound.networks(row[1]))


def _deliver(
    connection: psycopg.Connection[Any],
    webhook: _Webhook,
    delivery_id: UUID,
    event: dict[str, Any],
    rules: outbound.Rules,
    context: ssl.SSLContext,
) -> bool:
    """Send one event and note what came of it; return whether it was delivered."""
    body = json.dumps(
        {"type": event["type"], "timestamp": event["occurred_at"].isoformat(), "data": event}, default=_plain
    ).encode()
    secrets = [webhook.secret, *([webhook.old_secret] if webhook.old_secret else [])]
    at = time.time()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Erpgres/{VERSION}",
        "webhook-id": str(event["id"]),
        "webhook-timestamp": str(int(at)),
        "webhook-signature": " ".join(sign(secret, str(event["id"]), int(at), body) for secret in secrets),
    }
    begun = time.monotonic()
    answer: outbound.Answer | None = None
    problem: str | None = None
    try:
        answer = outbound.post(webhook.url, body, headers, rules, context)
    except (OSError, http.client.HTTPException, outbound.Refused) as error:
        problem = f"{type(error).__name__}: {error}"
    row = connection.execute(
        "select events.webhook_attempted(%s, %s, to_timestamp(%s), %s, %s, %s, %s, %s)",
        [
            webhook.org_id,
            delivery_id,
            at,
            round((time.monotonic() - begun) * 1000),
            answer.status if answer else None,
            problem,
            answer.text[:1000] if answer else None,
            answer.retry_after if answer else None,
        ],
    ).fetchone()
    good = bool(row and row[0])
    if not good:
        _log.warning("%s event %s: %s", webhook.id, event["id"], problem or f"HTTP {answer.status if answer else 0}")
    return good


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message: `v1,` and the base64 of HMAC-SHA256 over id, time (seconds) and body.

    `secret` is `whsec_` and the base64 of the key. Standard Webhooks 1.0, "Symmetric signatures".
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
