"""The realtime feed, asked as the relay asks: whom it lets in, and that a subscriber gets what the view shows him."""

from __future__ import annotations

import json
import time
from typing import Any

import psycopg

from erpgres.prove.findings import Cells, Findings, put
from erpgres.prove.principals import BACK
from erpgres.prove.world import World

Connection = psycopg.Connection[Any]

# Roles that no subscriber may have, though a token with them were signed.
OTHER_ROLES = ("anon", "owner", "analyst", "worker", "monitor", "migrator", "authenticator", "relay", "postgres")
BEGINNING = "00000000-0000-0000-0000-000000000000"


def ask(connection: Connection, world: World, cells: Cells, findings: Findings) -> None:
    """Ask as the login `relay`. `connection` is a superuser's in autocommit. Nothing is written."""
    admin = world.good
    for name, (claims, says) in world.mismatched.items():
        refused = _refusal(connection, claims)
        put(cells, name, says, "realtime", refused or "admitted")
        if refused is None:
            findings.add("a bad token is refused", "/realtime", name)
    for role in OTHER_ROLES:
        claims = {**admin, "role": role}
        if _refusal(connection, claims) is None:
            findings.add("a bad token is refused", "/realtime", f"role {role}")
        if not isinstance(_feed(connection, claims), str):
            findings.add("the relay reads as another role", "events.read_feed_as", role)
    # A transaction that is open anywhere in the cluster keeps what came after it from the feed.
    row = connection.execute("select max(xid::text::numeric)::text from events.event").fetchone()
    deadline = time.monotonic() + 30
    while row is not None and connection.execute("select %s::xid8 >= events.horizon()", row).fetchone() == (True,):
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    seen = 0
    for who in [*world.callers, *world.strangers]:
        if who.claims is None:
            continue
        if (refused := _refusal(connection, who.claims)) is not None:
            findings.add("a subscriber is let in", "/realtime", f"{who.name}: {refused}")
            continue
        with connection.transaction(force_rollback=True):
            connection.execute("set transaction isolation level repeatable read")
            # In the session of somebody of the other organisation, of whom nothing may be left.
            before = world.strangers[0] if who.org_id == world.ours.org_id else world.callers[1]
            fed = _feed(connection, who.claims, before.claims)
            connection.execute(who.become())
            row = connection.execute(
                "select coalesce(array_agg(e.id::text), '{}') from events.event as e where e.xid < events.horizon()"
            ).fetchone()
            connection.execute(BACK)
        assert row is not None
        if isinstance(fed, str) or fed != set(row[0]):
            told = fed if isinstance(fed, str) else f"{len(fed)} events, the view {len(row[0])}"
            findings.add("the feed shows what the view shows", "events.read_feed_as", f"{who.name}: {told}")
        seen += len(row[0])
    if seen == 0:
        findings.add("nothing proved", "/realtime", "no event was fed to anybody")


def _refusal(connection: Connection, claims: dict[str, Any]) -> str | None:
    """The code with which the relay's question about a subscriber is answered; None when he is let in."""
    with connection.transaction():
        connection.execute("set local session authorization relay")
        row = connection.execute(
            "select refusal ->> 'code' from events.admit_subscribers(array[%s::jsonb])", [json.dumps(claims)]
        ).fetchone()
        connection.execute(BACK)
    assert row is not None
    return None if row[0] is None else str(row[0])


def _feed(connection: Connection, claims: dict[str, Any], before: dict[str, Any] | None = None) -> set[str] | str:
    """The events that the relay reads for a subscriber, having admitted `before`, or the SQLSTATE of the refusal."""
    try:
        with connection.transaction():
            connection.execute("set local session authorization relay")
            if before:
                connection.execute("select events.admit_subscribers(array[%s::jsonb])", [json.dumps(before)])
            row = connection.execute(
                "select coalesce(ids::text[], '{}') from events.read_feed_as(%s, '0', %s, 100000)",
                [json.dumps(claims), BEGINNING],
            ).fetchone()
            connection.execute(BACK)
    except psycopg.Error as error:
        return str(error.sqlstate)
    return set(row[0]) if row else set()
