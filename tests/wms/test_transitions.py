"""Every entity of the warehouse in every state, every action, every role: only what core.transition and the role
templates list passes. Each call is taken back, so that each finds what the one before it found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from attempts import attempt
from erpgres.tokens import sign
from wms.flows import lies, stocked
from wms.support import Warehouse, World

ROLES = ("wms_administrator", "wms_manager", "wms_storekeeper", "wms_sales", "wms_accountant", "wms_viewer")
Call = tuple[str, dict[str, Any]]
Rows = dict[str, str]  # the row that is in a state, by state

# How an action is asked for. Actions that no request asks for by itself are in INTERNAL, with the reason.
ACTIONS: dict[str, dict[str, Callable[[str], Call]]] = {
    "wms.document": {
        "post": lambda row: ("wms_document_post", {"id": row}),
        "cancel": lambda row: ("wms_document_cancel", {"id": row, "reason": "x"}),
        "reserve": lambda row: ("wms_document_reserve", {"id": row}),
        "release": lambda row: ("wms_document_release", {"id": row}),
        "start_picking": lambda row: ("wms_document_start_picking", {"id": row}),
        "pack": lambda row: ("wms_document_pack", {"id": row}),
        "reverse": lambda row: ("wms_document_reverse", {"id": row, "reason": "x"}),
    },
    "wms.reservation": {"release": lambda row: ("wms_reservation_release", {"id": row})},
    "wms.lot": {
        action: lambda row, status=status: ("wms_lot_set_status", {"id": row, "status": status, "reason": "x"})  # type: ignore[misc]
        for action, status in (
            ("release", "APPROVED"), ("hold", "ON_HOLD"), ("quarantine", "QUARANTINED"), ("recall", "RECALLED"),
            ("expire", "EXPIRED"), ("damage", "DAMAGED"),
        )
    },
    "wms.adjustment": {
        "approve": lambda row: ("approval_decide", {"id": row, "decision": "APPROVE"}),
        "reject": lambda row: ("approval_decide", {"id": row, "decision": "REJECT", "reason": "x"}),
    },
    "wms.count_session": {
        "start": lambda row: ("wms_count_start", {"id": row}),
        "finish": lambda row: ("wms_count_finish", {"id": row}),
        "recount": lambda row: ("wms_count_recount", {"id": row}),
        "post": lambda row: ("wms_count_post", {"id": row}),
        "cancel": lambda row: ("wms_count_cancel", {"id": row, "reason": "x"}),
    },
    "wms.handling_unit": {
        "ship": lambda row: ("wms_handling_unit_ship", {"id": row}),
        "dissolve": lambda row: ("wms_handling_unit_dissolve", {"id": row, "reason": "x"}),
    },
}  # fmt: skip
INTERNAL = {
    ("wms.document", "begin_posting"): "wms.post_at_once, whose callers check the right",
    ("wms.reservation", "hold"): "wms_document_reserve",
    ("wms.reservation", "take"): "posting and picking",
    ("wms.reservation", "take_part"): "posting and picking",
    ("wms.adjustment", "withdraw"): "whoever asked, and nobody else: test_adjustments",
}
# Asked again in the state that they lead to: no step, but what was not there before may be promised now.
AGAIN = {("wms.document", "RESERVED", "reserve"): "wms.document.reserve"}
# Where core.transition leaves the right to the function.
PERMISSIONS = {
    ("wms.adjustment", "approve"): "wms.adjustment.approve",
    ("wms.adjustment", "reject"): "wms.adjustment.approve",
    ("wms.reservation", "release"): "wms.document.reserve",
}


@pytest.fixture
def claims(world: World) -> dict[str, dict[str, Any]]:
    """The claims of a user of each role."""
    found = {}
    for role in ROLES:
        user_id = world.org.user()
        world.db.execute(
            "insert into core.user_role (org_id, user_id, role_id) select org_id, %s, id from core.role"
            " where org_id = %s and code = %s", [user_id, world.org.id, role],
        )  # fmt: skip
        found[role] = world.org.claims(user_id)
    return found


@pytest.fixture
def roles(world: World, claims: dict[str, dict[str, Any]], api: Any) -> dict[str, httpx.Client]:
    """A client of a user of each role, whose requests are rolled back."""
    key = world.org.stack.secret("jwt.key")
    return {role: api(sign(his, key), Prefer="tx=rollback") for role, his in claims.items()}


def documents(world: World, one: Warehouse) -> Rows:
    item = stocked(world, one.storage, 100)

    def draft() -> str:
        return str(world.draft("EXPORT", {"item_id": item, "quantity": 1}, from_location_id=one.id)["id"])

    rows = {state: draft() for state in ("DRAFT", "RESERVED", "PICKING", "PACKED", "POSTED", "REVERSED", "CANCELLED")}
    for state, functions in {
        "RESERVED": ["reserve"], "PICKING": ["reserve", "start_picking"],
        "PACKED": ["reserve", "start_picking", "pack"], "POSTED": ["post"], "REVERSED": ["post", "reverse"],
        "CANCELLED": ["cancel"],
    }.items():  # fmt: skip
        for action in functions:
            function, arguments = ACTIONS["wms.document"][action](rows[state])
            world.done(function, **arguments)
    return rows


def reservations(world: World, one: Warehouse) -> Rows:
    item, rows = stocked(world, one.storage, 100), {}
    for state, then in (("HELD", ""), ("CONSUMED", "wms_document_post"), ("RELEASED", "wms_document_release")):
        document = world.draft("EXPORT", {"item_id": item, "quantity": 1}, from_location_id=one.id)["id"]
        world.done("wms_document_reserve", id=document)
        rows[state] = world.rows("wms_reservations", document_id=f"eq.{document}")[0]["id"]
        if then:
            world.done(then, id=document)
    return rows


def lots(world: World, one: Warehouse) -> Rows:
    item = world.item(tracking="LOT")
    rows = {s: world.lot(item, s) for s in ("APPROVED", "ON_HOLD", "QUARANTINED", "RECALLED", "EXPIRED", "DAMAGED")}
    for state, lot in rows.items():
        if state != "APPROVED":
            world.done("wms_lot_set_status", id=lot, status=state, reason="x")
    return rows


def adjustments(world: World, one: Warehouse, decider: httpx.Client) -> Rows:
    """The approvals of adjustments: those are what is decided."""
    rows = {}
    for state in ("PENDING", "POSTED", "REJECTED", "WITHDRAWN"):
        item = stocked(world, one.storage, 500)
        made = world.done("wms_stock_adjust", position_id=one.storage, item_id=item, new_quantity=1, reason="x")
        rows[state] = world.rows("approvals", entity="eq.wms_adjustment", entity_id=f"eq.{made['id']}")[0]["id"]
        if state == "WITHDRAWN":
            world.done("wms_adjustment_withdraw", id=made["id"], reason="x")
        elif state != "PENDING":
            action = "approve" if state == "POSTED" else "reject"
            function, arguments = ACTIONS["wms.adjustment"][action](rows[state])
            world.done(function, decider, **arguments)
        assert world.rows("wms_adjustments", id=f"eq.{made['id']}")[0]["status"] == state
    return rows


def counts(world: World, one: Warehouse, decider: httpx.Client) -> Rows:
    rows = {}
    for state in ("PLANNED", "COUNTING", "COUNTED", "INVESTIGATING", "POSTED", "CANCELLED"):
        item = stocked(world, one.storage, 10)
        count = rows[state] = world.done("wms_count_plan", warehouse_id=one.id, item_id=item)["id"]
        record = {"id": count, "position_id": one.storage, "item_id": item, "counted": 9}
        if state == "CANCELLED":
            world.done("wms_count_cancel", id=count, reason="x")
        elif state != "PLANNED":
            world.done("wms_count_start", id=count)
            world.done("wms_count_record", **record)
            if state != "COUNTING":
                world.done("wms_count_finish", id=count)
            if state == "INVESTIGATING":
                world.done("wms_count_recount", id=count)
                world.done("wms_count_record", **record)
            if state == "POSTED":
                world.done("wms_count_post", decider, id=count)
    return rows


def handling_units(world: World, one: Warehouse) -> Rows:
    rows, item = {}, stocked(world, one.storage, 10)
    for state, sscc in (
        ("OPEN", "340123450000000000"), ("SHIPPED", "340123450000000017"), ("DISSOLVED", "340123450000000024"),
    ):  # fmt: skip
        rows[state] = world.done("wms_handling_unit_create", position_id=one.storage, sscc=sscc)["id"]
        world.done("wms_handling_unit_pack", id=rows[state], item_id=item, quantity=1)
        action = {"SHIPPED": "ship", "DISSOLVED": "dissolve"}.get(state)
        if action:
            function, arguments = ACTIONS["wms.handling_unit"][action](rows[state])
            world.done(function, **arguments)
    return rows


def listed(world: World) -> dict[tuple[str, str, str], str | None]:
    """(entity, state, action) of every step that is listed, with its permission."""
    found = {
        (entity, state, action): permission or PERMISSIONS.get((entity, action))
        for entity, state, action, permission in world.db.execute(
            "select entity, from_status, action, permission from core.transition where entity like 'wms.%%'"
        )
    }
    asked = {(e, a) for e, s, a in found if s != "NEW" and s != "POSTING"}
    assert asked - INTERNAL.keys() == {(e, a) for e, actions in ACTIONS.items() for a in actions}
    return found


def held_by_roles(world: World) -> set[tuple[str, str]]:
    return {
        (role, permission)
        for role, permission in world.db.execute("select role, permission from core.role_template_permission")
    }


def test_only_what_is_listed_passes(
    world: World, one: Warehouse, claims: dict[str, dict[str, Any]], roles: dict[str, httpx.Client], api: Any
) -> None:
    """Asked in a session of each role, one for each state; over HTTP what passes, one refusal of each action, and
    each function with a stale version."""
    steps, rights = listed(world) | AGAIN, held_by_roles(world)
    decider = api(world.org.token(administrator=True))
    states: dict[str, Rows] = {
        "wms.document": documents(world, one),
        "wms.reservation": reservations(world, one),
        "wms.lot": lots(world, one),
        "wms.adjustment": adjustments(world, one, decider),
        "wms.count_session": counts(world, one, decider),
        "wms.handling_unit": handling_units(world, one),
    }
    wrong: list[str] = []
    refused: set[tuple[str, str, int]] = set()
    functions = {ask("")[0] for actions in ACTIONS.values() for ask in actions.values()}
    versioned = functions & {
        name
        for (name,) in world.db.execute(
            "select proname from pg_proc where pronamespace = 'api'::regnamespace and 'version' = any (proargnames)"
        )
    }
    stale: set[str] = set()
    passed = asked = 0
    with psycopg.connect(world.org.stack.dsn("authenticator")) as session:
        for entity, state, row in [(e, state, row) for e, rows in states.items() for state, row in rows.items()]:
            calls = {action: ask(row) for action, ask in ACTIONS[entity].items()}
            for role, client in roles.items():
                answers = attempt(session, claims[role], [*calls.values()])
                for (action, (function, arguments)), (status, body) in zip(calls.items(), answers, strict=True):
                    asked += 1
                    is_listed = (entity, state, action) in steps
                    holds = (role, steps.get((entity, state, action))) in rights
                    expected = (200,) if is_listed and holds else (403,) if is_listed else (403, 409)
                    passed += status == 200
                    if status not in expected:
                        wrong.append(f"{entity} {state} {action} by {role}: {status} {body}")
                    elif expected == (200,) or (entity, action, status) not in refused:
                        refused.add((entity, action, status))
                        response = client.post(f"rpc/{function}", json=arguments)
                        if response.status_code != status:
                            wrong.append(f"{entity} {state} {action} by {role} over HTTP: {response.text[:150]}")
                    if expected == (200,) and function in versioned - stale:
                        stale.add(function)
                        response = client.post(f"rpc/{function}", json={**arguments, "version": 99})
                        if (response.status_code, response.json().get("code")) != (412, "core.stale_version"):
                            wrong.append(f"{entity} {state} {action} with a stale version: {response.text[:150]}")
    assert wrong == []
    assert stale == versioned and len(stale) > 10
    assert asked > 500 and passed > 50, "the matrix is not empty"


def test_who_may_begin(world: World, one: Warehouse, roles: dict[str, httpx.Client]) -> None:
    """The steps from NEW: who may make what."""
    item, tracked = stocked(world, one.storage, 1000), world.item(tracking="LOT")
    adjust = {"position_id": one.storage, "item_id": item, "reason": "x"}
    begin: dict[tuple[str, str], Call] = {
        ("wms.document", "create"): (
            "rpc/wms_document_create",
            {"document_type": "IMPORT", "to_location_id": one.id, "lines": [{"item_id": item, "quantity": 1}]},
        ),
        ("wms.lot", "create"): ("wms_lots", {"item_id": tracked, "lot_no": "N"}),
        ("wms.adjustment", "request"): ("rpc/wms_stock_adjust", {**adjust, "new_quantity": 1}),
        ("wms.adjustment", "post"): ("rpc/wms_stock_adjust", {**adjust, "new_quantity": 999}),
        ("wms.count_session", "plan"): ("rpc/wms_count_plan", {"warehouse_id": one.id}),
        ("wms.handling_unit", "create"): (
            "rpc/wms_handling_unit_create", {"position_id": one.storage, "sscc": "340123450000000000"},
        ),
    }  # fmt: skip
    steps, rights = listed(world), held_by_roles(world)
    new = {(entity, action) for entity, state, action in steps if state == "NEW"}
    assert new - INTERNAL.keys() == begin.keys()
    for (entity, action), (path, body) in begin.items():
        for role, client in roles.items():
            allowed = (role, steps[entity, "NEW", action]) in rights
            status = client.post(path, json=body).status_code
            assert (status in (200, 201)) == allowed and (allowed or status == 403), (entity, action, role, status)
    assert lies(world, item) == {"STORAGE": 1000}
