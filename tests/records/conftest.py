"""Fixtures of the records."""

from __future__ import annotations

from typing import Any

import pytest

from records.signing import Office
from records.support import Connection, World


@pytest.fixture
def world(org: Any, api: Any, db: Connection) -> World:
    """Two units with people and places, in an organisation of the test's own."""
    return World(org, api, db).make()


@pytest.fixture
def office(world: World) -> Office:
    """The world with people who can sign; who approves a destruction must."""
    world.db.execute(
        "insert into core.approval_policy (org_id, entity, kind, permission, needs_signature)"
        " values (%s, 'records_request', 'DESTRUCTION', 'records.request.approve', true)",
        [world.org.id],
    )
    return Office(world)
