"""Roles are data: every organisation begins with those of the domains, may change its own, and gets them back."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from erpgres.settings import DOMAINS, ROOT

REFERENCE = ROOT / "sql" / "reference"
RECORDS = {"records_unit_admin", "records_document_manager", "records_approver", "records_store_head", "records_viewer"}


def templates() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for path in sorted((REFERENCE / "role_template").glob("*.csv")):
        with path.open(newline="") as file:
            rows += list(csv.DictReader(file))
    return rows


def permissions_of(db: Any, org_id: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for code, permission in db.execute(
        "select r.code, p.permission from core.role as r left join core.role_permission as p "
        "on p.org_id = r.org_id and p.role_id = r.id where r.org_id = %s",
        [org_id],
    ):
        found.setdefault(code, set()).update({permission} - {None})
    return found


def test_every_domain_with_users_has_roles() -> None:
    rows = templates()
    assert {row["domain"] for row in rows} == {"core", "wms", "apparel", "records", "cotton"} <= set(DOMAINS)
    codes = {row["code"] for row in rows}
    assert RECORDS | {"administrator"} <= codes
    assert {"wms_administrator", "wms_manager", "wms_storekeeper", "wms_sales", "wms_accountant", "wms_viewer"} <= codes
    assert {"apparel_merchandiser", "apparel_head_of_merchandising", "apparel_sample_team", "apparel_production",
            "apparel_quality", "apparel_buyer"} <= codes  # fmt: skip
    assert {"cotton_trader", "cotton_risk", "cotton_back_office", "cotton_compliance", "cotton_broker"} <= codes
    assert {row["code"] for row in rows if row["user_kind"] == "EXTERNAL"} >= {"apparel_buyer", "cotton_seller"}
    for row in rows:
        assert row["code"] == "administrator" or row["code"].startswith(f"{row['domain']}_")


def test_a_new_organisation_has_them_all(org: Any, db: Any) -> None:
    held = permissions_of(db, org.id)
    assert held.keys() == {row["code"] for row in templates()}
    assert held["administrator"] == set()
    assert held["records_viewer"] - {"core.approval.read", "core.signature.read"} == {
        "records.crate.read", "records.document.read", "records.request.read",
    }  # fmt: skip
    assert {"wms.document.post", "wms.lot.create"} <= held["wms_storekeeper"]
    assert "wms.document.post" not in held["wms_sales"]
    assert "core.location.create" in held["records_store_head"]
    assert "core.user_role.create" in held["records_unit_admin"]


@pytest.fixture
def storekeeper(org: Any, api: Any) -> Any:
    return api(org.admin_token).get("roles", params={"code": "eq.wms_storekeeper"}).json()[0]


def test_a_seeded_role_works_and_is_bounded(org: Any, api: Any, db: Any, storekeeper: Any, refused: Any) -> None:
    from erpgres.tokens import sign

    user_id = org.user()
    db.execute(
        "insert into core.user_role (org_id, user_id, role_id) values (%s, %s, %s)",
        [org.id, user_id, storekeeper["id"]],
    )
    client = api(sign(org.claims(user_id), org.stack.secret("jwt.key")))
    assert "wms.document.post" in client.post("rpc/me").json()["permissions"]
    refused(client.post("rpc/wms_warehouse_create", json={"code": "W", "name": "W"}), 403, "core.permission_missing")


def test_a_changed_role_is_restored(org: Any, api: Any, db: Any, storekeeper: Any) -> None:
    admin = api(org.admin_token)
    before = permissions_of(db, org.id)
    role = {"role_id": f"eq.{storekeeper['id']}"}
    assert admin.delete("role_permissions", params={**role, "permission": "eq.wms.document.post"}).status_code == 204
    assert admin.post(
        "role_permissions", json={"role_id": storekeeper["id"], "permission": "core.setting.update"}
    ).status_code == 201  # fmt: skip
    assert admin.patch(
        "roles", params={"id": f"eq.{storekeeper['id']}"}, json={"name": "Mine", "code": "keeper"}
    ).status_code == 204  # fmt: skip
    assert permissions_of(db, org.id)["keeper"] != before["wms_storekeeper"]
    restored = admin.post("rpc/role_reset", json={"id": storekeeper["id"]})
    assert restored.status_code == 200, restored.text
    assert (restored.json()["id"], restored.json()["name"], restored.json()["code"]) == (
        storekeeper["id"],
        "Storekeeper",
        "keeper",
    )
    assert permissions_of(db, org.id)["keeper"] == before["wms_storekeeper"]


def test_an_administrator_s_role_is_restored_as_such(org: Any, db: Any) -> None:
    db.execute("update core.role set is_administrator = false where org_id = %s and code = 'administrator'", [org.id])
    assert db.execute("select core.reset_roles(%s)", [org.id]).fetchone() == (len(templates()),)
    query = "select is_administrator from core.role where org_id = %s and code = 'administrator'"
    assert db.execute(query, [org.id]).fetchone() == (True,)


def test_a_removed_role_comes_back_and_own_roles_stay(org: Any, new_org: Any, api: Any, db: Any) -> None:
    other = new_org()
    admin = api(org.admin_token)
    assert admin.delete("roles", params={"code": "eq.cotton_broker"}).status_code == 204
    own = admin.post(
        "roles", json={"code": "cotton_broker", "name": "Ours"}, headers={"Prefer": "return=representation"}
    ).json()[0]
    assert admin.delete("roles", params={"code": "eq.cotton_buyer"}).status_code == 204
    missing = admin.get("role_templates", params={"role_id": "is.null", "select": "code"}).json()
    assert {row["code"] for row in missing} == {"cotton_broker", "cotton_buyer"}
    before = permissions_of(db, other.id)
    db.execute("select core.reset_roles(%s)", [org.id])
    roles = {row["code"]: row for row in admin.get("roles", params={"limit": 100}).json()}
    assert "cotton_buyer" in roles
    assert roles["cotton_broker"]["name"] == "Ours"
    assert roles["cotton_broker"]["id"] == own["id"]
    assert permissions_of(db, other.id) == before


def test_a_reset_is_refused(org: Any, new_org: Any, api: Any, storekeeper: Any, refused: Any, make: Any) -> None:
    admin = api(org.admin_token)
    reset = {"id": storekeeper["id"]}
    some = api(org.token(["core.role.update", "core.role_permission.create"]))
    refused(some.post("rpc/role_reset", json=reset), 403, "core.permission_missing")
    refused(api(new_org().admin_token).post("rpc/role_reset", json=reset), 404, "core.not_found")
    own = make(admin, "roles", code="own", name="Own")
    refused(admin.post("rpc/role_reset", json={"id": own["id"]}), 404, "core.not_found")


def test_templates_are_read_by_members_and_written_by_nobody(org: Any, api: Any, db: Any, make: Any) -> None:
    admin = api(org.admin_token)
    assert len(admin.get("role_templates", params={"limit": 100}).json()) == len(templates())
    assert admin.get("role_template_permissions", params={"role": "eq.wms_manager"}).json() != []
    for view in ("role_templates", "role_template_permissions"):
        assert admin.post(view, json={"code": "x"}).status_code >= 400
        assert (
            admin.delete(view, params={"permission" if "permissions" in view else "code": "not.is.null"}).status_code
            >= 400
        )
    assert len(admin.get("role_templates", params={"limit": 100}).json()) == len(templates())
    partner = make(admin, "partners", code="P", name="P")
    assert api(org.token(partner_id=partner["id"])).get("role_templates").status_code == 403


def test_a_role_of_a_unit_counts_there_and_below(
    org: Any, api: Any, db: Any, make: Any, acting: Any, storekeeper: Any
) -> None:
    admin = api(org.admin_token)
    branch = make(admin, "org_units", kind="BRANCH", code="B", name="B")
    below = make(admin, "org_units", kind="UNIT", code="U", name="U", parent_id=branch["id"])
    beside = make(admin, "org_units", kind="BRANCH", code="O", name="O")
    user_id = org.user()
    make(admin, "user_roles", user_id=str(user_id), role_id=storekeeper["id"], unit_id=branch["id"])
    with acting(org, user_id) as session:
        query = "select core.has_permission('wms.document.post', %s)"
        found = [
            session.execute(query, [unit]).fetchone()[0] for unit in (branch["id"], below["id"], beside["id"], None)
        ]
    assert found == [True, True, False, False]
