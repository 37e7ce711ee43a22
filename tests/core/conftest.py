"""What the tests of core share: clients that speak for a user, and sessions that act as PostgREST would."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

Connection = psycopg.Connection[Any]
Acting = Callable[..., AbstractContextManager[Connection]]


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
    response = client.post(view, json=values, headers={"Prefer": "return=representation"})
    assert response.status_code == 201, response.text
    row: dict[str, Any] = response.json()[0]
    return row


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that a call was refused with this status and code; return the body."""
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    body: dict[str, Any] = response.json()
    return body


@pytest.fixture(name="make")
def make_fixture() -> Callable[..., dict[str, Any]]:
    """Insert a row through the API: `make(client, "partners", code="A", name="A")`."""
    return make


@pytest.fixture(name="refused")
def refused_fixture() -> Callable[..., dict[str, Any]]:
    """Assert a refusal: `refused(response, 403, "core.permission_missing")`."""
    return refused


PASSWORD = "Seven Rivers meet at 6!"


@dataclass
class Person:
    """A user who can sign in."""

    id: uuid.UUID
    email: str
    password: str
    org: Any


@pytest.fixture
def call(api: Any, address: Any) -> Callable[..., httpx.Response]:
    """Call a function of signing in, from a new address unless one is given; a busy one is asked again."""

    def ask(function: str, token: str | None = None, at: str | None = None, /, **values: Any) -> httpx.Response:
        client = api(token, at or address())
        deadline = time.monotonic() + 60
        while True:
            response: httpx.Response = client.post(f"rpc/{function}", json=values)
            if response.status_code != 503 or time.monotonic() > deadline:
                return response
            client = api(token, at or address())

    return ask


@pytest.fixture
def quick(db: Connection) -> None:
    """Let bcrypt work little in this run: what it costs by default has a test of its own."""
    db.execute(
        "insert into core.installation_setting (code, value) "
        "values ('core.password_hash_cost', '5') on conflict do nothing"
    )


@pytest.fixture
def person(org: Any, db: Connection, quick: None) -> Callable[..., Person]:
    """Make users with a password: `person()`, `person(other_org, permissions=[...], administrator=True)`."""

    def make_one(where: Any = None, **values: Any) -> Person:
        where = where or org
        user_id = where.user(values.pop("permissions", ()), **values)
        row = db.execute("select email from core.app_user where id = %s", [user_id]).fetchone()
        assert row is not None
        db.execute("select core.set_password(%s, %s)", [user_id, PASSWORD])
        return Person(user_id, row[0], PASSWORD, where)

    return make_one


@pytest.fixture
def signed_in(call: Any) -> Callable[..., dict[str, Any]]:
    """Sign a person in and return the answer: `signed_in(person)["access_token"]`."""

    def sign_in(who: Person, **values: Any) -> dict[str, Any]:
        response = call("sign_in", email=who.email, password=who.password, **values)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    return sign_in


@pytest.fixture
def messages(db: Connection) -> Callable[..., list[dict[str, Any]]]:
    """Payloads of the messages of a kind to an address, the oldest first."""

    def read(recipient: str, kind: str) -> list[dict[str, Any]]:
        rows = db.execute(
            "select payload from core.message_outbox where recipient = %s and kind = %s order by id", [recipient, kind]
        )
        return [row[0] for row in rows]

    return read


@pytest.fixture
def events(db: Connection) -> Callable[[uuid.UUID], list[str]]:
    """Kinds of the security events of a user, the oldest first."""

    def read(user_id: uuid.UUID) -> list[str]:
        rows = db.execute("select kind from core.security_event where user_id = %s order by id", [user_id])
        return [row[0] for row in rows]

    return read
