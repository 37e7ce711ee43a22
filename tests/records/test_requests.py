"""Requests: what they need, how they change between rounds, and every way in which they are refused."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from records.support import REASON, World, in_days, refused, violations


def test_a_storage_request_is_refused(world: World) -> None:
    new = world.document
    ask: dict[str, Any] = {"unit_id": world.units["HR"], "documents": [new()], "is_permanent": True}

    def refusal(status: int, code: str, **changes: Any) -> dict[str, Any]:
        return refused(world.call("storage_request", "manager", **{**ask, **changes}), status, code)

    refusal(403, "core.permission_missing", unit_id=world.units["FIN"])
    refusal(422, "records.unit_not_a_department", unit_id=world.units["U1"])
    refusal(422, "records.documents_missing", documents=[])
    refusal(422, "records.documents_malformed", documents={"document_number": "D"})
    refusal(422, "records.documents_malformed", documents=["not an id"])
    refusal(422, "records.document_incomplete", documents=[{"document_number": "D"}])
    refusal(422, "records.document_incomplete", documents=[new(dated_on="yesterday")])
    assert refusal(422, "records.document_key_unknown", documents=[new(colour="red")])["key"] == "colour"
    refusal(422, "records.retention_class_unknown", documents=[new(retention_class="NONE")])
    refusal(404, "records.document_not_found", documents=[str(uuid.uuid4())])
    refusal(422, "records.retention_missing", is_permanent=False)
    refusal(422, "records.destruction_date_past", is_permanent=False, destruction_on=in_days(-1))
    refusal(422, "records.retained_or_destroyed", destruction_on=in_days(9))
    crate = world.stored([new(document_number="TAKEN")])
    refusal(409, "records.document_exists", documents=[new(document_number="TAKEN")])
    details = refusal(409, "records.document_in_crate", documents=[world.contents(crate)[0]])
    assert details == {"number": "TAKEN", "barcode": crate["barcode"]}
    world.db.execute("update core.org_unit set is_active = false where id = %s", [world.units["PAY"]])
    refusal(422, "records.unit_inactive", unit_id=world.units["PAY"])
    unknown = world.call("storage_request", "manager", **{**ask, "unit_id": str(uuid.uuid4())})
    refused(unknown, 403, "core.permission_missing")
    assert len(world.rows("crates")) == 1, "what was refused left nothing"
    assert world.rows("documents", document_number="neq.TAKEN") == []


def test_a_refused_storage_frees_its_documents(world: World) -> None:
    document = world.document()
    request = world.storage([document])
    (found,) = world.rows("documents")
    world.done("request_reject", "approver", id=request["id"], reason=REASON)
    crate = world.row("crates", request["crate_id"])
    assert (crate["status"], crate["status_reason"]) == ("CANCELLED", REASON)
    again = world.storage([found["id"]])
    assert again["crate_id"] != crate["id"]
    draft = world.storage(1, is_draft=True)
    cancelled = world.done("request_cancel", "manager", id=draft["id"], reason="Typed by mistake")
    assert (cancelled["status"], cancelled["request_no"]) == ("CANCELLED", None)
    assert violations(world.db, world.org.id) == {}


def test_a_withdrawal_is_refused(world: World) -> None:
    crate = world.stored(1)
    elsewhere = world.contents(world.stored(1))[0]

    def refusal(status: int, code: str, **changes: Any) -> dict[str, Any]:
        ask = {"crate_id": crate["id"], "purpose": "Audit", "expected_return_on": in_days(2), **changes}
        return refused(world.call("withdrawal_request", "manager", **ask), status, code)

    refusal(404, "records.crate_not_found", crate_id=str(uuid.uuid4()))
    refusal(422, "records.purpose_missing", purpose=" ")
    refusal(422, "records.return_date_missing", expected_return_on=None)
    refusal(422, "records.return_date_past", expected_return_on=in_days(0))
    refusal(422, "records.documents_missing", documents=[])
    assert refusal(422, "records.document_elsewhere", documents=[elsewhere]) == {"documents": [elsewhere]}
    proposed = world.storage(1)
    details = refusal(409, "records.crate_not_available", crate_id=proposed["crate_id"])
    assert details["status"] == "PROPOSED"
    made = world.withdrawal(crate, id=str(uuid.uuid4()))
    refusal(409, "records.request_exists", id=made["id"], crate_id=world.stored(1)["id"])


def test_a_transfer_is_refused(world: World) -> None:
    crate = world.stored(1)

    def refusal(status: int, code: str, **changes: Any) -> dict[str, Any]:
        ask = {"crate_id": crate["id"], "purpose": "Moves", "target_unit_id": world.units["FIN"], **changes}
        return refused(world.call("transfer_request", "manager", **ask), status, code)

    refusal(422, "records.target_is_its_own_unit", target_unit_id=world.units["HR"])
    refusal(422, "records.unit_unknown", target_unit_id=str(uuid.uuid4()))
    refusal(422, "records.unit_not_a_department", target_unit_id=world.units["U2"])
    refusal(422, "records.purpose_missing", purpose="")


def test_every_round_is_kept(world: World) -> None:
    """Sent back twice, changed twice, approved: what was asked each time can be read."""
    crate = world.stored(3)
    one, two, _ = world.contents(crate)
    request = world.withdrawal(crate, documents=[one], purpose="First")
    first = "Please ask for the second file as well"
    world.done("request_send_back", "approver", id=request["id"], reason=first)
    world.done(
        "request_resubmit", "manager", id=request["id"],
        changes={"documents": [one, two], "purpose": "Second", "expected_return_on": in_days(20)},
    )  # fmt: skip
    world.done("request_send_back", "approver", id=request["id"], reason="Take the whole crate, it is easier")
    sent = world.done("request_resubmit", "manager", id=request["id"], changes={"documents": None})
    assert (sent["round"], sent["is_full"], sent["document_count"], sent["status"]) == (3, True, 0, "PENDING")
    rounds = world.rows("send_backs", request_id=f"eq.{request['id']}", order="round")
    assert [(r["round"], r["kind"], r["request"]["purpose"], len(r["request"]["documents"] or [])) for r in rounds] == [
        (1, "CHANGE_REQUEST", "First", 1), (2, "CHANGE_REQUEST", "Second", 2),
    ]  # fmt: skip
    assert rounds[0]["reason"] == first
    assert world.approve(request)["status"] == "APPROVED"
    assert world.one("select count(*) from core.approval where entity_id = %s", request["id"]) == 3
    assert violations(world.db, world.org.id) == {}


def test_changes_are_checked(world: World) -> None:
    crate = world.stored(1)
    draft = world.withdrawal(crate, is_draft=True)

    def submit(changes: Any, **more: Any) -> Any:
        return world.call("request_submit", "manager", id=draft["id"], changes=changes, **more)

    refused(submit({"target_unit_id": world.units["FIN"]}), 422, "records.change_unknown")
    refused(submit(["purpose"]), 422, "records.change_unknown")
    refused(submit({"expected_return_on": "soon"}), 422, "records.change_malformed")
    refused(submit({"documents": []}), 422, "records.documents_malformed")
    refused(submit({"expected_return_on": in_days(-3)}), 422, "records.return_date_past")
    refused(submit({"purpose": ""}), 422, "records.purpose_missing")
    refused(submit({}, version=9), 412, "core.stale_version")
    done = submit({"purpose": "For the auditors"}, version=draft["version"])
    assert (done.status_code, done.json()["purpose"]) == (200, "For the auditors")

    moving = world.transfer(world.stored(1), is_draft=True)
    change = {"id": moving["id"], "changes": {"target_unit_id": world.units["HR"]}}
    refused(world.call("request_submit", "manager", **change), 422, "records.target_is_its_own_unit")
    change["changes"] = {"target_unit_id": world.units["PAY"]}
    assert world.done("request_submit", "manager", **change)["target_unit_id"] == world.units["PAY"]

    storing = world.storage(2, is_draft=True)
    changed = world.done(
        "request_submit", "manager", id=storing["id"],
        changes={"documents": [world.document()], "is_permanent": False, "destruction_on": in_days(30),
                 "is_for_central": True},
    )  # fmt: skip
    stored = world.row("crates", changed["crate_id"])
    assert (stored["is_permanent"], stored["destruction_on"], stored["is_for_central"]) == (False, in_days(30), True)
    assert len(world.contents(stored)) == 1
    assert violations(world.db, world.org.id) == {}


def test_refusing_takes_a_reason(world: World) -> None:
    request = world.storage(1)
    for step in ("request_reject", "request_send_back"):
        refused(world.call(step, "approver", id=request["id"], reason="too short"), 422, "records.reason_too_short")
    refused(
        world.call("request_reject", "approver", id=str(uuid.uuid4()), reason=REASON), 404, "records.request_not_found"
    )
    draft = world.storage(1, is_draft=True)
    refused(world.call("request_cancel", "manager", id=draft["id"], reason=" "), 422, "core.reason_missing")
    refused(world.call("request_approve", "approver", id=request["id"], version=7), 412, "core.stale_version")


@pytest.fixture
def cheap_passwords(db: Any) -> Any:
    """bcrypt as cheap as it can be, for as long as the test runs."""
    code = "core.password_hash_cost"
    before = db.execute("select value from core.installation_setting where code = %s", [code]).fetchone()
    db.execute(
        "insert into core.installation_setting (code, value) values (%s, '4')"
        " on conflict (code) do update set value = excluded.value",
        [code],
    )
    yield
    if before is None:
        db.execute("delete from core.installation_setting where code = %s", [code])
    else:
        db.execute("update core.installation_setting set value = to_jsonb(%s::int) where code = %s", [before[0], code])


def test_approvals_are_signed_where_the_policy_asks(world: World, cheap_passwords: Any) -> None:
    """As every organisation begins: the approver gives his password again, for this request and as it is now."""
    world.needs_signature(True)
    request, other = world.storage(1), world.storage(1)
    refused(world.call("request_approve", "approver", id=request["id"]), 422, "core.signature_missing")
    password = "Correct-Horse-9"
    world.db.execute("select core.set_password(%s, %s)", [world.user("approver"), password])
    client = world.client("approver")
    sign = {"entity": "records_request", "entity_id": request["id"], "meaning": "APPROVE", "password": password}
    signature = client.post("rpc/sign", json=sign)
    assert signature.status_code == 200, signature.text
    signed = {"signature_id": signature.json()["id"]}
    refused(world.call("request_approve", "approver", id=other["id"], **signed), 403, "core.signature_foreign")
    assert world.done("request_approve", "approver", id=request["id"], **signed)["status"] == "APPROVED"
    payload = world.one("select payload::jsonb from core.signature where id = %s", signed["signature_id"])
    assert (payload["kind"], len(payload["documents"])) == ("STORAGE", 1)


def test_somebody_must_decide(world: World) -> None:
    """A policy for other kinds only does not make approval a formality."""
    world.db.execute("update core.approval_policy set kind = 'TRANSFER' where org_id = %s", [world.org.id])
    ask = {"unit_id": world.units["HR"], "documents": [world.document()], "is_permanent": True}
    refused(world.call("storage_request", "manager", **ask), 422, "records.approver_missing")
    assert world.rows("requests") == []


def test_the_store_is_refused(world: World) -> None:
    """What is not there, who is nobody, what was settled."""
    crate = world.stored(2)
    request = world.approve(world.withdrawal(crate))
    nobody = {"id": request["id"], "to_user_id": str(uuid.uuid4())}
    refused(world.call("withdrawal_issue", "store", **nobody), 422, "records.holder_unknown")
    world.done("withdrawal_issue", "store", id=request["id"], to_user_id=str(world.user("manager")))

    def back(**values: Any) -> Any:
        return world.call("withdrawal_return", "store", id=request["id"], location_id=world.places["S1"], **values)

    refused(back(documents=[str(uuid.uuid4())]), 404, "records.document_not_found")
    refused(back(condition_note="bad"), 422, "records.reason_too_short")
    one, two = world.contents(crate)
    assert back(documents=[one]).json()["status"] == "PARTIALLY_RETURNED"
    assert back(documents=[one]).json()["status"] == "PARTIALLY_RETURNED", "the same again is noted"
    assert back(documents=[two]).json()["status"] == "RETURNED"
    (odd,) = world.rows("return_exceptions")
    assert odd["kind"] == "ALREADY_RETURNED"
    resolve = {"id": odd["id"], "resolution": "Scanned twice"}
    refused(world.call("exception_resolve", "store", id=odd["id"], resolution=""), 422, "core.reason_missing")
    assert world.call("exception_resolve", "store", **resolve).status_code == 200
    refused(world.call("exception_resolve", "store", **resolve), 409, "records.exception_resolved")
    refused(world.call("exception_resolve", "viewer", **resolve), 403, "core.permission_missing")
    refused(world.call("exception_resolve", "store", id=str(uuid.uuid4()), resolution="x"), 404, "core.not_found")

    moving = world.approve(world.transfer(crate))
    carrier = {"id": moving["id"], "carrier_id": str(uuid.uuid4())}
    refused(world.call("transfer_send", "store", **carrier), 422, "records.holder_unknown")
    world.done("transfer_send", "store", id=moving["id"], carrier_id=str(world.user("viewer")))
    wrong = {"id": moving["id"], "location_id": world.places["S1"]}
    refused(world.call("transfer_receive", "store", "U2", **wrong), 422, "records.place_of_another_unit")


def test_a_crate_is_relocated(world: World) -> None:
    crate = world.stored(1)
    move = {"id": crate["id"], "location_id": world.places["S2"], "reason": "Damp wall"}
    refused(world.call("crate_relocate", "store", **{**move, "reason": ""}), 422, "core.reason_missing")
    stay = {**move, "location_id": world.places["S1"]}
    refused(world.call("crate_relocate", "store", **stay), 409, "records.crate_there_already")
    moved = world.done("crate_relocate", "store", **move)
    assert moved["location_id"] == world.places["S2"]
    (now,) = world.rows("custodies", crate_id=f"eq.{crate['id']}", ended_at="is.null")
    assert (now["reason"], now["note"]) == ("RELOCATED", "Damp wall")
    (before,) = world.rows("custodies", crate_id=f"eq.{crate['id']}", ended_at="not.is.null")
    assert before["ended_at"] == now["began_at"]


def test_scanning_and_searching(world: World) -> None:
    crate = world.stored([world.document(document_number="PAY-77", name="Gehälter März", barcode="PAPER-77")])
    for code, kind in ((crate["barcode"], "CRATE"), ("PAPER-77", "DOCUMENT"), ("PAY-77", "DOCUMENT")):
        seen = world.done("scan", "manager", barcode=f" {code} ")
        assert (seen["kind"], seen["crate"]["barcode"]) == (kind, crate["barcode"])
        assert seen["actions"] == ["request_destruction", "request_transfer", "request_withdrawal"]
    rack = world.done("scan", "store", barcode="ROOM1/R1")
    assert (rack["kind"], rack["place"]["kind"]) == ("PLACE", "RACK")
    assert [(c["barcode"], c["place"]) for c in rack["crates"]] == [(crate["barcode"], "ROOM1/R1/A/S1")]
    request = world.withdrawal(crate)
    assert world.done("scan", "approver", barcode=crate["barcode"])["actions"] == ["approve", "reject", "send_back"]
    assert world.done("scan", "manager", barcode=crate["barcode"])["actions"] == []
    world.approve(request)
    assert world.done("scan", "store", barcode=crate["barcode"])["actions"] == ["archive", "issue", "relocate"]
    refused(world.call("scan", "store", barcode="NOTHING"), 404, "records.barcode_unknown")

    for q in ("gehalter", "pay-7", "aper-77", "marz gehal", "gehelter"):
        (found,) = world.found(q)
        assert (found["entity"], found["title"]) == ("records_document", "Gehälter März"), q
        assert found["subtitle"] == f"PAY-77 · PAPER-77 · {crate['barcode']}"
    for q in (crate["barcode"].lower(), "u1/hr", crate["barcode"][-4:]):
        (found,) = [hit for hit in world.found(q) if hit["entity"] == "records_crate"]
        assert (found["title"], found["subtitle"]) == (crate["barcode"], "ACTIVE · ROOM1/R1/A/S1"), q
    assert world.found("gehalter", "viewer", "U2") == world.found("pay-77", "viewer", "U2") == []


def test_one_finds_ones_own_among_many(world: World) -> None:
    """Others have more of what is looked for than is shown; they are not shown, and one's own is."""
    mine = world.stored([world.document(document_number="OLD-1", name="Invoices")])
    theirs = world.one(
        "with d as (insert into records.document (org_id, unit_id, document_number, name, dated_on)"
        " select %s, %s, 'NEW-' || n, 'Invoices', '2026-01-01' from generate_series(1, 150) as n returning 1)"
        " select count(*) from d", world.org.id, world.units["FIN"],
    )  # fmt: skip
    assert theirs == 150
    (found,) = world.found("invoices")
    assert found["subtitle"] == f"OLD-1 · {mine['barcode']}"
    assert {hit["subtitle"][:4] for hit in world.found("invoices", "viewer", "U2")} == {"NEW-"}
    assert world.found("old-1", "viewer", "U2") == []
