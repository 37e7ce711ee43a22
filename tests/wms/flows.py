"""What the tests of put-away, picking, counts, adjustments and handling units share."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from wms.support import World


@dataclass
class Person:
    """A user of the test's organisation and his client."""

    id: uuid.UUID
    client: httpx.Client


def person(world: World, api: Any, *permissions: str) -> Person:
    """A user who holds the permissions, and nothing else."""
    from erpgres.tokens import sign

    user_id = world.org.user(permissions)
    return Person(user_id, api(sign(world.org.claims(user_id), world.org.stack.secret("jwt.key"))))


def stocked(world: World, position: str, quantity: float = 10, **item: Any) -> str:
    """An item of which so much lies at a position of the first warehouse."""
    item_id = world.item(**item)
    world.posted(
        "IMPORT", {"item_id": item_id, "quantity": quantity, "to_position_id": position},
        to_location_id=world.warehouses[0].id,
    )  # fmt: skip
    return item_id


def position(world: World, code: str, **columns: Any) -> str:
    """A further position in the first warehouse."""
    made = world.done(
        "wms_position_create", warehouse_id=world.warehouses[0].id, code=code, name=f"Position {code}", **columns
    )
    return str(made["id"])


def lies(world: World, item_id: str) -> dict[str, float]:
    """How much of an item lies at each position, by code."""
    return {
        row["location_code"]: float(row["quantity"])
        for row in world.rows("wms_stock", item_id=f"eq.{item_id}", quantity="gt.0")
    }


def setting(world: World, code: str, value: Any) -> None:
    response = world.call("setting_put", code=code, value=value)
    assert response.status_code in (200, 204), response.text
