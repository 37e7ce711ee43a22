"""Fixtures of the warehouse: a world of two warehouses, and sessions that act as PostgREST would."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from wms.support import Connection, Warehouse, World

Acting = Callable[..., AbstractContextManager[Connection]]


@pytest.fixture
def world(org: Any, api: Any, db: Connection) -> World:
    """Two warehouses, `one` and `two`, in an organisation of the test's own."""
    made = World(org, api(org.admin_token), db)
    made.warehouse("ONE")
    made.warehouse("TWO")
    return made


@pytest.fixture
def one(world: World) -> Warehouse:
    return world.warehouses[0]


@pytest.fixture
def two(world: World) -> Warehouse:
    return world.warehouses[1]


@pytest.fixture
def acting(stack: Any) -> Acting:
    """Open a session that acts for a user as PostgREST would: `with acting(org, user_id) as connection`."""

    @contextmanager
    def act(org: Any, user_id: uuid.UUID, role: str = "member", **claims: Any) -> Iterator[Connection]:
        with psycopg.connect(stack.dsn("migrator"), autocommit=True) as connection:
            everything = {"role": role, "sub": str(user_id), "org_id": str(org.id), **claims}
            connection.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps(everything)])
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            yield connection

    return act
