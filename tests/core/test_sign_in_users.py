"""Users are made, kept out and let in again by who may."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from erpgres.tokens import open_session, sign

GOOD = "Nine Swans over 3 lakes!"


def new_email() -> str:
    return f"{uuid.uuid4().hex}@example.com"


def test_a_new_user_is_invited_and_signs_in(
    org: Any, call: Any, api: Any, messages: Any, quick: None, events: Any
) -> None:
    admin = api(org.admin_token)
    admin.post("roles", json={"code": "clerk", "name": "Clerk"})
    email = new_email()
    answer = call("user_create", org.admin_token, email=email.upper(), name="Bela", roles=["clerk"])
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert (made["email"], made["kind"], made["is_active"], made["org_id"]) == (email, "INTERNAL", True, str(org.id))
    assert [u["name"] for u in admin.get("users", params={"id": f"eq.{made['id']}"}).json()] == ["Bela"]
    (message,) = messages(email, "INVITATION")
    assert call("password_reset", token=message["token"], new_password=GOOD).status_code == 200
    token = call("sign_in", email=email, password=GOOD).json()["access_token"]
    assert [r["code"] for r in api(token).post("rpc/me").json()["roles"]] == ["clerk"]
    assert events(uuid.UUID(made["id"])) == ["USER_CREATED", "PASSWORD_RESET"]


def test_an_external_user_belongs_to_a_partner(
    org: Any, new_org: Any, call: Any, api: Any, make: Any, refused: Any
) -> None:
    partner = make(api(org.admin_token), "partners", code="P", name="P")
    email = new_email()
    made = call("user_create", org.admin_token, email=email, name="Supplier", partner_id=partner["id"]).json()
    assert (made["kind"], made["partner_id"]) == ("EXTERNAL", partner["id"])
    other = new_org()
    refused(call("user_create", other.admin_token, email=email, name="Supplier"), 409, "core.user_exists")
    refused(
        call("user_create", other.admin_token, email=new_email(), name="X", partner_id=partner["id"]),
        404,
        "core.not_found",
    )


def test_a_user_of_another_organisation_is_taken_in(
    new_org: Any, person: Any, call: Any, signed_in: Any, messages: Any, refused: Any
) -> None:
    ours, theirs = new_org(), new_org()
    who = person(ours)
    made = call("user_create", theirs.admin_token, email=who.email, name="Another name").json()
    assert made["id"] == str(who.id) and made["name"] != "Another name"
    assert {o["code"] for o in signed_in(who)["organizations"]} == {ours.code, theirs.code}
    assert messages(who.email, "INVITATION") == []
    refused(call("user_create", theirs.admin_token, email=who.email, name="X"), 409, "core.user_exists")


def test_who_may_not_make_users(org: Any, call: Any, refused: Any, db: Any) -> None:
    body = {"email": new_email(), "name": "X"}
    refused(call("user_create", org.token(), **body), 403, "core.permission_missing")
    maker = org.token(["core.user.create"])
    refused(call("user_create", maker, **body, roles=["administrator"]), 403, "core.permission_missing")
    refused(call("user_create", org.admin_token, **body, roles=["unknown"]), 404, "core.not_found")
    assert call("user_create", maker, **{**body, "email": "no address"}).status_code == 400
    assert call("user_create", maker, **{**body, "name": " "}).status_code == 400
    assert call("user_create", **body).status_code == 401
    root = db.execute(
        "insert into core.app_user (email, name, kind) values (%s, 'Root', 'SUPER_ADMIN') returning id, email",
        [new_email()],
    ).fetchone()
    refused(call("user_create", org.admin_token, email=root[1], name="X"), 409, "core.user_exists")
    assert call("user_create", maker, **body).status_code == 200


def test_a_disabled_user_is_out_at_once(
    org: Any, new_org: Any, person: Any, signed_in: Any, call: Any, api: Any, refused: Any, db: Any, events: Any
) -> None:
    who, other = person(), new_org()
    db.execute("insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [other.id, who.id])
    here, there = signed_in(who, organization=org.code), signed_in(who, organization=other.code)
    keeper = org.token(["core.user.disable", "core.user.enable"])
    refused(call("user_disable", org.token(), id=str(who.id)), 403, "core.permission_missing")
    refused(call("user_disable", new_org().admin_token, id=str(who.id)), 404, "core.not_found")
    assert call("user_disable", keeper, id=str(who.id)).json() == {"id": str(who.id), "is_active": False}
    refused(api(here["access_token"]).get("items"), 401, "core.user_inactive")
    assert api(there["access_token"]).get("items").status_code == 200
    refused(
        call("sign_in", email=who.email, password=who.password, organization=org.code), 401, "core.organization_refused"
    )
    refused(call("user_enable", org.token(), id=str(who.id)), 403, "core.permission_missing")
    assert call("user_enable", keeper, id=str(who.id)).json() == {"id": str(who.id), "is_active": True}
    refused(api(here["access_token"]).get("items"), 401, "core.session_ended")  # not taken up again
    assert signed_in(who, organization=org.code)
    assert events(who.id) == ["USER_DISABLED", "USER_ENABLED"]


def test_nobody_disables_himself(org: Any, api: Any, call: Any, refused: Any) -> None:
    token = org.admin_token
    refused(call("user_disable", token, id=str(org.users["admin"])), 422, "core.user_self")


def test_a_super_admin_disables_an_account_everywhere(
    org: Any, person: Any, signed_in: Any, call: Any, api: Any, refused: Any, db: Any, stack: Any
) -> None:
    who = person()
    session = signed_in(who)
    root = db.execute(
        "insert into core.app_user (email, name, kind) values (%s, 'Root', 'SUPER_ADMIN') returning id", [new_email()]
    ).fetchone()[0]
    claims = {"role": "superadmin", "sub": str(root)}
    token = sign({**claims, "sid": open_session(db, claims)}, stack.secret("jwt.key"))
    assert call("user_disable", token, id=str(who.id)).status_code == 200
    assert db.execute("select is_active from core.app_user where id = %s", [who.id]).fetchone() == (False,)
    refused(api(session["access_token"]).get("items"), 401, "core.user_inactive")
    refused(call("user_disable", token, id=str(uuid.uuid4())), 404, "core.not_found")
    assert call("user_enable", token, id=str(who.id)).status_code == 200
    assert signed_in(who)


@pytest.mark.parametrize("code", ["core.password_length", "core.access_token_minutes"])
def test_an_organisation_does_not_change_the_settings_of_all(
    org: Any, call: Any, api: Any, refused: Any, code: str
) -> None:
    refused(call("setting_put", org.admin_token, code=code, value=1), 403, "core.setting_global")
    (row,) = api(org.admin_token).get("settings", params={"code": f"eq.{code}"}).json()
    assert row["is_global"] is True


def test_an_outside_provider_needs_no_session(org: Any, db: Any, api: Any, refused: Any, stack: Any) -> None:
    """Its tokens are verified by their key; here signed with ours, as its claims are what counts."""
    issuer = f"https://{uuid.uuid4().hex}.example.com"
    claims = {"role": "member", "sub": str(org.user()), "org_id": str(org.id), "iss": issuer}
    token = sign(claims, stack.secret("jwt.key"))
    refused(api(token).get("items"), 401, "core.session_ended")
    db.execute("insert into core.identity_provider (issuer, name) values (%s, 'Outside')", [issuer])
    assert api(token).get("items").status_code == 200
    db.execute("update core.identity_provider set is_active = false where issuer = %s", [issuer])
    refused(api(token).get("items"), 401, "core.session_ended")
