"""The records officer's days: a crate is stored, a part is withdrawn and returned, a crate goes to another unit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from records.support import World, in_days, refused, violations


def now() -> str:
    return datetime.now(UTC).isoformat()


def custody(world: World, crate: dict[str, Any], at: str) -> tuple[str | None, str | None]:
    """Where the crate was at a moment: place and holder."""
    rows = world.done("custody_at", "viewer", crate_id=crate["id"], at=at)
    return (rows[0]["location_id"], rows[0]["holder_id"]) if rows else (None, None)


def test_a_crate_is_stored(world: World) -> None:
    """Registered by a document manager, approved by somebody else, put on a shelf by the store."""
    before = now()
    request = world.storage(
        [world.document(document_number="PAY-2025-01", name="Payroll January"), world.document()], "PAY",
        destruction_on=in_days(400), purpose="Year end",
    )  # fmt: skip
    assert (request["status"], request["kind"], request["round"]) == ("PENDING", "STORAGE", 1)
    assert request["request_no"].startswith("REQ-")
    crate = world.row("crates", request["crate_id"])
    year = before[:4]
    assert (crate["barcode"], crate["status"]) == (f"U1/HR/PAY/{year}/00001", "PROPOSED")
    assert (crate["destruction_on"], crate["is_retained"]) == (in_days(400), False)

    (waiting,) = world.rows("pending_requests", "approver", order="requested_at,id")
    assert (waiting["request_no"], waiting["barcode"], waiting["is_own"]) == (
        request["request_no"], crate["barcode"], False,
    )  # fmt: skip
    refused(world.call("request_approve", "manager", id=request["id"]), 403, "core.permission_missing")
    assert world.approve(request)["status"] == "APPROVED"

    free = {p["code"]: p["free"] for p in world.rows("places", "store", is_leaf="is.true", kind="eq.SHELF")}
    assert free == {"S1": 20, "S2": 1}
    done = world.done(
        "storage_allocate", "store", id=request["id"], location_id=world.places["S1"], note="Sealed with tape 118"
    )
    assert (done["status"], done["completed_by"]) == ("COMPLETED", str(world.user("store")))
    seen = world.done("scan", "viewer", barcode=crate["barcode"])
    assert (seen["crate"]["status"], seen["crate"]["place"], len(seen["contents"])) == ("ACTIVE", "ROOM1/R1/A/S1", 2)
    assert seen["actions"] == [], "a viewer reads"
    assert custody(world, crate, before) == (None, None)
    assert custody(world, crate, now()) == (world.places["S1"], None)
    assert violations(world.db, world.org.id) == {}


def test_a_part_is_withdrawn_and_returned(world: World) -> None:
    """Two documents of three go out, come back one by one; the crate never leaves its shelf."""
    crate = world.stored(3)
    one, two, three = world.contents(crate)
    request = world.withdrawal(crate, documents=[one, two], expected_return_on=in_days(5))
    assert (request["is_full"], request["document_count"]) == (False, 2)
    assert world.row("crates", crate["id"])["status"] == "ACTIVE", "nothing moves before it is issued"
    world.approve(request)
    issued = world.done("withdrawal_issue", "store", id=request["id"], to_user_id=str(world.user("manager")))
    assert issued["status"] == "ISSUED"
    assert world.row("crates", crate["id"])["status"] == "ACTIVE"
    (due,) = world.rows("due_returns", "store", order="expected_return_on,id")
    assert (due["barcode"], due["days_left"]) == (crate["barcode"], 5)

    back = world.done(
        "withdrawal_return", "store", id=request["id"], documents=[one], condition_note="One page is torn at the edge"
    )
    assert back["status"] == "PARTIALLY_RETURNED"
    (out,) = world.rows("request_documents", request_id=f"eq.{request['id']}", is_out="is.true")
    assert out["document_id"] == two
    # A document that nobody asked for comes with the second: it is taken, and noted.
    back = world.done("withdrawal_return", "store", id=request["id"], documents=[two, three])
    assert back["status"] == "RETURNED"
    (odd,) = world.rows("return_exceptions", request_id=f"eq.{request['id']}", resolved_at="is.null")
    assert (odd["kind"], odd["document_id"]) == ("UNEXPECTED", three)
    settled = world.done("exception_resolve", "store", id=odd["id"], resolution="It was in the crate all the time")
    assert settled["resolved_by"] == str(world.user("store"))
    (note,) = world.rows("send_backs", request_id=f"eq.{request['id']}")
    assert (note["kind"], note["reason"]) == ("RETURN_NOTE", "One page is torn at the edge")
    assert violations(world.db, world.org.id) == {}


def test_a_whole_crate_is_withdrawn_and_returned(world: World) -> None:
    """The crate is in somebody's hands, then on another shelf, and every moment of it can be told."""
    crate = world.stored(2)
    stored = now()
    request = world.issued(crate)
    assert world.row("crates", crate["id"])["status"] == "WITHDRAWN"
    held = now()
    one, two = world.contents(crate)
    refused(world.call("withdrawal_return", "store", id=request["id"]), 422, "records.place_missing")
    back = world.done(
        "withdrawal_return", "store", id=request["id"], documents=[one], location_id=world.places["S2"]
    )  # fmt: skip
    assert back["status"] == "PARTIALLY_RETURNED"
    assert world.row("crates", crate["id"])["status"] == "ACTIVE", "the crate is back, a document is not"
    back = world.done("withdrawal_return", "store", id=request["id"], missing=[two])
    assert back["status"] == "RETURNED"
    kinds = {e["kind"] for e in world.rows("return_exceptions", request_id=f"eq.{request['id']}")}
    assert kinds == {"MISSING", "OTHER_PLACE"}
    assert custody(world, crate, stored) == (world.places["S1"], None)
    assert custody(world, crate, held) == (None, str(world.user("manager")))
    assert custody(world, crate, now()) == (world.places["S2"], None)
    steps = [s["what"] for s in world.done("crate_history", "viewer", crate_id=crate["id"])]
    assert [s for s in steps if s in ("STORED", "ISSUED", "RETURNED")] == ["STORED", "ISSUED", "RETURNED"]
    assert violations(world.db, world.org.id) == {}


def test_a_crate_goes_to_another_unit(world: World) -> None:
    crate = world.stored(2)
    request = world.transfer(crate)
    world.approve(request)
    sent = world.done("transfer_send", "store", id=request["id"])
    assert sent["status"] == "IN_TRANSIT"
    assert custody(world, crate, now()) == (None, str(world.user("store")))
    # The store that it goes to sees it on the way; the one that sent it may not receive it.
    assert world.done("scan", "store", "U2", barcode=crate["barcode"])["actions"] == ["receive"]
    arguments = {"id": request["id"], "location_id": world.places["R2"]}
    refused(world.call("transfer_receive", "store", **arguments), 403, "core.permission_missing")
    assert world.done("transfer_receive", "store", "U2", **arguments)["status"] == "COMPLETED"
    assert world.rows("crates", "viewer", "U1") == [], "it is theirs now"
    (there,) = world.rows("crates", "viewer", "U2")
    assert (there["barcode"], there["unit_id"], there["location_id"]) == (
        crate["barcode"], world.units["FIN"], world.places["R2"],
    )  # fmt: skip
    assert len(world.rows("documents", "viewer", "U2")) == 2
    assert violations(world.db, world.org.id) == {}
