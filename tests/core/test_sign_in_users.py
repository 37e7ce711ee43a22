"""Users are made, kept out and let in again by who may."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
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


def test_a_unit_admin_keeps_the_users_of_his_unit(
    org: Any, call: Any, api: Any, refused: Any, make: Any, stack: Any
) -> None:
    admin = api(org.admin_token)
    branch, other = (make(admin, "org_units", kind="BRANCH", code=code, name=code) for code in ("B", "O"))
    below = make(admin, "org_units", kind="UNIT", code="U", name="U", parent_id=branch["id"])
    roles = {row["code"]: row["id"] for row in admin.get("roles?limit=100").json()}
    clerk = make(admin, "roles", code="clerk", name="Clerk")
    keeper_id = org.user()
    make(admin, "user_roles", user_id=str(keeper_id), role_id=roles["records_unit_admin"], unit_id=branch["id"])
    keeper = sign(org.claims(keeper_id), stack.secret("jwt.key"))
    email = new_email()
    new = {"email": email, "name": "New", "roles": ["clerk"]}

    made = call("user_create", keeper, **new, unit_id=below["id"])
    assert made.status_code == 200, made.text
    held = admin.get("user_roles", params={"user_id": f"eq.{made.json()['id']}", "select": "role_id,unit_id"}).json()
    assert held == [{"role_id": clerk["id"], "unit_id": below["id"]}]

    new["email"] = new_email()
    refused(call("user_create", keeper, **new), 403, "core.permission_missing")
    refused(call("user_create", keeper, **new, unit_id=other["id"]), 403, "core.permission_missing")
    refused(call("user_create", keeper, **{**new, "roles": []}, unit_id=branch["id"]), 422, "core.user_without_role")
    too_high = call("user_create", keeper, **{**new, "roles": ["administrator"]}, unit_id=branch["id"])
    refused(too_high, 403, "core.role_too_high")
    refused(call("user_create", org.admin_token, **new, unit_id=str(uuid.uuid4())), 404, "core.not_found")

    # Roles given and taken by hand.
    client, row = api(keeper), {"user_id": made.json()["id"], "role_id": clerk["id"]}
    given = client.post("user_roles", json={**row, "unit_id": branch["id"]})
    assert given.status_code == 201, given.text
    for wrong in ({}, {"unit_id": other["id"]}, {"unit_id": branch["id"], "role_id": roles["administrator"]}):
        refused(client.post("user_roles", json={**row, **wrong}), 403, "42501")
    elsewhere = make(admin, "user_roles", **row, unit_id=other["id"])
    assert client.delete("user_roles", params={"id": f"eq.{elsewhere['id']}", "select": "id"}).status_code in (200, 204)
    assert len(admin.get("user_roles", params={"id": f"eq.{elsewhere['id']}"}).json()) == 1  # not his to take

    # Whoever works elsewhere too is not his to keep out.
    refused(call("user_disable", keeper, id=made.json()["id"]), 403, "core.permission_missing")
    admin.delete("user_roles", params={"id": f"eq.{elsewhere['id']}"})
    assert call("user_disable", keeper, id=made.json()["id"]).status_code == 200
    assert call("user_enable", keeper, id=made.json()["id"]).status_code == 200
    for beyond in (org.users["admin"], org.user(["core.item.create"]), org.user()):
        refused(call("user_disable", keeper, id=str(beyond)), 403, "core.permission_missing")


@pytest.mark.parametrize("disables_first", [True, False])
def test_who_is_shut_out_while_he_signs_in_stays_out(
    org: Any, person: Any, api: Any, refused: Any, db: Any, stack: Any, disables_first: bool
) -> None:
    who = person()

    def disable(connection: psycopg.Connection[Any]) -> None:
        connection.execute("update core.app_user set is_active = false where id = %s", [who.id])

    def enter(connection: psycopg.Connection[Any]) -> Any:
        row = connection.execute("select core.open_session(%s, %s, now() + interval '1 hour')", [who.id, org.id])
        return row.fetchone()[0]

    dsn = stack.dsn("migrator", db.info.dbname)
    with psycopg.connect(dsn) as one, psycopg.connect(dsn) as two, ThreadPoolExecutor(1) as pool:
        first = disable(one) if disables_first else enter(one)
        second = pool.submit(enter if disables_first else disable, two)
        deadline = time.monotonic() + 20
        query = "select wait_event from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
        while db.execute(query, [two.info.backend_pid]).fetchone() != ("advisory",):
            assert time.monotonic() < deadline and not second.done()
        one.commit()
        sid = first or second.result()
        second.result()
    token = sign(
        {"role": "member", "sub": str(who.id), "org_id": str(org.id), "sid": str(sid)}, stack.secret("jwt.key")
    )
    refused(api(token).get("items"), 401, "core.user_inactive")
    db.execute("update core.app_user set is_active = true where id = %s", [who.id])
    assert api(token).get("items").status_code == 200
