"""What systems of this kind let happen, attempted through the API: each is refused, and leaves nothing behind."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from erpgres.tokens import sign
from records.support import REASON, World, in_days, refused, violations


def test_details_of_another_unit_are_not_shown(world: World) -> None:
    """Neither in a list nor by id, nor by a function, nor by a scan, nor in what depends on them."""
    crate = world.stored(2)
    request = world.issued(crate)
    for view, query in {
        "crates": {"id": f"eq.{crate['id']}"}, "documents": {}, "requests": {"id": f"eq.{request['id']}"},
        "custodies": {"crate_id": f"eq.{crate['id']}"}, "crate_documents": {"crate_id": f"eq.{crate['id']}"},
        "request_documents": {"request_id": f"eq.{request['id']}"}, "due_returns": {}, "send_backs": {},
    }.items():  # fmt: skip
        for role in ("viewer", "store", "approver", "manager", "unit_admin"):
            assert world.rows(view, role, "U2", **query) == [], f"{role} of another unit sees {view}"
        if view != "send_backs":
            assert world.rows(view, "viewer", "U1", **query), f"the unit's own viewer does not see {view}"
    refused(world.call("scan", "viewer", "U2", barcode=crate["barcode"]), 404, "records.barcode_unknown")
    assert world.done("custody_at", "viewer", "U2", crate_id=crate["id"]) == []
    assert world.done("crate_history", "viewer", "U2", crate_id=crate["id"]) == []
    assert world.found(crate["barcode"], "viewer", "U2") == []
    back = {"id": request["id"], "location_id": world.places["R2"]}
    refused(world.call("withdrawal_return", "store", "U2", **back), 404, "records.request_not_found")
    move = {"id": crate["id"], "location_id": world.places["R2"], "reason": "Mine now"}
    refused(world.call("crate_relocate", "store", "U2", **move), 404, "records.crate_not_found")


def test_nobody_approves_his_own_request(world: World) -> None:
    """Not by the function of the records, not by that of all approvals, not by SQL as the tools."""
    user_id = world.user("manager")
    world.db.execute(
        "insert into core.user_role (org_id, user_id, role_id, unit_id)"
        " select org_id, %s, id, %s from core.role where org_id = %s and code = 'records_approver'",
        [user_id, world.units["U1"], world.org.id],
    )
    request = world.storage(1)
    refused(world.call("request_approve", "manager", id=request["id"]), 403, "core.same_person")
    approval = world.one("select id::text from core.approval where entity_id = %s", request["id"])
    answer = world.client("manager").post("rpc/approval_decide", json={"id": approval, "decision": "APPROVE"})
    refused(answer, 403, "core.same_person")
    with pytest.raises(psycopg.errors.CheckViolation, match="approver_is_not_the_requester"):
        world.db.execute("update records.request set approved_by = requested_by where id = %s", [request["id"]])
    assert world.row("requests", request["id"])["status"] == "PENDING"
    # Somebody else may, and the other way leads to the same.
    answer = world.client("approver").post("rpc/approval_decide", json={"id": approval, "decision": "APPROVE"})
    assert answer.status_code == 200, answer.text
    assert world.row("requests", request["id"])["status"] == "APPROVED"


def test_an_administrator_does_not_act(world: World) -> None:
    """Who configures does not request, approve or store; he would have to be given a role that does, which shows."""
    request = world.storage(1)
    document = world.document()
    ask = {"unit_id": world.units["HR"], "documents": [document], "is_permanent": True}
    refused(world.call("storage_request", "admin", **ask), 403, "core.permission_missing")
    refused(world.call("request_approve", "admin", id=request["id"]), 403, "core.permission_missing")
    world.approve(request)
    place = {"id": request["id"], "location_id": world.places["S1"]}
    refused(world.call("storage_allocate", "admin", **place), 403, "core.permission_missing")
    root = world.one(
        "insert into core.app_user (email, name, kind) values (%s, 'Root', 'SUPER_ADMIN') returning id",
        f"{world.org.code}@example.com",
    )
    claims = world.org.claims(root, role="superadmin")
    client = world.api(sign(claims, world.org.stack.secret("jwt.key")))
    refused(client.post("rpc/records_storage_allocate", json=place), 403, "core.permission_missing")
    assert client.get(f"records_requests?id=eq.{request['id']}").json()[0]["status"] == "APPROVED", "but he sees it"


def test_a_place_is_given_to_storage_requests_only(world: World) -> None:
    crate = world.stored(1)
    for request in (world.withdrawal(crate), world.transfer(world.stored(1))):
        world.approve(request)
        answer = world.call("storage_allocate", "store", id=request["id"], location_id=world.places["S2"])
        details = refused(answer, 409, "records.request_of_another_kind")
        assert details["kind"] == request["kind"]
        assert world.row("requests", request["id"])["status"] == "APPROVED"
    assert world.row("crates", crate["id"])["location_id"] == world.places["S1"]
    issue = {"id": world.approve(world.storage(1))["id"], "to_user_id": str(world.user("viewer"))}
    refused(world.call("withdrawal_issue", "store", **issue), 409, "records.request_of_another_kind")


def test_a_place_must_be_good_for_the_crate(world: World) -> None:
    """Of the unit, active, without places in it, with room."""
    request = world.approve(world.storage(1))

    def allocate(place: str | None) -> Any:
        return world.call("storage_allocate", "store", id=request["id"], location_id=place)

    refused(allocate(None), 422, "records.place_missing")
    refused(allocate(world.units["HR"]), 422, "records.place_unknown")
    customer = world.one("select id::text from core.location where org_id = %s and kind = 'CUSTOMER'", world.org.id)
    refused(allocate(customer), 422, "records.place_unknown")
    refused(allocate(world.places["R1"]), 422, "records.place_not_a_leaf")
    details = refused(allocate(world.places["R2"]), 422, "records.place_of_another_unit")
    assert details == {"place": "ROOM2/R2", "unit": "U2"}
    refused(allocate(world.places["ROOMC"]), 422, "records.place_of_another_unit")
    world.stored(1, "S2")
    details = refused(allocate(world.places["S2"]), 422, "records.place_full")
    assert details == {"place": "ROOM1/R1/A/S2", "capacity": 1, "crates": 1}
    world.db.execute("update core.location set is_active = false where id = %s", [world.places["S1"]])
    refused(allocate(world.places["S1"]), 422, "records.place_inactive")
    assert world.row("requests", request["id"])["status"] == "APPROVED"
    # What belongs to no unit is for all.
    assert allocate(world.places["ROOMX"]).status_code == 200
    assert violations(world.db, world.org.id) == {}


def test_a_request_does_not_move_the_crate(world: World) -> None:
    """A crate is out when it was handed out; a withdrawal that is refused leaves an archived crate archived."""
    crate = world.stored(1)
    world.done("crate_archive", "store", id=crate["id"], reason="Closed year")
    request = world.withdrawal(crate)
    assert world.row("crates", crate["id"])["status"] == "ARCHIVED"
    world.done("request_reject", "approver", id=request["id"], reason=REASON)
    assert world.row("crates", crate["id"])["status"] == "ARCHIVED"
    request = world.issued(crate)
    assert world.row("crates", crate["id"])["status"] == "WITHDRAWN"
    world.done("withdrawal_return", "store", id=request["id"], location_id=world.places["S1"])
    assert world.row("crates", crate["id"])["status"] == "ARCHIVED", "it is again what it was"


def test_sending_back_is_in_the_audit(world: World) -> None:
    """Every step of a request is an event of its own name, with who took it."""
    request = world.storage(1)
    world.done("request_send_back", "approver", id=request["id"], reason=REASON)
    world.done("request_resubmit", "manager", id=request["id"], changes={"purpose": "Vouchers of 2025"})
    world.approve(request)
    rows = world.db.execute(
        "select type, actor_id from events.event where org_id = %s and entity_id = %s order by id",
        [world.org.id, request["id"]],
    ).fetchall()
    steps = [(kind.removeprefix("records_request."), actor) for kind, actor in rows if not kind.endswith("updated")]
    manager, approver = world.user("manager"), world.user("approver")
    assert steps == [
        ("created", manager), ("pending", manager), ("sent_back", approver), ("pending", manager),
        ("approved", approver),
    ]  # fmt: skip


def test_custody_cannot_overlap(world: World) -> None:
    """Not even for who has SQL: two places at once, a place and a person, two present rows, none of both."""
    crate = world.stored(1)
    columns = "insert into records.custody (org_id, crate_id, location_id, holder_id, during, reason) values"
    org, crate_id, place, user = world.org.id, crate["id"], world.places["S2"], world.user("manager")
    open_ended, past = "tstzrange(now(), null)", "tstzrange('2020-01-01', now() + interval '1 hour')"
    for values, violated in (
        (f"(%s, %s, %s, null, {open_ended}, 'STORED')", "one_present_custody|custody_cannot_overlap"),
        (f"(%s, %s, %s, null, {past}, 'STORED')", "custody_cannot_overlap"),
    ):
        with pytest.raises(psycopg.errors.IntegrityError, match=violated):
            world.db.execute(f"{columns} {values}", [org, crate_id, place])  # type: ignore[arg-type]
    early = "tstzrange('2020-01-01', '2020-01-02')"
    for pair in ([place, user], [None, None]):
        with pytest.raises(psycopg.errors.CheckViolation, match="at_a_place_or_with_a_person"):
            world.db.execute(f"{columns} (%s, %s, %s, %s, {early}, 'STORED')", [org, crate_id, *pair])  # type: ignore[arg-type]


def test_a_place_without_a_shelf_is_there_once(world: World) -> None:
    place = {"code": "R9", "name": "Rack 9", "kind": "RACK", "parent_id": world.places["ROOM1"]}
    assert world.call("place_create", "store", **place).status_code == 200
    refused(world.call("place_create", "store", **place), 409, "records.place_exists")
    with pytest.raises(psycopg.errors.UniqueViolation, match="location_code_unique_below_a_parent"):
        world.db.execute(
            "insert into core.location (org_id, kind, code, name) values (%s, 'ROOM', 'ROOMX', 'Again')", [world.org.id]
        )


def test_numbers_go_on_after_99999(world: World) -> None:
    """As numbers, not as texts: 99999 is not the greatest for ever."""
    world.storage(1)
    world.db.execute(
        "update core.number_counter as c set last_number = 99998 from core.number_series as s"
        " where s.org_id = c.org_id and s.id = c.series_id and c.org_id = %s and s.document_type = 'records.crate'",
        [world.org.id],
    )
    found = [world.row("crates", world.storage(1)["crate_id"])["barcode"].rsplit("/", 1)[1] for _ in range(3)]
    assert found == ["99999", "100000", "100001"]


def test_a_status_is_not_written_by_hand(world: World) -> None:
    """Neither through the views nor with SQL: a step that is not listed is refused to the tools, too."""
    crate = world.stored(1)
    request = world.withdrawal(crate)
    client = world.client("store")
    for view, row, values in (
        ("crates", crate, {"status": "DESTROYED"}), ("requests", request, {"status": "APPROVED"}),
        ("custodies", crate, {"location_id": world.places["S2"]}),
    ):  # fmt: skip
        answer = client.patch(f"records_{view}?id=eq.{row['id']}", json=values)
        assert answer.status_code in (403, 405), answer.text
    with pytest.raises(psycopg.DatabaseError, match=r"core\.transition_refused"):
        world.db.execute("update records.request set status = 'RETURNED' where id = %s", [request["id"]])
    assert world.row("requests", request["id"])["status"] == "PENDING"


def test_one_request_at_a_time(world: World) -> None:
    crate = world.stored(2)
    draft = world.withdrawal(crate, is_draft=True)
    request = world.withdrawal(crate)
    ask = {"crate_id": crate["id"], "purpose": "Audit"}
    details = refused(
        world.call("withdrawal_request", "manager", **ask, expected_return_on=in_days(2)), 409, "records.request_open"
    )
    assert details["number"] == request["request_no"]
    ask["target_unit_id"] = world.units["FIN"]
    refused(world.call("transfer_request", "manager", **ask), 409, "records.request_open")
    # A draft holds nobody up, and waits itself.
    refused(world.call("request_submit", "manager", id=draft["id"]), 409, "records.request_open")
    world.done("request_reject", "approver", id=request["id"], reason=REASON)
    assert world.done("request_submit", "manager", id=draft["id"])["status"] == "PENDING"
