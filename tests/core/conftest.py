"""What the tests of core share: clients that speak for a user, and sessions that act as PostgREST would."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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
