"""Electronic signatures: proof anew, bound to the record, good for one step, and never changed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import psycopg
import pytest

from records.signing import PASSWORD, Office
from records.support import refused


def code_of(secret: str) -> str:
    """What an app for one-time passwords shows now for a secret (base 32)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, (int(time.time()) // 30).to_bytes(8), hashlib.sha1)
    at = digest[19] & 15
    return f"{(int.from_bytes(digest[at : at + 4]) & 0x7FFFFFFF) % 1_000_000:06}"


def failures(office: Office, role: str) -> int:
    """How many failed attempts are counted for somebody."""
    found: Any = office.world.one(
        "select coalesce(sum(f.failures), 0) from core.sign_in_failure f"
        " where f.subject = core.account_subject((select email from core.app_user where id = %s))",
        office.world.user(role),
    )
    return int(found)


def test_a_signature_says_who_what_when_and_why(office: Office) -> None:
    world = office.world
    request = office.asked(office.due(2))
    made = office.signs("approver", request, "APPROVE").json()
    user = world.db.execute("select name, email from core.app_user where id = %s", [world.user("approver")]).fetchone()
    assert (made["signer_name"], made["signer_email"]) == user
    assert "Approver (U1)" in made["signer_roles"] and made["unit_name"] == "HR"
    assert made["statement"] == "I have examined this request and approve it."
    assert made["has_second_factor"] is False and made["used_at"] is None
    assert "payload" not in made and "password" not in json.dumps(made)

    # Its hashes are what anybody computes from what it says.
    verdict = office.world.client("viewer").get("rpc/signature_verify", params={"id": made["id"]}).json()
    assert (verdict["is_intact"], verdict["is_current"], verdict["current"]) == (True, True, None)
    assert len(verdict["payload"]["documents"]) == 2 and verdict["payload"]["request_no"] == request["request_no"]
    row = world.db.execute("select payload from core.signature where id = %s", [made["id"]]).fetchone()
    assert row is not None
    assert hashlib.sha256(row[0].encode()).hexdigest() == made["payload_sha256"]

    # The signature page of the record is for who sees the record.
    page = world.client("viewer").get("rpc/signatures_of", params={"entity": "records_request", "id": request["id"]})
    assert [s["id"] for s in page.json()] == [made["id"]]
    hidden = world.client("viewer", "U2").get(
        "rpc/signatures_of", params={"entity": "records_request", "id": request["id"]}
    )
    refused(hidden, 404, "core.not_found")
    refused(world.client("viewer", "U2").get("rpc/signature_verify", params={"id": made["id"]}), 404, "core.not_found")
    events = world.client("admin").get("events", params={"entity_id": f"eq.{made['id']}"}).json()
    assert [(e["type"], e["actor_id"]) for e in events] == [("signature.created", str(world.user("approver")))]
    assert "payload" not in events[0]["after"]


def test_equal_data_may_be_signed_twice_but_a_signature_is_used_once(office: Office) -> None:
    world = office.world
    request = office.asked(office.due(1))
    first, second = (office.signs("approver", request, "APPROVE").json() for _ in range(2))
    assert first["id"] != second["id"] and first["payload_sha256"] == second["payload_sha256"]
    done = world.done("request_approve", "approver", id=request["id"], signature_id=first["id"])
    assert done["status"] == "APPROVED"
    used = world.client("approver").get("signatures", params={"id": f"eq.{first['id']}"}).json()[0]["used_at"]
    assert used is not None
    with psycopg.connect(world.org.stack.dsn("migrator")) as session:
        claims = {"role": "member", **world.org.claims(world.user("approver"))}
        sid = world.one("select session_id from core.signature where id = %s", first["id"])
        session.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps({**claims, "sid": str(sid)})])
        with pytest.raises(psycopg.Error, match=r"core\.signature_used"):
            session.execute(
                "select core.require_signature('records_request', %s, 'APPROVE', %s)", [request["id"], first["id"]]
            )


def test_a_wrong_password_counts_and_locks(office: Office, api: Any, address: Any) -> None:
    request = office.asked(office.due(1))
    wrong = {"password": "guessing"}
    refused(office.signs("approver", request, "APPROVE", **wrong), 403, "core.password_wrong")
    assert failures(office, "approver") == 1, "what was refused was counted"
    noted = office.world.one(
        "select count(*) from core.security_event where user_id = %s and kind = 'SIGNATURE_REFUSED'",
        office.world.user("approver"),
    )
    assert noted == 1
    for _ in range(4):
        refused(office.signs("approver", request, "APPROVE", **wrong), 403, "core.password_wrong")
    locked = office.signs("approver", request, "APPROVE")
    refused(locked, 429, "core.sign_in_locked")
    assert int(locked.headers["Retry-After"]) > 0
    email = office.world.one("select email from core.app_user where id = %s", office.world.user("approver"))
    again = api(None, address()).post("rpc/sign_in", json={"email": email, "password": PASSWORD})
    refused(again, 429, "core.sign_in_locked")
    assert office.world.rows("requests", "approver", id=f"eq.{request['id']}")[0]["status"] == "PENDING"
    # A right one forgets the failures before it.
    refused(office.signs("manager", request, "WITNESS", **wrong), 403, "core.password_wrong")
    office.signature("manager", request, "WITNESS")
    assert failures(office, "manager") == 0


def test_a_failure_cannot_be_undone(office: Office) -> None:
    """Neither a rollback that the client asks for nor a query that could fail afterwards takes back the counting."""
    request = office.asked(office.due(1))
    office.signature("approver", request, "APPROVE")
    body = {"entity": "records_request", "entity_id": request["id"], "meaning": "APPROVE", "password": "guess"}
    client = office.world.client("approver")
    refused(client.post("rpc/sign", json=body, headers={"Prefer": "tx=rollback"}), 400, "core.sign_in_plain")
    refused(client.post("rpc/sign", json=body, params={"limit": "1"}), 400, "core.sign_in_plain")


def test_the_second_factor_is_asked_for_as_well(office: Office) -> None:
    request = office.asked(office.due(1))
    office.signature("approver", request, "APPROVE")
    secret = office.call("totp_begin", "approver").json()["secret"]
    assert office.call("totp_confirm", "approver", code=code_of(secret)).json() == {"confirmed": True}
    forget = "update core.second_factor set last_step = 0 where user_id = %s"
    office.world.db.execute(forget, [office.world.user("approver")])
    refused(office.signs("approver", request, "APPROVE"), 403, "core.signature_code_missing")
    refused(office.signs("approver", request, "APPROVE", totp_code="000000"), 403, "core.password_wrong")
    assert failures(office, "approver") == 1
    code = code_of(secret)
    made = office.signs("approver", request, "APPROVE", totp_code=code)
    assert made.status_code == 200 and made.json()["has_second_factor"] is True
    refused(office.signs("approver", request, "APPROVE", totp_code=code), 403, "core.password_wrong")


def test_who_signs_what(office: Office, api: Any, address: Any) -> None:
    world = office.world
    request = office.asked(office.due(1))
    refused(office.signs("viewer", request, "APPROVE"), 403, "core.permission_missing")
    refused(office.signs("approver", request, "ADMIRE"), 422, "core.signature_meaning_unknown")
    refused(office.signs("approver", request, "APPROVE", "U2"), 404, "core.not_found")
    refused(office.signs("approver", request, "APPROVE", entity="partner"), 404, "core.not_found")
    refused(office.signs("approver", request, "APPROVE", entity="nothing"), 404, "core.not_found")
    body = {"entity": "records_request", "entity_id": request["id"], "meaning": "APPROVE", "password": PASSWORD}
    refused(api().post("rpc/sign", json=body), 401, "42501")
    # A machine does not sign.
    key = office.call("api_key_create", "admin", name="Robot", permissions=["records.request.read"]).json()["key"]
    robot = api(api(None, address()).post("rpc/api_key_sign_in", json={"key": key}).json()["access_token"])
    refused(robot.post("rpc/sign", json=body), 403, "core.api_key_refused")
    # Who has no password here proves nothing.
    world.db.execute("delete from core.credential where user_id = %s", [world.user("approver")])
    refused(office.signs("approver", request, "APPROVE"), 409, "core.credential_missing")


def test_a_step_takes_the_signature_that_was_made_for_it(office: Office) -> None:
    """Missing, of another person, session, record or meaning, too old, or of what was changed since."""
    world = office.world
    request, other = office.asked(office.due(1)), office.asked(office.due(1))

    def approve(signature_id: Any) -> Any:
        return world.call("request_approve", "approver", id=request["id"], signature_id=signature_id)

    refused(approve(None), 422, "core.signature_missing")
    refused(approve(request["id"]), 403, "core.signature_foreign")
    refused(approve(office.signature("approver", other, "APPROVE")), 403, "core.signature_foreign")
    refused(approve(office.signature("approver", request, "REJECT")), 422, "core.signature_meaning_differs")
    mine = office.signature("approver", request, "APPROVE")
    world.clients.pop(("approver", "U1"))  # signs in again
    refused(approve(mine), 403, "core.signature_foreign")

    of_before = office.signature("approver", request, "APPROVE")
    world.db.execute("update records.request set purpose = 'Other' where id = %s", [request["id"]])
    refused(approve(of_before), 409, "core.signature_outdated")
    verdict = world.client("approver").get("rpc/signature_verify", params={"id": of_before}).json()
    assert (verdict["is_intact"], verdict["is_current"], verdict["current"]["purpose"]) == (True, False, "Other")

    assert office.call("setting_put", "admin", code="core.signature_minutes", value=0).status_code == 200
    refused(approve(office.signature("approver", request, "APPROVE")), 422, "core.signature_stale")
    assert office.call("setting_put", "admin", code="core.signature_minutes").json() == 5
    assert approve(office.signature("approver", request, "APPROVE")).status_code == 200


def test_nobody_changes_a_signature(office: Office, stack: Any) -> None:
    """Not the tools, not the owner, not a superuser."""
    world = office.world
    made = office.signature("approver", office.asked(office.due(1)), "APPROVE")
    for role in ("migrator", "postgres"):
        with psycopg.connect(stack.dsn(role, world.db.info.dbname), autocommit=True) as session:
            for statement in (
                "update core.signature set signer_name = 'Other' where id = %s",
                "delete from core.signature where id = %s",
                "delete from core.signature_use where signature_id = %s",
                "truncate core.signature, core.signature_use, core.approval_step, records.destruction_certificate",
            ):
                values = [made] if "%s" in statement else None
                with pytest.raises(psycopg.Error, match=r"core\.signature_immutable|permission denied|certificate_im"):
                    session.execute(statement, values)  # type: ignore[call-overload]
    patched = world.client("admin").patch("signatures", params={"id": f"eq.{made}"}, json={"signer_name": "Other"})
    refused(patched, 403, "42501")
