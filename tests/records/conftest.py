"""Fixtures of the records."""

from __future__ import annotations

from typing import Any

import pytest

from records.support import Connection, World


@pytest.fixture
def world(org: Any, api: Any, db: Connection) -> World:
    """Two units with people and places, in an organisation of the test's own."""
    return World(org, api, db).make()
