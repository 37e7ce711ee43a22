"""Who comes in, what he may do, and that an organisation sees only itself."""

from __future__ import annotations

import json
import uuid
from typing import Any

import psycopg
import pytest

from erpgres.tokens import open_session, sign

HIDDEN = "42501"


def sign_for(org: Any, claims: dict[str, Any]) -> str:
    return sign(claims, org.stack.secret("jwt.key"))


def test_me_tells_user_organisation_and_permissions(org: Any, api: Any) -> None:
    me = api(org.token(["core.item.create", "core.item.update"])).post("rpc/me").json()
    assert me["user"]["kind"] == "INTERNAL"
    assert me["organization"]["id"] == str(org.id)
    assert me["partner"] is None
    assert me["permissions"] == ["core.item.create", "core.item.update"]


def test_administrator_has_every_permission(org: Any, api: Any) -> None:
    client = api(org.admin_token)
    duties = "is_duty", "eq.false"
    page = [duties, ("order", "code"), ("limit", "100")]
    first = [row["code"] for row in client.get("permissions", params=page).json()]
    more = client.get("permissions", params=[*page, ("code", f"gt.{first[-1]}")])
    every = first + [row["code"] for row in more.json()]
    assert sorted(client.post("rpc/me").json()["permissions"]) == sorted(every) != []


@pytest.mark.parametrize("who", ["roles", "roles and duties", "unit", "administrator", "api key", "superadmin"])
def test_me_lists_what_is_permitted_one_by_one(org: Any, api: Any, db: Any, stack: Any, make: Any, who: str) -> None:
    """`me` asks for all at once: it must say what each question by itself would be answered."""
    given = ["core.item.create", "wms.document.post"]
    if who == "roles and duties":
        given += [code for (code,) in db.execute("select code from core.permission where is_duty")]
    user_id = org.user(given, administrator=who in ("administrator", "api key"))
    claims = org.claims(user_id)
    if who == "unit":
        unit = make(api(org.admin_token), "org_units", kind="BRANCH", code="B", name="B")["id"]
        with db.transaction():
            db.execute("update core.user_role set unit_id = %s where user_id = %s", [unit, user_id])
    if who == "api key":
        row = db.execute(
            "insert into core.api_key (org_id, user_id, name, prefix, key_hash, permissions, expires_at)"
            " values (%s, %s, 'key', 'key', sha256(%s::bytea), %s, now() + interval '1 day') returning id",
            [org.id, user_id, user_id.bytes, ["core.item.create", "core.nothing.create"]],
        ).fetchone()
        claims["api_key"] = str(row[0])
    role = "superadmin" if who == "superadmin" else "member"
    with psycopg.connect(stack.dsn("authenticator")) as session:
        whose = json.dumps({**claims, "role": role})
        settings = {"request.jwt.claims": whose, "erpgres.org_id": str(org.id), "role": role}
        for name, value in settings.items():
            session.execute("select set_config(%s, %s, true)", [name, value])
        one_by_one, at_once = session.execute(
            "select coalesce(jsonb_agg(code) filter (where core.has_permission(code)), '[]'), api.me() -> 'permissions'"
            " from api.permissions"
        ).fetchone()
    assert sorted(at_once) == sorted(one_by_one)
    assert len(at_once) == {"roles": 2, "unit": 0, "api key": 1}.get(who, len(at_once)) and (at_once or who == "unit")


def test_me_of_an_external_user(org: Any, api: Any, make: Any) -> None:
    partner = make(api(org.admin_token), "partners", code="P1", name="Partner")
    me = api(org.token(partner_id=partner["id"])).post("rpc/me").json()
    assert me["partner"] == {"id": partner["id"], "code": "P1", "name": "Partner"}
    assert me["permissions"] == []


def test_health_needs_no_token(api: Any) -> None:
    health = api().get("rpc/health").json()
    assert health["database"] == "up"
    assert health["migration"] >= 13


def test_without_a_token_there_is_nothing_else(api: Any) -> None:
    for path in ("partners", "countries", "users"):
        assert api().get(path).status_code == 401
    assert api().post("rpc/me").status_code in (401, 404)


def test_inactive_user_membership_or_organisation_is_refused(org: Any, api: Any, db: Any, refused: Any) -> None:
    user_id = org.user(administrator=True)
    client = api(sign_for(org, org.claims(user_id)))
    assert client.get("items").status_code == 200
    for table, key, value in (
        ("app_user", "id", user_id), ("membership", "user_id", user_id), ("organization", "id", org.id),
    ):  # fmt: skip
        update = f"update core.{table} set is_active = %s where {key} = %s"
        db.execute(update, [False, value])
        response = client.get("items")
        refused(response, 401, "core.user_inactive")
        assert response.headers["WWW-Authenticate"] == "Bearer"
        db.execute(update, [True, value])
    assert client.get("items").status_code == 200


def test_a_user_who_is_no_member_is_refused(org: Any, new_org: Any, api: Any, refused: Any) -> None:
    other = new_org()
    claims = other.claims(org.user(administrator=True))
    refused(api(sign_for(org, claims)).get("items"), 401, "core.user_inactive")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sub": "nobody"}, "core.token_malformed"),
        ({"org_id": "none"}, "core.token_malformed"),
        ({"partner_id": "1"}, "core.token_malformed"),
        ({"org_id": None}, "core.organization_missing"),
        ({"role": "superadmin"}, "core.role_mismatch"),
        ({"role": "partner"}, "core.role_mismatch"),
        ({"sub": str(uuid.uuid4())}, "core.session_ended"),
        ({"sid": "1"}, "core.token_malformed"),
        ({"sid": None}, "core.session_ended"),
        ({"sid": str(uuid.uuid4())}, "core.session_ended"),
        ({"api_key": str(uuid.uuid4())}, "core.session_ended"),
        ({"iss": "https://unknown.example.com", "sid": None}, "core.session_ended"),
    ],
)
def test_tokens_that_do_not_fit(org: Any, api: Any, refused: Any, change: dict[str, Any], code: str) -> None:
    claims = {**org.claims(org.user(administrator=True)), **change}
    refused(api(sign_for(org, {k: v for k, v in claims.items() if v})).get("items"), 401, code)


def test_a_role_that_no_request_may_take(org: Any, api: Any) -> None:
    for role in ("owner", "migrator", "worker", "postgres"):
        claims = {**org.claims(org.user(administrator=True)), "role": role}
        assert api(sign_for(org, claims)).get("items").status_code in (400, 401, 403)


def test_external_user_of_another_partner_is_refused(org: Any, api: Any, make: Any, refused: Any) -> None:
    admin = api(org.admin_token)
    own, other = (make(admin, "partners", code=code, name=code) for code in ("OWN", "OTHER"))
    user_id = org.user(partner_id=own["id"])
    claims = org.claims(user_id, role="partner", partner_id=other["id"])
    refused(api(sign_for(org, claims)).get("own_partner"), 401, "core.session_ended")


def test_external_user_of_an_inactive_partner_is_refused(org: Any, api: Any, make: Any, refused: Any) -> None:
    admin = api(org.admin_token)
    partner = make(admin, "partners", code="P", name="P")
    external = api(org.token(partner_id=partner["id"]))
    assert len(external.get("own_partner").json()) == 1
    held = admin.post("rpc/partner_hold", json={"id": partner["id"], "reason": "unpaid"})
    assert held.status_code == 200
    assert len(external.get("own_partner").json()) == 1
    admin.post("rpc/partner_deactivate", json={"id": partner["id"], "reason": "gone"})
    refused(external.get("own_partner"), 401, "core.user_inactive")


def test_taking_a_role_away_acts_at_once(org: Any, api: Any, db: Any, make: Any) -> None:
    user_id = org.user(["core.item.create"])
    client = api(sign_for(org, org.claims(user_id)))
    make(client, "items", sku="A", name="A", **{"class": "GOODS"}, unit_code="H87")
    db.execute("delete from core.user_role where user_id = %s", [user_id])
    refused = client.post("items", json={"sku": "B", "name": "B", "class": "GOODS", "unit_code": "H87"})
    assert (refused.status_code, refused.json()["code"]) == (403, HIDDEN)


def test_role_in_a_unit_counts_there_and_below(org: Any, api: Any, db: Any, make: Any, acting: Any) -> None:
    admin = api(org.admin_token)
    branch = make(admin, "org_units", kind="BRANCH", code="B", name="B")
    unit = make(admin, "org_units", kind="UNIT", code="U", name="U", parent_id=branch["id"])
    other = make(admin, "org_units", kind="BRANCH", code="O", name="O")
    user_id = org.user(["core.item.create"])
    db.execute("update core.user_role set unit_id = %s where user_id = %s", [branch["id"], user_id])
    with acting(org, user_id) as session:
        asked = "select core.has_permission('core.item.create', %s)"
        found = [
            session.execute(asked, [unit_id]).fetchone()[0] for unit_id in (branch["id"], unit["id"], other["id"], None)
        ]
    assert found == [True, True, False, False]


MASTER_DATA = [
    ("partners", {"code": "X", "name": "X"}),
    ("org_units", {"kind": "BRANCH", "code": "X", "name": "X"}),
    ("locations", {"kind": "SITE", "code": "X", "name": "X"}),
    ("items", {"sku": "X", "name": "X", "class": "GOODS", "unit_code": "H87"}),
    ("unit_conversions", {"from_unit": "XBX", "to_unit": "H87", "factor_numerator": 7}),
    ("exchange_rates", {"from_currency": "EUR", "to_currency": "USD", "rate": 1.1, "valid": "[2026-01-01,2027-01-01)"}),
    ("roles", {"code": "x", "name": "X"}),
    ("number_series", {"document_type": "core.x", "pattern": "X{number}", "reset": "NEVER"}),
]  # fmt: skip


@pytest.mark.parametrize(("view", "row"), MASTER_DATA, ids=[view for view, _ in MASTER_DATA])
def test_an_organisation_sees_only_itself(
    new_org: Any, api: Any, db: Any, make: Any, view: str, row: dict[str, Any]
) -> None:
    ours, theirs = new_org(), new_org()
    us, them = api(ours.admin_token), api(theirs.admin_token)
    made = make(us, view, **row)
    assert made["org_id"] == str(ours.id)
    key = {"id": f"eq.{made['id']}"}
    assert len(us.get(view, params=key).json()) == 1
    assert them.get(view, params=key).json() == []

    name = next(c for c in ("name", "rate", "pattern", "factor_numerator") if c in made)
    value = {"name": "Z", "pattern": "Z{number}"}.get(name, 3)
    want = {"Prefer": "return=representation"}
    assert them.patch(view, params=key, json={name: value}, headers=want).json() == []
    assert us.get(view, params=key).json()[0][name] == made[name]
    assert us.patch(view, params=key, json={name: value}, headers=want).json()[0][name] == value

    them.delete(view, params=key)
    assert len(us.get(view, params=key).json()) == 1

    spoofed = them.post(view, json={**row, "org_id": str(ours.id)})
    assert (spoofed.status_code, spoofed.json()["code"]) == (403, HIDDEN)
    moved = us.patch(view, params=key, json={"org_id": str(theirs.id)})
    assert (moved.status_code, moved.json()["code"]) == (403, HIDDEN)


@pytest.mark.parametrize(("view", "row"), MASTER_DATA, ids=[view for view, _ in MASTER_DATA])
def test_writing_needs_the_permission(org: Any, api: Any, make: Any, view: str, row: dict[str, Any]) -> None:
    made = make(api(org.admin_token), view, **row)
    reader = api(org.token())
    assert len(reader.get(view, params={"id": f"eq.{made['id']}"}).json()) == 1
    other = {**row, **{k: "Y" for k in ("code", "sku") if k in row and view != "roles"}}
    response = reader.post(view, json=other)
    assert response.status_code == 403, response.text
    assert response.json()["code"] in (HIDDEN, "core.permission_missing")
    column = next(c for c in ("name", "source", "pattern", "factor_numerator") if c in made)
    response = reader.patch(view, params={"id": f"eq.{made['id']}"}, json={column: made[column]})
    assert (response.status_code, response.json()["code"]) == (403, HIDDEN)
    reader.delete(view, params={"id": f"eq.{made['id']}"})
    assert len(reader.get(view, params={"id": f"eq.{made['id']}"}).json()) == 1


def test_a_row_cannot_point_into_another_organisation(new_org: Any, api: Any, make: Any) -> None:
    ours, theirs = new_org(), new_org()
    us, them = api(ours.admin_token), api(theirs.admin_token)
    partner = make(us, "partners", code="P", name="P")
    item = make(us, "items", sku="I", name="I", **{"class": "GOODS"}, unit_code="H87")
    place = make(us, "locations", kind="SITE", code="S", name="S")
    for view, row in (
        ("contacts", {"partner_id": partner["id"], "name": "N", "phone": "1"}),
        ("item_barcodes", {"item_id": item["id"], "unit_code": "H87", "barcode": "12345"}),
        ("locations", {"parent_id": place["id"], "kind": "WAREHOUSE", "code": "W", "name": "W"}),
    ):
        response = them.post(view, json=row)
        assert (response.status_code, response.json()["code"]) == (409, "23503"), response.text


def test_users_are_those_of_the_organisation(new_org: Any, api: Any, db: Any) -> None:
    ours, theirs = new_org(), new_org()
    user_id, other_id = ours.user(), theirs.user()
    client = api(ours.admin_token)
    seen = {row["id"] for row in client.get("users", params={"select": "id"}).json()}
    assert seen == {str(user_id), str(ours.users["admin"])}
    assert str(other_id) not in seen
    with psycopg.connect(ours.stack.dsn("migrator")) as connection:
        connection.execute(
            "select set_config('request.jwt.claims', %s, true)",
            [f'{{"role": "member", "sub": "{user_id}", "org_id": "{ours.id}"}}'],
        )
        connection.execute("set local role member")
        assert connection.execute("select count(*) from core.app_user").fetchone() == (2,)
        assert connection.execute("select count(*) from core.app_user where id = %s", [other_id]).fetchone() == (0,)


def test_nobody_makes_users_through_the_api(org: Any, api: Any) -> None:
    client = api(org.admin_token)
    before = client.get("users").json()
    response = client.post("users", json={"email": "a@example.com", "name": "A", "kind": "INTERNAL"})
    assert response.status_code >= 400, response.text
    assert client.get("users").json() == before


def test_nobody_makes_himself_administrator_without_the_right(org: Any, api: Any) -> None:
    user_id = org.user(["core.role.create", "core.role.update"])
    client = api(sign_for(org, org.claims(user_id)))
    administrator = client.get("roles", params={"code": "eq.administrator"}).json()[0]
    for view, row in (
        ("user_roles", {"user_id": str(user_id), "role_id": administrator["id"]}),
        ("role_permissions", {"role_id": administrator["id"], "permission": "core.user_role.create"}),
        ("roles", {"code": "mine", "name": "Mine", "is_administrator": True}),
    ):
        response = client.post(view, json=row)
        assert (response.status_code, response.json()["code"]) == (403, HIDDEN), response.text


def test_super_admin_sees_all_and_writes_in_the_organisation_of_the_token(
    new_org: Any, api: Any, db: Any, make: Any
) -> None:
    ours, theirs = new_org(), new_org()
    made = [make(api(o.admin_token), "partners", code="S", name="S")["id"] for o in (ours, theirs)]
    user_id = db.execute(
        "insert into core.app_user (email, name, kind) values (%s, 'Root', 'SUPER_ADMIN') returning id",
        [f"{uuid.uuid4().hex}@example.com"],
    ).fetchone()[0]

    def signed_in(**claims: str) -> Any:
        claims = {"role": "superadmin", "sub": str(user_id), **claims}
        return api(sign_for(ours, {**claims, "sid": open_session(db, claims)}))

    client = signed_in(org_id=str(ours.id))
    params = {"id": f"in.({','.join(made)})"}
    assert len(client.get("partners", params=params).json()) == 2
    changed = client.patch(
        "partners", params=params, json={"name": "T"}, headers={"Prefer": "return=representation"}
    ).json()
    assert [row["id"] for row in changed] == [made[0]]
    anywhere = signed_in()
    assert len(anywhere.get("partners", params=params).json()) == 2
    assert anywhere.post("partners", json={"code": "N", "name": "N"}).status_code == 403
