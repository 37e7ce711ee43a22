"""Approvals: which steps the policies ask for, who decides them, and who learns of it.

They are asked for locations here, which no domain does: `approval_of_places` registers them for the time of a test.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from erpgres.tokens import sign

HOLD, UPDATE = "core.partner.hold", "core.location.update"
READ = "core.approval.read"


@pytest.fixture
def approval_of_places(db: Any) -> Iterator[None]:
    """Let approvals be asked for places, without a function that learns how they end."""
    db.execute(
        "insert into core.approval_entity (entity, description) values ('location', 'A test') on conflict do nothing"
    )
    yield
    for table in ("approval_step", "approval", "approval_policy"):
        where = "approval_id in (select id from core.approval where entity = 'location')"
        db.execute(f"delete from core.{table} where {where if table == 'approval_step' else 'entity = %s'}",
                   None if table == "approval_step" else ["location"])  # fmt: skip
    db.execute("delete from core.approval_entity where entity = 'location'")


@dataclass
class Desk:
    """An organisation with clients by name, who hold permissions everywhere."""

    org: Any
    api: Any
    db: Any
    people: dict[str, Any]

    def person(self, name: str, *permissions: str) -> Any:
        user_id = self.org.user([*permissions])
        self.people[name] = user_id
        return self.api(sign(self.org.claims(user_id), self.org.stack.secret("jwt.key")))

    def policy(self, **values: Any) -> Any:
        return self.api(self.org.admin_token).post("approval_policies", json={"entity": "location", **values})

    def ask(self, requester: str | None = None, of: Any = None, unit: Any = None, **values: Any) -> dict[str, Any]:
        """Ask as a business function does; returns the approval."""
        user_id = self.people[requester] if requester else self.org.user()
        with psycopg.connect(self.org.stack.dsn("migrator"), autocommit=True) as session:
            claims = {"role": "member", **self.org.claims(user_id)}
            session.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps(claims)])
            row = session.execute(
                "select to_jsonb(a) from core.request_approval('location', %s, %s, %s, %s, %s) a",
                [of or uuid.uuid4(), values.get("kind"), values.get("amount"), values.get("currency"), unit],
            ).fetchone()
        assert row is not None
        made: dict[str, Any] = row[0]
        return made

    def steps(self, **values: Any) -> list[str]:
        """The permissions that an approval asks for, in the order of its steps."""
        made = self.ask(**values)
        rows = self.db.execute(
            "select permission from core.approval_step where approval_id = %s order by step_no", [made["id"]]
        ).fetchall()
        assert (made["step_count"], made["status"]) == (len(rows), "PENDING" if rows else "APPROVED")
        return [row[0] for row in rows]


@pytest.fixture
def desk(org: Any, api: Any, db: Any, approval_of_places: None) -> Desk:
    return Desk(org, api, db, {})


def decide(client: Any, approval: dict[str, Any], decision: str = "APPROVE", **values: Any) -> Any:
    return client.post("rpc/approval_decide", json={"id": approval["id"], "decision": decision, **values})


def test_without_a_policy_it_is_granted_at_once(desk: Desk) -> None:
    assert desk.steps() == []


def test_the_amount_decides_which_steps(desk: Desk) -> None:
    assert desk.policy(permission=HOLD).status_code == 201
    assert desk.policy(permission=UPDATE, amount_from=1000).status_code == 201  # in place of the first
    assert desk.policy(permission=HOLD, step_no=2, amount_from=5000).status_code == 201
    assert desk.steps(amount=999) == [HOLD]
    assert desk.steps(amount=1000) == [UPDATE]
    assert desk.steps(amount=-5000) == [UPDATE, HOLD], "whatever its sign"
    assert desk.steps() == [UPDATE, HOLD], "what is not known is asked for"


def test_the_very_kind_comes_before_every_kind(desk: Desk) -> None:
    desk.policy(permission=HOLD)
    desk.policy(permission=UPDATE, kind="BIG")
    assert (desk.steps(kind="BIG"), desk.steps(kind="SMALL"), desk.steps()) == ([UPDATE], [HOLD], [HOLD])


def test_amounts_are_compared_in_the_currency_of_the_policy(desk: Desk) -> None:
    desk.policy(permission=HOLD, amount_from=1000, currency="USD")
    desk.db.execute(
        "insert into core.exchange_rate (org_id, from_currency, to_currency, rate, valid)"
        " values (%s, 'EUR', 'USD', 1.25, '[2020-01-01,)')",
        [desk.org.id],
    )
    assert desk.steps(amount=800, currency="EUR") == [HOLD]
    assert desk.steps(amount=799, currency="EUR") == []
    assert desk.steps(amount=5) == [HOLD], "of no currency: it cannot be compared"
    with pytest.raises(psycopg.Error, match=r"core\.no_exchange_rate"):
        desk.ask(amount=5, currency="BDT")


@pytest.mark.parametrize(
    ("status", "code", "values"),
    [
        (422, "core.approval_policy_gap", {"step_no": 3}),
        (422, "core.approval_policy_unsignable", {"step_no": 2, "needs_signature": True}),
        (422, "core.approval_policy_currencies", {"amount_from": 9, "currency": "EUR"}),
        (409, "23505", {"step_no": 1}),
        (409, "23503", {"step_no": 2, "permission": "core.nothing.at_all"}),
        (409, "23503", {"entity": "nothing"}),
        (400, "23514", {"step_no": 0}),
        (400, "23514", {"amount_from": -1}),
        (400, "23514", {"step_no": 2, "currency": "USD"}),
    ],
)
def test_policies_that_contradict_are_refused(
    desk: Desk, refused: Any, status: int, code: str, values: dict[str, Any]
) -> None:
    desk.policy(permission=HOLD)
    desk.policy(permission=HOLD, amount_from=5, currency="USD")
    refused(desk.policy(**{"permission": HOLD, **values}), status, code)


def test_policies_are_changed_by_who_may(desk: Desk, refused: Any) -> None:
    desk.policy(permission=HOLD)
    desk.policy(permission=UPDATE, step_no=2)
    admin, clerk = desk.api(desk.org.admin_token), desk.person("clerk")
    first = {"entity": "eq.location", "step_no": "eq.1"}
    assert clerk.get("approval_policies", params=first).json()[0]["permission"] == HOLD
    refused(clerk.patch("approval_policies", params=first, json={"permission": UPDATE}), 403, "42501")
    refused(
        clerk.post("approval_policies", json={"entity": "location", "permission": HOLD, "step_no": 3}), 403, "42501"
    )
    assert clerk.delete("approval_policies", params=first).status_code == 204
    refused(clerk.post("rpc/approval_policies_reset", json={"entity": "location"}), 403, "core.permission_missing")
    refused(admin.delete("approval_policies", params=first), 422, "core.approval_policy_gap")
    assert admin.patch("approval_policies", params=first, json={"permission": UPDATE, "version": 1}).status_code == 204
    refused(
        admin.patch("approval_policies", params=first, json={"permission": HOLD, "version": 1}),
        412,
        "core.stale_version",
    )
    reset = admin.post("rpc/approval_policies_reset", json={"entity": "location"})
    assert reset.json() == {"entity": "location", "policies": 0}
    refused(admin.post("rpc/approval_policies_reset", json={"entity": "nothing"}), 422, "core.approval_entity_unknown")


def test_an_organisation_without_policies_of_its_own_is_held_to_the_first_ones(desk: Desk) -> None:
    desk.db.execute(
        "insert into core.approval_default (entity, step_no, kind, permission) values ('location', 1, '*', %s)", [HOLD]
    )
    try:
        assert desk.steps() == [HOLD]
        assert desk.api(desk.org.admin_token).post(
            "rpc/approval_policies_reset", json={"entity": "location"}
        ).json()["policies"] == 1  # fmt: skip
        desk.policy(permission=UPDATE, step_no=2)
        assert desk.steps() == [HOLD, UPDATE]
    finally:
        desk.db.execute("delete from core.approval_default where entity = 'location'")


def test_each_step_is_decided_by_somebody_else(desk: Desk, refused: Any) -> None:
    desk.policy(permission=HOLD)
    desk.policy(permission=HOLD, step_no=2)
    asker, one, two = (desk.person(name, HOLD, READ) for name in ("asker", "one", "two"))
    other = desk.person("other", UPDATE)
    made = desk.ask("asker")
    refused(decide(asker, made), 403, "core.same_person")
    refused(decide(other, made), 403, "core.permission_missing")
    refused(decide(one, made, "MAYBE"), 422, "core.approval_decision_unknown")
    refused(decide(one, made, "REJECT", reason=" "), 422, "core.reason_missing")
    refused(decide(one, {"id": str(uuid.uuid4())}), 404, "core.not_found")
    inbox = {"status": "eq.PENDING", "is_for_me": "is.true"}
    assert [len(c.get("approvals", params=inbox).json()) for c in (asker, one, two, other)] == [0, 1, 1, 0]
    after = decide(one, made, reason="fine").json()
    assert (after["status"], after["next_step"], after["next_permission"]) == ("PENDING", 2, HOLD)
    refused(decide(one, made), 403, "core.same_person")
    assert [len(c.get("approvals", params=inbox).json()) for c in (asker, one, two)] == [0, 0, 1]
    assert decide(two, made).json()["status"] == "APPROVED"
    refused(decide(two, made), 409, "core.approval_not_pending")
    steps = asker.get("approval_steps", params={"approval_id": f"eq.{made['id']}", "order": "step_no"}).json()
    assert [(s["decision"], s["reason"], s["decided_by"]) for s in steps] == [
        ("APPROVE", "fine", str(desk.people["one"])), ("APPROVE", None, str(desk.people["two"])),
    ]  # fmt: skip
    types = [e["type"] for e in desk.api(desk.org.admin_token).get(
        "events", params={"entity_id": f"eq.{made['id']}", "order": "id"}).json()]  # fmt: skip
    assert types == ["approval.created", "approval.step_opened", "approval.step_opened", "approval.approved"]


@pytest.mark.parametrize(("decision", "status"), [("REJECT", "REJECTED"), ("SEND_BACK", "SENT_BACK")])
def test_one_refusal_ends_it_and_it_can_be_asked_again(desk: Desk, decision: str, status: str) -> None:
    desk.policy(permission=HOLD)
    desk.policy(permission=HOLD, step_no=2)
    one = desk.person("one", HOLD)
    thing = uuid.uuid4()
    made = desk.ask(of=thing)
    with pytest.raises(psycopg.Error, match=r"core\.approval_pending"):
        desk.ask(of=thing)
    assert decide(one, made, decision, reason="Not yet").json()["status"] == status
    again = desk.ask(of=thing)
    assert (again["round"], again["status"]) == (2, "PENDING")
    granted = "select core.approval_is_granted('location', %s), (core.withdraw_approval('location', %s)).status"
    with psycopg.connect(desk.org.stack.dsn("migrator"), autocommit=True) as session:
        claims = {"role": "member", **desk.org.claims(desk.org.user())}
        session.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps(claims)])
        assert session.execute(granted, [thing, thing]).fetchone() == (False, "WITHDRAWN")
        assert session.execute(granted, [thing, thing]).fetchone() == (False, None)


def test_the_permission_is_asked_for_in_the_unit(desk: Desk, refused: Any) -> None:
    desk.policy(permission=HOLD)
    units = [
        desk.org._one("insert into core.org_unit (org_id, kind, code, name) values (%s, 'UNIT', %s, 'U') returning id",
                      desk.org.id, code)
        for code in "AB"
    ]  # fmt: skip
    clients = [desk.person(code, HOLD, READ) for code in "AB"]
    for code, unit in zip("AB", units, strict=True):
        desk.db.execute(
            "update core.user_role set unit_id = %s where org_id = %s and user_id = %s",
            [unit, desk.org.id, desk.people[code]],
        )
    made = desk.ask(unit=units[0])
    seen = [len(client.get("approvals", params={"id": f"eq.{made['id']}"}).json()) for client in clients]
    assert seen == [1, 0], "who reads approvals in a unit sees those of that unit"
    refused(decide(clients[1], made), 403, "core.permission_missing")
    assert decide(clients[0], made).json()["status"] == "APPROVED"


def test_of_two_who_decide_at_once_one_decides(desk: Desk) -> None:
    desk.policy(permission=HOLD)
    clients = [desk.person(str(number), HOLD) for number in range(6)]
    made = desk.ask()
    start = threading.Barrier(len(clients))

    def go(client: Any) -> tuple[int, str]:
        start.wait(timeout=60)
        decision = "APPROVE" if clients.index(client) % 2 else "REJECT"
        answer = decide(client, made, decision, reason="first come")
        return answer.status_code, answer.json().get("code", "")

    with ThreadPoolExecutor(len(clients)) as pool:
        answers = sorted(pool.map(go, clients))
    assert answers == [(200, ""), *[(409, "core.approval_not_pending")] * 5]
    count = "select count(*) from core.approval_step where approval_id = %s and decision is not null"
    assert desk.db.execute(count, [made["id"]]).fetchone() == (1,)


def test_who_may_decide_is_told(desk: Desk) -> None:
    """The holders of the permission of the open step, but for who asked; and who asked learns how it ended."""
    desk.policy(permission=HOLD)
    desk.policy(permission=UPDATE, step_no=2)
    asker = desk.person("asker", HOLD, UPDATE, READ)
    one, two = desk.person("one", HOLD, READ), desk.person("two", UPDATE, READ)
    made = desk.ask("asker")

    def told(client: Any) -> list[str]:
        with psycopg.connect(desk.org.stack.dsn("worker"), autocommit=True) as worker:
            while (worker.execute("select events.make_notifications(1000)").fetchone() or (0,))[0] == 1000:
                pass
        rows = client.get("notifications", params={"entity_id": f"eq.{made['id']}", "order": "id"}).json()
        return [row["event_type"] for row in rows]

    def wait(client: Any, expected: list[str]) -> None:
        for _ in range(200):
            if told(client) == expected:
                return
        assert told(client) == expected

    wait(one, ["approval.step_opened"])
    assert told(two) == told(asker) == []
    decide(one, made)
    wait(two, ["approval.step_opened"])
    decide(two, made)
    wait(asker, ["approval.approved"])
    assert told(one) == ["approval.step_opened"]
