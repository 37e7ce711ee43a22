"""Partners: states, versions, and what an EXTERNAL user sees of his own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest


@pytest.fixture
def admin(org: Any, api: Any) -> Any:
    return api(org.admin_token)


@pytest.fixture
def partner(admin: Any, make: Any) -> Any:
    return make(admin, "partners", code="P1", name="Partner one", currency="USD", credit_limit=1000, note="slow payer")


def test_a_partner_is_held_activated_and_deactivated(admin: Any, partner: Any) -> None:
    def step(name: str, **body: Any) -> tuple[str, str | None]:
        response = admin.post(f"rpc/partner_{name}", json={"id": partner["id"], **body})
        assert response.status_code == 200, response.text
        return response.json()["status"], response.json()["status_reason"]

    assert step("hold", reason=" unpaid ") == ("ON_HOLD", "unpaid")
    assert step("activate") == ("ACTIVE", None)
    assert step("deactivate", reason="closed") == ("INACTIVE", "closed")
    assert step("activate", reason="back") == ("ACTIVE", "back")
    assert admin.get("partners", params={"id": f"eq.{partner['id']}"}).json()[0]["version"] == 5


def test_a_step_that_is_not_listed_is_refused(admin: Any, partner: Any, refused: Any) -> None:
    admin.post("rpc/partner_deactivate", json={"id": partner["id"], "reason": "closed"})
    body = refused(
        admin.post("rpc/partner_hold", json={"id": partner["id"], "reason": "x"}), 409, "core.transition_refused"
    )
    assert body["message"] == "core.partner cannot go from INACTIVE to ON_HOLD"
    assert body["hint"] == "/transitions lists the steps"


def test_only_listed_steps_pass(org: Any, db: Any, admin: Any) -> None:
    """Every pair of states, against the table: the trigger and the list agree, for the tools too."""
    states = ("ACTIVE", "ON_HOLD", "INACTIVE")
    listed = {
        (row["from_status"], row["to_status"])
        for row in admin.get("transitions", params={"entity": "eq.core.partner"}).json()
    }
    for number, target in enumerate(states):
        insert = "insert into core.partner (org_id, code, name, status, status_reason) values (%s, %s, 'N', %s, 'why')"
        passes = True
        try:
            db.execute(insert, [org.id, f"N{number}", target])
        except Exception as error:
            assert "core.transition_refused" in str(error)
            passes = False
        assert passes == (("NEW", target) in listed), target
    steps = {"ACTIVE": [], "ON_HOLD": ["ON_HOLD"], "INACTIVE": ["INACTIVE"]}
    for source in states:
        for target in states:
            if source == target:
                continue
            code = f"{source}-{target}"
            db.execute("insert into core.partner (org_id, code, name) values (%s, %s, 'N')", [org.id, code])
            update = "update core.partner set status = %s, status_reason = 'why' where org_id = %s and code = %s"
            for status in steps[source]:
                db.execute(update, [status, org.id, code])
            try:
                db.execute(update, [target, org.id, code])
                passes = True
            except Exception as error:
                assert "core.transition_refused" in str(error)
                passes = False
            assert passes == ((source, target) in listed), code


@pytest.mark.parametrize("reason", ["", "  ", None])
def test_a_hold_needs_a_reason(admin: Any, partner: Any, refused: Any, reason: str | None) -> None:
    response = admin.post("rpc/partner_hold", json={"id": partner["id"], "reason": reason})
    refused(response, 422, "core.reason_missing")


def test_a_step_needs_its_own_permission(org: Any, api: Any, partner: Any, refused: Any) -> None:
    holder = api(org.token(["core.partner.hold"]))
    body = {"id": partner["id"], "reason": "x"}
    refused(holder.post("rpc/partner_deactivate", json=body), 403, "core.permission_missing")
    assert holder.post("rpc/partner_hold", json=body).status_code == 200
    refused(holder.post("rpc/partner_activate", json=body), 403, "core.permission_missing")


def test_the_trigger_asks_for_the_permission_of_the_step(org: Any, api: Any, acting: Any, partner: Any) -> None:
    """Whatever way a status is written: here by a session that may write the column."""
    refused = api(org.token(["core.partner.update"])).post("partners", json={"code": "N", "name": "N"})
    assert (refused.status_code, refused.json()["code"]) == (403, "core.permission_missing")
    update = "update core.partner set status = 'ON_HOLD', status_reason = 'x' where id = %s"
    with (
        acting(org, org.user(["core.partner.deactivate"]), "owner") as session,
        pytest.raises(Exception, match=r"core\.permission_missing"),
    ):
        session.execute(update, [partner["id"]])
    with acting(org, org.user(["core.partner.hold"]), "owner") as session:
        assert session.execute(update, [partner["id"]]).rowcount == 1


def test_a_partner_of_another_organisation_is_not_found(new_org: Any, api: Any, partner: Any, refused: Any) -> None:
    other = api(new_org().admin_token)
    response = other.post("rpc/partner_hold", json={"id": partner["id"], "reason": "x"})
    body = refused(response, 404, "core.not_found")
    assert body["message"] == f"There is no partner {partner['id']}"


def test_status_cannot_be_written_directly(admin: Any, partner: Any) -> None:
    response = admin.patch("partners", params={"id": f"eq.{partner['id']}"}, json={"status": "INACTIVE"})
    assert (response.status_code, response.json()["code"]) == (403, "42501")
    response = admin.post("partners", json={"code": "X", "name": "X", "status": "ACTIVE"})
    assert (response.status_code, response.json()["code"]) == (403, "42501")


def test_a_stale_version_is_refused(admin: Any, partner: Any, refused: Any) -> None:
    key = {"id": f"eq.{partner['id']}"}
    first = admin.patch(
        "partners", params=key, json={"name": "A", "version": 1}, headers={"Prefer": "return=representation"}
    )
    assert (first.json()[0]["name"], first.json()[0]["version"]) == ("A", 2)
    body = refused(admin.patch("partners", params=key, json={"name": "B", "version": 1}), 412, "core.stale_version")
    assert '"current_version": 2' in body["details"]
    assert admin.get("partners", params=key).json()[0]["name"] == "A"
    refused(
        admin.post("rpc/partner_hold", json={"id": partner["id"], "reason": "x", "version": 1}),
        412,
        "core.stale_version",
    )


def test_one_of_many_writers_of_a_version_wins(org: Any, api: Any, partner: Any) -> None:
    clients = [api(org.admin_token) for _ in range(8)]
    key = {"id": f"eq.{partner['id']}"}
    with ThreadPoolExecutor(len(clients)) as pool:
        writes = [
            pool.submit(c.patch, "partners", params=key, json={"name": f"W{i}", "version": 1})
            for i, c in enumerate(clients)
        ]
        found = sorted(write.result().status_code for write in writes)
    assert found == [204] + [412] * 7
    assert clients[0].get("partners", params=key).json()[0]["version"] == 2


def test_who_changed_it_is_remembered(org: Any, admin: Any, partner: Any, db: Any) -> None:
    assert partner["created_by"] == str(org.users["admin"])
    with pytest.raises(Exception, match=r"core\.immutable_column"):
        db.execute("update core.partner set created_by = null where id = %s", [partner["id"]])
    with pytest.raises(Exception, match=r"core\.immutable_column"):
        db.execute("update core.partner set id = uuidv7() where id = %s", [partner["id"]])
    row = db.execute(
        "update core.partner set name = 'tools' where id = %s returning updated_by, version", [partner["id"]]
    ).fetchone()
    assert row == (None, 2)


def test_an_external_user_sees_his_own_partner_only(org: Any, api: Any, admin: Any, partner: Any, make: Any) -> None:
    other = make(admin, "partners", code="P2", name="Partner two")
    for each in (partner, other):
        make(admin, "contacts", partner_id=each["id"], name="N", phone="1")
        make(admin, "addresses", partner_id=each["id"], kind="SHIP_TO", line1="L", city="C", country_code="BD")
        make(admin, "partner_roles", partner_id=each["id"], role="CUSTOMER")
    external = api(org.token(partner_id=partner["id"]))
    own = external.get("own_partner").json()
    assert [row["id"] for row in own] == [partner["id"]]
    assert not {"note", "credit_limit", "status_reason"} & set(own[0])
    for view in ("contacts", "addresses", "partner_roles"):
        assert [row["partner_id"] for row in external.get(view).json()] == [partner["id"]], view
    assert [row["id"] for row in external.get("organizations").json()] == [str(org.id)]
    assert len(external.get("users").json()) == 1
    assert len(external.get("countries").json()) == 20


@pytest.mark.parametrize(
    "view", ["partners", "items", "locations", "org_units", "roles", "exchange_rates", "settings", "number_series"]
)
def test_an_external_user_reads_nothing_internal(org: Any, api: Any, partner: Any, view: str) -> None:
    response = api(org.token(partner_id=partner["id"])).get(view)
    assert (response.status_code, response.json()["code"]) == (403, "42501")


def test_an_external_user_writes_nothing(org: Any, api: Any, partner: Any) -> None:
    external = api(org.token(partner_id=partner["id"]))
    key = {"id": f"eq.{partner['id']}"}
    assert external.patch("own_partner", params=key, json={"name": "X"}).status_code == 403
    response = external.post("contacts", json={"partner_id": partner["id"], "name": "N", "phone": "1"})
    assert response.status_code == 403
    response = external.post("rpc/partner_activate", json={"id": partner["id"]})
    assert response.status_code in (403, 404)


def test_partner_rules(admin: Any, partner: Any) -> None:
    for view, row, status in (
        ("partners", {"code": "P1", "name": "again"}, 409),
        ("partners", {"code": "P9", "name": " "}, 400),
        ("partners", {"code": "P9", "name": "N", "credit_limit": 5}, 400),
        ("partners", {"code": "P9", "name": "N", "country_code": "XX"}, 409),
        ("contacts", {"partner_id": partner["id"], "name": "N"}, 400),
        ("addresses", {"partner_id": partner["id"], "kind": "SHIP_TO", "line1": "L", "city": "C", "country_code": "NO",
                       "locode": "BDCGP"}, 400),
    ):  # fmt: skip
        assert admin.post(view, json=row).status_code == status, row
