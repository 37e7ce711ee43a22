"""Every kind of request, in every state, with every step, by everybody: only what the table says happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from attempts import attempt, claims_of
from records.signing import Office
from records.support import REASON, World, in_days

PEOPLE = (
    ("requester", "U1"), ("manager", "U1"), ("approver", "U1"), ("store", "U1"), ("store", "U2"), ("unit_admin", "U1"),
    ("viewer", "U1"), ("admin", "U1"),
)  # fmt: skip
CREATE, APPROVE = "records.request.create", "records.request.approve"
# Step: the permission it takes, who holds it there, and from which state it leads to which.
DECIDERS = {"approver", "requester"}  # the requester is an approver, too
STEPS: dict[str, dict[str, tuple[str, set[str], dict[str, str]]]] = {
    "*": {
        "request_submit": (CREATE, {"requester", "manager"}, {"DRAFT": "PENDING"}),
        "request_resubmit": (CREATE, {"requester", "manager"}, {"SENT_BACK": "PENDING"}),
        "request_cancel": (CREATE, {"requester", "manager"}, {"DRAFT": "CANCELLED", "SENT_BACK": "CANCELLED"}),
        "request_approve": (APPROVE, DECIDERS, {"PENDING": "APPROVED"}),
        "request_reject": (APPROVE, DECIDERS, {"PENDING": "REJECTED"}),
        "request_send_back": (APPROVE, DECIDERS, {"PENDING": "SENT_BACK"}),
    },
    "STORAGE": {"storage_allocate": ("records.storage.allocate", {"store"}, {"APPROVED": "COMPLETED"})},
    "WITHDRAWAL": {
        "withdrawal_issue": ("records.withdrawal.issue", {"store"}, {"APPROVED": "ISSUED"}),
        "withdrawal_return": (
            "records.withdrawal.return", {"store"}, {"ISSUED": "RETURNED", "PARTIALLY_RETURNED": "RETURNED"},
        ),
    },
    "DESTRUCTION": {
        "destruction_confirm": ("records.destruction.execute", {"store"}, {"APPROVED": "COMPLETED"}),
        "destruction_cancel": ("records.destruction.execute", {"store"}, {"APPROVED": "CANCELLED"}),
    },
    "TRANSFER": {
        "transfer_send": ("records.transfer.send", {"store"}, {"APPROVED": "IN_TRANSIT"}),
        "transfer_receive": ("records.transfer.receive", {"store U2"}, {"IN_TRANSIT": "COMPLETED"}),
    },
}  # fmt: skip
OWN_ONLY = {"request_resubmit", "request_cancel"}
STATES = {
    "STORAGE": ("DRAFT", "PENDING", "SENT_BACK", "APPROVED", "REJECTED", "CANCELLED", "COMPLETED"),
    "WITHDRAWAL": (
        "DRAFT", "PENDING", "SENT_BACK", "APPROVED", "REJECTED", "CANCELLED", "ISSUED", "PARTIALLY_RETURNED",
        "RETURNED",
    ),
    "DESTRUCTION": ("DRAFT", "PENDING", "SENT_BACK", "APPROVED", "REJECTED", "CANCELLED", "COMPLETED"),
    "TRANSFER": (
        "DRAFT", "PENDING", "SENT_BACK", "APPROVED", "REJECTED", "CANCELLED", "IN_TRANSIT", "COMPLETED",
    ),
}  # fmt: skip


@pytest.fixture
def session(stack: Any) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(stack.dsn("authenticator")) as connection:
        yield connection


def give(world: World, user_id: Any, template: str) -> None:
    world.db.execute(
        "insert into core.user_role (org_id, user_id, role_id, unit_id)"
        " select org_id, %s, id, %s from core.role where org_id = %s and code = %s",
        [user_id, world.units["U1"], world.org.id, template],
    )


def signed(office: Office, request: dict[str, Any]) -> dict[str, str]:
    """What the head of the store and a witness sign where a crate is destroyed."""
    return {
        "signature_id": office.signature("store", request, "DESTROY"),
        "witness_signature_id": office.signature("unit_admin", request, "WITNESS"),
    }


def arguments(world: World, step: str) -> dict[str, Any]:
    return {
        "destruction_confirm": {"method": "SHRED", "signature_id": None}, "destruction_cancel": {"reason": REASON},
        "request_cancel": {"reason": REASON}, "request_reject": {"reason": REASON},
        "request_send_back": {"reason": REASON}, "storage_allocate": {"location_id": world.places["S1"]},
        "withdrawal_issue": {"to_user_id": str(world.user("viewer"))},
        "withdrawal_return": {"location_id": world.places["S1"]},
        "transfer_receive": {"location_id": world.places["R2"]},
    }.get(step, {})  # fmt: skip


def in_state(office: Office, kind: str, state: str) -> dict[str, Any]:
    """A request of a kind, by `requester`, in a state."""
    world = office.world
    made: dict[str, Callable[..., dict[str, Any]]] = {
        "STORAGE": lambda **more: world.storage(**more),
        "WITHDRAWAL": lambda **more: world.withdrawal(world.stored(2), **more),
        "DESTRUCTION": lambda **more: world.done(
            "destruction_request",
            "manager",
            crate_id=office.due(1, place="ROOMX")["id"],
            purpose="Kept long enough",
            **more,
        ),
        "TRANSFER": lambda **more: world.transfer(world.stored(1), **more),
    }
    request = made[kind](is_draft=state in ("DRAFT", "CANCELLED"))
    path = {
        "SENT_BACK": ["request_send_back"], "REJECTED": ["request_reject"], "CANCELLED": ["request_cancel"],
        "APPROVED": ["request_approve"],
        "COMPLETED": ["request_approve", *(
            {"STORAGE": ["storage_allocate"], "DESTRUCTION": ["destruction_confirm"]}.get(
                kind, ["transfer_send", "transfer_receive"]))],
        "IN_TRANSIT": ["request_approve", "transfer_send"], "ISSUED": ["request_approve", "withdrawal_issue"],
        "PARTIALLY_RETURNED": ["request_approve", "withdrawal_issue", "part"],
        "RETURNED": ["request_approve", "withdrawal_issue", "withdrawal_return"],
    }.get(state, [])  # fmt: skip
    for step in path:
        if step == "part":
            one = world.rows("request_documents", request_id=f"eq.{request['id']}")[0]["document_id"]
            request = world.done(
                "withdrawal_return", "store", id=request["id"], documents=[one], location_id=world.places["S1"]
            )
            continue
        who = {"request_cancel": "manager", "transfer_receive": "store"}.get(step)
        who = who or ("approver" if step.startswith("request_") else "store")
        unit = "U2" if step == "transfer_receive" else "U1"
        more = signed(office, request) if step == "destruction_confirm" else {}
        done = world.done(step, who, unit, id=request["id"], **{**arguments(world, step), **more})
        request = world.row("requests", request["id"]) if more else done
    assert request["status"] == state
    return request


def expected(kind: str, step: str, state: str, who: str, is_seen: bool) -> tuple[int, str]:
    """Status and code, or the state that follows."""
    steps = {**STEPS["*"], **STEPS[kind]}
    if not is_seen:
        return 404, "records.request_not_found"
    if step not in steps:
        return 409, "records.request_of_another_kind"
    _, holders, moves = steps[step]
    if who not in holders:
        return 403, "core.permission_missing"
    if step in OWN_ONLY and who != "requester":
        return 403, "records.not_the_requester"
    if state not in moves:
        return 409, "records.request_in_another_state"
    if who == "requester" and step in ("request_approve", "request_reject", "request_send_back"):
        return 403, "core.same_person"
    return 200, moves[state]


def try_out(client: httpx.Client, step: str, values: dict[str, Any]) -> tuple[int, str]:
    """Take a step and take it back."""
    response = client.post(f"rpc/records_{step}", json=values, headers={"Prefer": "tx=rollback"})
    return outcome(response.status_code, response.json())


def outcome(status: int, body: dict[str, Any]) -> tuple[int, str]:
    if status == 200 and (body.get("certificate_no") or "").startswith("DC-"):
        return 200, "COMPLETED"  # what it gives is the certificate
    return status, body["status"] if status == 200 else body["code"]


def test_requests(world: World, session: psycopg.Connection[Any]) -> None:
    """All of (kind, state, step, person); what is allowed is exactly the table above, and each goes where it says.

    Asked in a session of each person, one for each state; over HTTP what passes, each refusal of each person, and each
    step with a stale version.
    """
    office = Office(world)
    give(world, world.user("manager"), "records_approver")  # who may approve must still not approve his own
    other = world.org.user()
    give(world, other, "records_document_manager")
    clients = {(who, unit): world.client("manager" if who == "requester" else who, unit) for who, unit in PEOPLE}
    world.users["other", "U1"] = other
    clients["manager", "U1"] = world.client("other")
    claims = {person: claims_of(client) for person, client in clients.items()}  # a signature is its session's
    every = [step for steps in STEPS.values() for step in steps]
    wrong, tried, passed = [], 0, 0
    refused: set[tuple[str, str]] = set()
    stale: set[str] = set()
    for kind, states in STATES.items():
        for state in states:
            request = in_state(office, kind, state)
            signatures = signed(office, request) if (kind, state) == ("DESTRUCTION", "APPROVED") else {}
            for who, unit in PEOPLE:
                name = f"{who} {unit}" if unit != "U1" else who
                is_seen = unit == "U1" or kind == "TRANSFER"
                # A step of another kind is refused before anybody is asked who he is.
                steps = [
                    step for step in every
                    if step in STEPS["*"] or step in STEPS[kind] or name in ("store", "requester")
                ]  # fmt: skip
                asked = [
                    {
                        "id": request["id"], **arguments(world, step),
                        **(signatures if step == "destruction_confirm" else {}),
                    }
                    for step in steps
                ]  # fmt: skip
                calls = [(f"records_{step}", values) for step, values in zip(steps, asked, strict=True)]
                answers = attempt(session, claims[who, unit], calls)
                for step, values, answer in zip(steps, asked, answers, strict=True):
                    want = expected(kind, step, state, name, is_seen)
                    got = outcome(*answer)
                    tried += 1
                    passed += got[0] == 200
                    if got != want:
                        wrong.append((kind, state, step, name, got, want))
                    if want[0] == 200 or (name, want[1]) not in refused:
                        refused.add((name, want[1]))
                        if (got := try_out(clients[who, unit], step, values)) != want:
                            wrong.append((kind, state, step, f"{name} over HTTP", got, want))
                    if want[0] == 200 and step not in stale:
                        stale.add(step)
                        got = try_out(clients[who, unit], step, {**values, "version": request["version"] + 1})
                        if got != (412, "core.stale_version"):
                            wrong.append((kind, state, step, "a stale version", got, want))
    assert wrong == [] and stale == set(every)
    assert len(refused) > 3 * len(PEOPLE)
    known = sum(len(states) * len({**STEPS["*"], **STEPS[kind]}) for kind, states in STATES.items())
    total = sum(map(len, STATES.values())) * len(every)
    assert tried == known * len(PEOPLE) + (total - known) * 2
    assert passed > len(every)


def test_the_steps_are_those_of_the_table(world: World) -> None:
    """core.transition holds exactly the steps that the test knows, with their permissions."""
    decisions = {"request_approve", "request_reject", "request_send_back"}
    for kind in STATES:
        known = {
            (before, after, None if step in decisions else permission)
            for step, (permission, _, moves) in {**STEPS["*"], **STEPS[kind]}.items()
            for before, after in moves.items()
        }
        known |= {("NEW", "DRAFT", CREATE)}
        if kind == "WITHDRAWAL":
            known |= {("ISSUED", "PARTIALLY_RETURNED", "records.withdrawal.return")}
        rows = world.db.execute(
            "select from_status, to_status, permission from core.transition where entity = %s",
            [f"records.{kind.lower()}"],
        ).fetchall()
        assert set(rows) == known
        assert world.one(
            "select array_agg(action || ' ' || other_than::text) from core.transition"
            " where entity = %s and needs_signature",
            f"records.{kind.lower()}",
        ) == (["destroy {approved_by}"] if kind == "DESTRUCTION" else None)
        duties = {permission for _, _, permission in known if permission} | {APPROVE}
        assert world.one("select bool_and(is_duty) from core.permission where code = any(%s)", list(duties))


CRATES = {
    # Step: who may, in which states.
    "crate_archive": ({"store"}, {"ACTIVE"}),
    "crate_restore": ({"store"}, {"ARCHIVED"}),
    "crate_relocate": ({"store"}, {"ACTIVE", "ARCHIVED"}),
    "withdrawal_request": ({"requester"}, {"ACTIVE", "ARCHIVED"}),
    "transfer_request": ({"requester"}, {"ACTIVE", "ARCHIVED"}),
    "destruction_request": ({"requester"}, {"ACTIVE", "ARCHIVED"}),
}


def test_crates(world: World, session: psycopg.Connection[Any]) -> None:
    """All of (state, step, person) of crates."""
    office = Office(world)
    crates = {"ACTIVE": office.due(1), "ARCHIVED": office.due(1)}
    world.done("crate_archive", "store", id=crates["ARCHIVED"]["id"], reason="Seldom wanted")
    for state, kind, reached in (
        ("PROPOSED", "STORAGE", "PENDING"), ("CANCELLED", "STORAGE", "REJECTED"), ("WITHDRAWN", "WITHDRAWAL", "ISSUED"),
        ("IN_TRANSIT", "TRANSFER", "IN_TRANSIT"), ("DESTROYED", "DESTRUCTION", "COMPLETED"),
    ):  # fmt: skip
        crates[state] = {"id": in_state(office, kind, reached)["crate_id"]}
    values: dict[str, dict[str, Any]] = {
        "crate_archive": {"reason": "Seldom wanted"},
        "crate_restore": {"reason": "Wanted again"},
        "crate_relocate": {"reason": "Damp wall", "location_id": world.places["S2"]},
        "withdrawal_request": {"purpose": "Audit", "expected_return_on": in_days(3)},
        "destruction_request": {"purpose": "Kept long enough"},
        "transfer_request": {"purpose": "Moves", "target_unit_id": world.units["FIN"]},
    }
    people = ("requester", "approver", "store", "unit_admin", "viewer", "admin")
    claims = {who: claims_of(world.client("manager" if who == "requester" else who)) for who in people}
    wrong = []
    for state, crate in crates.items():
        assert world.row("crates", crate["id"])["status"] == state
        calls = [
            (f"records_{step}", {"crate_id" if step.endswith("request") else "id": crate["id"], **values[step]})
            for step in CRATES
        ]
        for who in people:
            answers = attempt(session, claims[who], calls)
            for (step, (holders, states)), call, (status, body) in zip(CRATES.items(), calls, answers, strict=True):
                want = 403 if who not in holders else 200 if state in states else 409
                if status != want:
                    wrong.append((state, step, who, status, body))
                if want == 200:
                    client = world.client("manager" if who == "requester" else who)
                    response = client.post(f"rpc/{call[0]}", json=call[1], headers={"Prefer": "tx=rollback"})
                    assert response.status_code == 200, (state, step, who, response.text)
                    if not step.endswith("request"):
                        response = client.post(f"rpc/{call[0]}", json={**call[1], "version": 99})
                        assert response.json()["code"] == "core.stale_version", (state, step, response.text)
    assert wrong == []
