"""API keys: machines sign in, and may do what the key and its user both may."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from postgrest import SyncPostgrestClient

ITEM = {"sku": "A", "name": "A", "class": "GOODS", "unit_code": "H87"}


def test_a_machine_works_with_a_key(org: Any, stack: Any, person: Any, signed_in: Any, call: Any, api: Any, db: Any,
                                    events: Any) -> None:  # fmt: skip
    who = person(permissions=["core.api_key.create", "core.item.create", "core.partner.create"])
    token = signed_in(who)["access_token"]
    answer = call("api_key_create", token, name="Scanner", permissions=["core.item.create", "core.role.create"])
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store", answer.text
    made = answer.json()
    days = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert 364 < days.total_seconds() / 86400 < 366
    assert made["key"].startswith(made["prefix"]) and len(made["key"]) > 40

    anonymous = SyncPostgrestClient(f"{stack.url}/api", schema="api")
    session: Any = anonymous.rpc("api_key_sign_in", {"key": made["key"]}).execute().data
    assert session["refresh_token"] is None and session["user"]["id"] == str(who.id)
    machine = api(session["access_token"])
    me = machine.post("rpc/me").json()
    assert me["permissions"] == ["core.item.create"]  # what both the key and the user may
    assert me["session"]["api_key_id"] == made["id"]
    assert machine.post("items", json=ITEM).status_code == 201
    assert machine.post("partners", json={"code": "P", "name": "P"}).status_code == 403
    assert machine.post("roles", json={"code": "r", "name": "R"}).status_code == 403

    db.execute("update core.api_key set permissions = '{}' where id = %s", [made["id"]])
    assert machine.post("items", json={**ITEM, "sku": "B"}).status_code == 403  # at once
    assert events(who.id) == ["API_KEY_CREATED"]
    (listed,) = api(token).get("api_keys").json()
    assert listed["prefix"] == made["prefix"] and listed["last_used_at"] and made["key"] not in str(listed)
    stored = db.execute("select key_hash from core.api_key where id = %s", [made["id"]]).fetchone()[0]
    assert made["key"].encode() not in bytes(stored)


def key_of(who: Any, signed_in: Any, call: Any, **values: Any) -> tuple[dict[str, Any], str]:
    token = signed_in(who)["access_token"]
    made = call("api_key_create", token, name="K", **{"permissions": ["core.item.create"], **values})
    assert made.status_code == 200, made.text
    return made.json(), token


def test_a_revoked_or_expired_key_ends_at_once(
    person: Any, signed_in: Any, call: Any, api: Any, refused: Any, db: Any
) -> None:
    who = person(administrator=True)
    for end in ("revoke", "expire", "disable"):
        made, token = key_of(who, signed_in, call)
        session = call("api_key_sign_in", key=made["key"]).json()["access_token"]
        assert api(session).get("items").status_code == 200
        if end == "revoke":
            assert call("api_key_revoke", token, id=made["id"]).json() == {"id": made["id"], "revoked": True}
        elif end == "expire":
            db.execute(
                "update core.api_key set created_at = now() - interval '2 s', expires_at = now() where id = %s",
                [made["id"]],
            )
        else:
            db.execute("update core.membership set is_active = false where user_id = %s", [who.id])
        code = "core.user_inactive" if end == "disable" else "core.session_ended"
        refused(api(session).get("items"), 401, code)
        refused(
            call("api_key_sign_in", key=made["key"]),
            401,
            "core.user_inactive" if end == "disable" else "core.api_key_failed",
        )
    for wrong in ("erk_unknown", "", None):
        refused(call("api_key_sign_in", key=wrong), 401, "core.api_key_failed")


def test_what_a_key_may_not_be(org: Any, new_org: Any, person: Any, signed_in: Any, call: Any, refused: Any) -> None:
    who = person(permissions=["core.api_key.create"])
    token = signed_in(who)["access_token"]
    key = {"name": "K", "permissions": ["core.item.create"]}
    refused(call("api_key_create", org.token(), **key), 403, "core.permission_missing")
    refused(call("api_key_create", token, **{**key, "permissions": ["core.item.fly"]}), 422, "core.permission_unknown")
    for wrong in (-1, 366):
        at = (datetime.now(UTC) + timedelta(days=wrong)).isoformat()
        refused(call("api_key_create", token, **key, expires_at=at), 422, "core.api_key_expiry")
    assert call("api_key_create", token, **{**key, "name": " "}).status_code == 400
    # for somebody else: who gives roles may
    refused(call("api_key_create", token, **key, user_id=str(org.user())), 403, "core.permission_missing")
    admin = org.admin_token
    machine = org.user(["core.item.create"])
    assert call("api_key_create", admin, **key, user_id=str(machine)).json()["user_id"] == str(machine)
    refused(call("api_key_create", admin, **key, user_id=str(new_org().user())), 404, "core.not_found")


def test_a_key_is_not_the_way_to_more(person: Any, signed_in: Any, call: Any, refused: Any) -> None:
    who = person(administrator=True)
    made, _ = key_of(
        who,
        signed_in,
        call,
        permissions=["core.api_key.create", "core.session.revoke", "core.user.reset_second_factor"],
    )
    token = call("api_key_sign_in", key=made["key"]).json()["access_token"]
    some = str(uuid.uuid4())
    for function, values in (
        ("api_key_create", {"name": "K", "permissions": []}), ("api_key_revoke", {"id": some}),
        ("password_change", {"old_password": who.password, "new_password": "Nine Swans over 3 lakes!"}),
        ("totp_begin", {}), ("totp_confirm", {"code": "1"}), ("totp_disable", {"password": who.password, "code": "1"}),
        ("sign_in_switch", {"organization": who.org.code}), ("session_revoke", {"id": some}),
        ("sign_out", {"all": True}),
        ("user_second_factor_reset", {"id": some}),
    ):  # fmt: skip
        refused(call(function, token, **values), 403, "core.api_key_refused")
    assert call("sign_out", token).json() == {"ended": 1}
    refused(call("sign_out", token), 401, "core.session_ended")


def test_keys_are_seen_and_ended_by_whom_they_concern(
    org: Any, new_org: Any, person: Any, signed_in: Any, call: Any, api: Any, refused: Any
) -> None:
    who, colleague = person(permissions=["core.api_key.create"]), person()
    made, token = key_of(who, signed_in, call)
    assert [k["id"] for k in api(token).get("api_keys").json()] == [made["id"]]
    other = signed_in(colleague)["access_token"]
    assert api(other).get("api_keys").json() == []
    refused(call("api_key_revoke", other, id=made["id"]), 403, "core.permission_missing")
    stranger = new_org().admin_token
    assert api(stranger).get("api_keys").json() == []
    refused(call("api_key_revoke", stranger, id=made["id"]), 404, "core.not_found")
    chief = org.token(["core.api_key.read", "core.api_key.revoke"])
    assert [k["id"] for k in api(chief).get("api_keys").json()] == [made["id"]]
    assert call("api_key_revoke", chief, id=made["id"]).status_code == 200


def test_the_claim_alone_is_worth_nothing(
    org: Any, db: Any, person: Any, signed_in: Any, call: Any, stack: Any
) -> None:
    """In SQL, too: without the row of its key a session has no permission."""
    who = person(administrator=True)
    with psycopg.connect(stack.dsn("migrator")) as connection:
        claims = f'{{"role": "member", "sub": "{who.id}", "org_id": "{org.id}", "api_key": "{uuid.uuid4()}"}}'
        connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        assert connection.execute("select core.has_permission('core.item.create')").fetchone() == (False,)
