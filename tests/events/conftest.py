"""Fixtures of the event tests: rows made through the API, sessions that act for a user, a feed that is waited for."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import psycopg
import pytest

Connection = psycopg.Connection[Any]
Acting = Callable[..., AbstractContextManager[Connection]]
WANT = {"Prefer": "return=representation"}


@pytest.fixture
def acting(stack: Any) -> Acting:
    """Open a session that acts for a user, in one transaction: `with acting(org, user_id) as connection`."""

    @contextmanager
    def act(org: Any, user_id: uuid.UUID, role: str = "member", **claims: Any) -> Iterator[Connection]:
        with psycopg.connect(stack.dsn("migrator")) as connection:
            everything = {"role": role, "sub": str(user_id), "org_id": str(org.id), **claims}
            connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(everything)])
            connection.execute(f"set local role {role}")
            yield connection

    return act


def make(client: httpx.Client, view: str, **values: Any) -> dict[str, Any]:
    """Insert a row through the API and return it."""
    response = client.post(view, json=values, headers=WANT)
    assert response.status_code == 201, response.text
    row: dict[str, Any] = response.json()[0]
    return row


def change(client: httpx.Client, view: str, row: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Change a row through the API and return it."""
    response = client.patch(view, params={"id": f"eq.{row['id']}"}, json=values, headers=WANT)
    assert response.status_code == 200, response.text
    changed: dict[str, Any] = response.json()[0]
    return changed


def done(client: httpx.Client, function: str, **values: Any) -> Any:
    """Call a function that works."""
    response = client.post(f"rpc/{function}", json=values)
    assert response.status_code == 200, response.text
    return response.json()


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that a call was refused with this status and code; return the body."""
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    body: dict[str, Any] = response.json()
    return body


def events_of(client: httpx.Client, **filters: str) -> list[dict[str, Any]]:
    """The events that a client sees, the oldest first."""
    response = client.get("events", params={"order": "id", "limit": "100", **filters})
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()
    return rows


def read_until(client: httpx.Client, cursor: str, wanted: int, seconds: float = 30) -> tuple[list[dict[str, Any]], str]:
    """Read the feed until so many events came: other tests' transactions may hold the horizon for a while."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + seconds
    while len(found) < wanted:
        assert time.monotonic() < deadline, f"{len(found)} events instead of {wanted}"
        answer = done(client, "events_since", cursor=cursor)
        found += answer["events"]
        cursor = answer["cursor"]
    return found, cursor


def caught_up(client: httpx.Client, seconds: float = 30) -> str:
    """Read the feed up to the last event that the client sees, and return the cursor after it."""
    wanted = {event["id"] for event in events_of(client, order="id.desc", limit="20")}
    cursor: str | None = None
    deadline = time.monotonic() + seconds
    while wanted:
        assert time.monotonic() < deadline, f"{len(wanted)} events do not come"
        answer = done(client, "events_since", cursor=cursor)
        wanted -= {event["id"] for event in answer["events"]}
        cursor = answer["cursor"]
    assert cursor is not None
    return cursor
