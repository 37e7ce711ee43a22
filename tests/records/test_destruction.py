"""Destruction: asked for, approved with a signature, carried out before a witness; each refusal has its own code."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from records.signing import Office
from records.support import in_days, refused, violations


def test_a_crate_is_destroyed_before_a_witness(office: Office) -> None:
    crate = office.due(3)
    documents = office.world.contents(crate)
    certificate = office.destroyed(crate, vendor="Shredders Ltd", method="PULP")
    assert certificate["certificate_no"].startswith("DC-") and certificate["certificate_no"].endswith("-000001")
    assert (certificate["barcode"], certificate["method"], certificate["vendor"], certificate["document_count"]) == (
        crate["barcode"], "PULP", "Shredders Ltd", 3,
    )  # fmt: skip
    assert certificate["is_intact"] is True
    manifest = certificate["manifest"]
    assert {d["id"] for d in manifest["documents"]} == set(documents)
    assert manifest["crate"]["place"] == "ROOM1 / R1 / A / S1" and manifest["crate"]["unit"] == "U1 / HR"
    assert [s["meaning"] for s in manifest["signatures"]] == ["APPROVE", "DESTROY", "WITNESS"]
    assert manifest["signatures"][1]["roles"][-1] == "Store Head (U1)"
    (approval,) = manifest["approvals"]
    assert approval["signature_id"] == manifest["signatures"][0]["id"]

    world = office.world
    assert world.row("crates", crate["id"])["status"] == "DESTROYED"
    rows = world.rows("documents", "admin", id=f"in.({','.join(documents)})")
    assert [row["status"] for row in rows] == ["DESTROYED"] * 3, "what there was is still told"
    request = world.row("requests", certificate["request_id"])
    assert (request["status"], request["completed_by"]) == ("COMPLETED", str(world.user("store")))
    still = world.one(
        "select count(*) from records.custody where org_id = %s and crate_id = %s and upper_inf(during)",
        world.org.id, crate["id"],
    )  # fmt: skip
    assert still == 0, "nobody has it any more"
    assert violations(world.db, world.org.id) == {}

    # What is destroyed answers 409.
    refused(world.call("destruction_request", "manager", crate_id=crate["id"]), 409, "records.crate_not_available")
    late = world.call("withdrawal_request", "manager", crate_id=crate["id"], purpose="x", expected_return_on=in_days(3))
    refused(late, 409, "records.crate_not_available")
    again = world.call(
        "storage_request", "manager", unit_id=world.units["HR"], documents=[documents[0]], is_permanent=True
    )
    refused(again, 409, "records.document_destroyed")
    refused(office.confirm({"id": certificate["request_id"]}), 409, "records.request_in_another_state")
    patched = world.client("manager").patch(
        "records_documents", params={"id": f"eq.{documents[0]}"}, json={"name": "Something else"}
    )
    refused(patched, 409, "records.document_destroyed")


def test_it_is_asked_for_only_when_it_may_be(office: Office) -> None:
    world = office.world

    def ask(crate: dict[str, Any]) -> Any:
        return world.call("destruction_request", "manager", crate_id=crate["id"])

    refused(ask(world.stored(1)), 422, "records.crate_retained")
    refused(ask(world.stored(1, destruction_on=in_days(3))), 422, "records.destruction_not_due")
    held = office.due(1)
    office.held(crates=[held["id"]])
    refused(ask(held), 423, "records.held")
    out = office.due(1)
    world.issued(out)
    refused(ask(out), 409, "records.request_open")
    asked = office.due(1)
    office.asked(asked)
    refused(ask(asked), 409, "records.request_open")
    for role in ("approver", "store", "unit_admin", "viewer", "admin"):
        refused(world.call("destruction_request", role, crate_id=held["id"]), 403, "core.permission_missing")
    refused(world.call("destruction_request", "manager", "U2", crate_id=held["id"]), 404, "records.crate_not_found")


def test_everything_is_checked_again_when_it_is_carried_out(office: Office) -> None:
    """The day, retention, custody and holds may have changed since it was approved."""
    world = office.world
    crate = office.due(2)
    request = office.approved(crate)
    change = "update records.crate set {} where org_id = %s and id = %s"
    key = [world.org.id, crate["id"]]

    def refuses(status: int, code: str) -> None:
        refused(office.confirm(request), status, code)

    world.db.execute(change.format("destruction_on = destruction_on + 1"), key)
    refuses(422, "records.destruction_not_due")
    world.db.execute(change.format("is_retained = true, destruction_on = null"), key)
    refuses(422, "records.crate_retained")
    world.db.execute(change.format("is_retained = false, destruction_on = current_date"), key)
    hold = office.held(documents=[world.contents(crate)[1]])
    refuses(423, "records.held")
    world.done("hold_release", "compliance", id=hold["id"], reason="The dispute was settled")
    custody = "update records.custody set during = {} where org_id = %s and crate_id = %s"
    world.db.execute(custody.format("tstzrange(lower(during), now())"), key)
    refuses(409, "records.not_in_custody")
    world.db.execute(change.format("status = 'WITHDRAWN'"), key)
    refuses(409, "records.crate_not_available")
    world.db.execute(change.format("status = 'ACTIVE'"), key)
    world.db.execute(custody.format("tstzrange(lower(during), null)"), key)
    assert world.rows("certificates", "store") == []
    assert violations(world.db, world.org.id) == {}


def test_it_takes_a_witness_and_other_people(office: Office) -> None:
    world = office.world
    request = office.approved(office.due(1))
    refused(office.confirm(request, witness_signature_id=None), 422, "records.witness_missing")
    itself = office.signature("store", request, "WITNESS")
    refused(office.confirm(request, witness_signature_id=itself), 403, "core.same_person")
    approver = office.signature("approver", request, "WITNESS")
    refused(office.confirm(request, witness_signature_id=approver), 403, "core.same_person")
    # An approver who is also head of the store does not carry out what he approved.
    world.db.execute(
        "insert into core.user_role (org_id, user_id, role_id, unit_id)"
        " select org_id, %s, id, %s from core.role where org_id = %s and code = 'records_store_head'",
        [world.user("approver"), world.units["U1"], world.org.id],
    )
    own = world.call(
        "destruction_confirm", "approver", id=request["id"], method="SHRED",
        signature_id=office.signature("approver", request, "DESTROY"),
        witness_signature_id=office.signature("manager", request, "WITNESS"),
    )  # fmt: skip
    refused(own, 403, "core.same_person")
    for role in ("manager", "unit_admin", "viewer", "admin"):
        tried = world.call("destruction_confirm", role, id=request["id"], method="SHRED", signature_id=itself)
        refused(tried, 403, "core.permission_missing")
    refused(office.confirm(request, method="BURN"), 422, "records.method_unknown")
    assert office.confirm(request).status_code == 200


def test_its_signatures_are_the_right_ones(office: Office) -> None:
    world = office.world
    request, other = office.approved(office.due(1)), office.approved(office.due(1))

    def refuses(status: int, code: str, **values: Any) -> None:
        refused(office.confirm(request, **values), status, code)

    missing = world.call(
        "destruction_confirm", "store", id=request["id"], method="SHRED", signature_id=None,
        witness_signature_id=office.signature("manager", request, "WITNESS"),
    )  # fmt: skip
    refused(missing, 422, "core.signature_missing")
    refuses(403, "core.signature_foreign", signature_id=office.signature("manager", request, "WITNESS"))
    refuses(403, "core.signature_foreign", signature_id=office.signature("store", other, "DESTROY"))
    refuses(422, "core.signature_meaning_differs", signature_id=office.signature("store", request, "WITNESS"))
    refuses(403, "core.signature_foreign", witness_signature_id=office.signature("manager", other, "WITNESS"))
    first = office.signature("store", request, "DESTROY")
    assert office.confirm(request, signature_id=first).status_code == 200
    unsigned = office.signs("viewer", request, "WITNESS")
    refused(unsigned, 403, "core.permission_missing")


def test_an_approved_one_can_be_called_off(office: Office) -> None:
    world = office.world
    crate = office.due(1)
    request = office.approved(crate)
    call_off = {"id": request["id"], "reason": "The lawyers want to see it"}
    refused(world.call("destruction_cancel", "manager", **call_off), 403, "core.permission_missing")
    refused(world.call("destruction_cancel", "store", id=request["id"], reason="no"), 422, "records.reason_too_short")
    assert world.done("destruction_cancel", "store", **call_off)["status"] == "CANCELLED"
    refused(world.call("destruction_cancel", "store", **call_off), 409, "records.request_in_another_state")
    refused(office.confirm(request), 409, "records.request_in_another_state")
    assert world.withdrawal(crate)["status"] == "PENDING", "it is free for other requests"


def test_what_was_approved_is_what_is_destroyed(office: Office) -> None:
    """A document that comes into the crate after the approval was signed."""
    world = office.world
    crate, other = office.due(1), office.due(1)
    request = office.approved(crate)
    world.db.execute(
        "update records.crate_document set crate_id = %s where org_id = %s and crate_id = %s",
        [crate["id"], world.org.id, other["id"]],
    )
    refused(office.confirm(request), 409, "records.changed_since_approval")
    assert (
        world.done("destruction_cancel", "store", id=request["id"], reason="Ask for it anew")["status"] == "CANCELLED"
    )


@pytest.mark.parametrize("first", ["hold", "destruction"])
def test_of_a_hold_and_a_destruction_at_once_one_comes_first(office: Office, stack: Any, first: str) -> None:
    """One holds its locks in a transaction that is still open; the other waits for it and then sees what it did."""
    world = office.world
    crate = office.due(2)
    document = world.contents(crate)[0]
    request = office.approved(crate)
    signatures = {
        "signature_id": office.signature("store", request, "DESTROY"),
        "witness_signature_id": office.signature("manager", request, "WITNESS"),
    }
    office.compliance()
    hold = {"matter": "Dispute 18", "reason": "Asked for by the court", "documents": [document]}
    with psycopg.connect(stack.dsn("migrator"), autocommit=True) as session, ThreadPoolExecutor(1) as pool:
        with session.transaction():
            if first == "hold":
                held = session.execute(
                    "insert into records.legal_hold (org_id, hold_no, matter, reason)"
                    " values (%s, 'LH-X', 'Dispute 18', 'Asked for by the court') returning id",
                    [world.org.id],
                ).fetchone()
                assert held is not None
                session.execute(
                    "insert into records.legal_hold_item (org_id, hold_id, document_id) values (%s, %s, %s)",
                    [world.org.id, held[0], document],
                )
                waiting = pool.submit(office.confirm, request, **signatures)
            else:
                # As PostgREST would, in the session that signed.
                sid = world.one("select session_id::text from core.signature where id = %s", signatures["signature_id"])
                claims = {"role": "member", "sub": str(world.user("store")), "org_id": str(world.org.id), "sid": sid}
                session.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
                session.execute("set local role member")
                session.execute(
                    "select id from api.records_destruction_confirm(%s, 'SHRED', %s, %s)",
                    [request["id"], signatures["signature_id"], signatures["witness_signature_id"]],
                )
                waiting = pool.submit(world.call, "hold_place", "compliance", **hold)
            wait_for_lock(stack, world.db.info.dbname)
        if first == "hold":
            refused(waiting.result(timeout=60), 423, "records.held")
        else:
            refused(waiting.result(timeout=60), 409, "records.hold_too_late")
    assert violations(world.db, world.org.id) == {}


def test_holds_and_destructions_race_without_a_hole(office: Office) -> None:
    """Of each crate either the hold or the certificate is there, never both."""
    world = office.world
    crates = [office.due(1) for _ in range(4)]
    requests = [office.approved(crate) for crate in crates]
    signed = [
        {"signature_id": office.signature("store", r, "DESTROY"),
         "witness_signature_id": office.signature("manager", r, "WITNESS")} for r in requests
    ]  # fmt: skip
    office.compliance()
    world.client("compliance"), world.client("store")
    start = threading.Barrier(2 * len(crates))

    def destroy(number: int) -> int:
        start.wait(timeout=60)
        return office.confirm(requests[number], **signed[number]).status_code

    def hold(number: int) -> int:
        start.wait(timeout=60)
        return world.call(
            "hold_place", "compliance", matter="Race", reason="Asked for by the court", crates=[crates[number]["id"]]
        ).status_code

    with ThreadPoolExecutor(2 * len(crates)) as pool:
        destroying = [pool.submit(destroy, number) for number in range(len(crates))]
        holding = [pool.submit(hold, number) for number in range(len(crates))]
        for one, other in zip(destroying, holding, strict=True):
            assert (one.result(), other.result()) in ((200, 409), (423, 200))
    assert violations(world.db, world.org.id) == {}


def wait_for_lock(stack: Any, database: str) -> None:
    """Return when a session of the API waits for a lock; fails after some seconds. Only a superuser sees it."""
    with psycopg.connect(stack.dsn("postgres", database), autocommit=True) as connection:
        for _ in range(500):
            row = connection.execute(
                "select exists (select from pg_stat_activity where wait_event_type = 'Lock'"
                " and datname = current_database() and usename = 'authenticator'), pg_sleep(0.01)"
            ).fetchone()
            if row and row[0]:
                return
    raise AssertionError("nobody waits for a lock")
