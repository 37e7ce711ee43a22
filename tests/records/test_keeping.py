"""How long things are kept, where they may lie, who sees them, who is reminded."""

from __future__ import annotations

import json
import uuid
from datetime import date, timedelta
from typing import Any

import psycopg

from records.support import Connection, World, in_days, refused, violations


def years_from(day: str, years: int) -> str:
    return str(date.fromisoformat(day).replace(year=date.fromisoformat(day).year + years))


def retention_class(world: World, code: str, **values: Any) -> dict[str, Any]:
    row = {"code": code, "name": code, "years": 10, "counts_from": "CREATED", "disposal": "DESTROY", **values}
    answer = world.client("admin").post(
        "records_retention_classes", json=row, headers={"Prefer": "return=representation"}
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()[0]
    return made


def change(world: World, view: str, row_id: str, role: str = "admin", **values: Any) -> None:
    answer = world.client(role).patch(f"records_{view}?id=eq.{row_id}", json=values)
    assert answer.status_code == 204, answer.text


def test_a_crate_is_kept_as_long_as_its_last_document(world: World) -> None:
    """The latest of what was decided and of all its documents; no date while one of them has none."""
    ten = retention_class(world, "TEN")
    retention_class(world, "CLOSED", counts_from="CLOSED", years=2)
    day = "2020-02-29"
    crate = world.stored(
        [
            world.document(retention_class="TEN", dated_on="2020-03-01"),
            world.document(retention_class="CLOSED", dated_on=day),
        ],
        is_permanent=False,
    )
    assert (crate["is_retained"], crate["destruction_on"]) == (True, None), "one is not closed yet"
    open_file = next(d for d in world.rows("documents") if d["dated_on"] == day)
    change(world, "documents", open_file["id"], "manager", closed_on="2024-02-29")
    assert world.row("documents", open_file["id"])["due_on"] == "2026-02-28", "two years from a 29 February"
    crate = world.row("crates", crate["id"])
    assert (crate["is_retained"], crate["destruction_on"]) == (False, "2030-03-01")

    change(world, "retention_classes", ten["id"], years=12)
    assert world.row("crates", crate["id"])["destruction_on"] == "2032-03-01"
    change(world, "retention_classes", ten["id"], disposal="REVIEW")
    assert world.row("crates", crate["id"])["is_retained"], "somebody has to look first"
    answer = world.client("admin").patch(f"records_retention_classes?id=eq.{ten['id']}", json={"disposal": "RETAIN"})
    assert answer.status_code == 400, "for good is not for twelve years"
    change(world, "retention_classes", ten["id"], disposal="RETAIN", years=None)
    assert world.row("crates", crate["id"])["destruction_on"] is None
    assert violations(world.db, world.org.id) == {}


def test_a_decision_can_only_lengthen(world: World) -> None:
    retention_class(world, "ONE", years=1)
    document = {"retention_class": "ONE", "dated_on": in_days(-360)}
    crate = world.stored([world.document(**document)], destruction_on=in_days(900), is_permanent=False)
    assert crate["destruction_on"] == in_days(900)
    short = world.stored([world.document(**document)], destruction_on=in_days(1), is_permanent=False)
    assert short["destruction_on"] == years_from(in_days(-360), 1)
    due = [row["id"] for row in world.rows("due_destructions", order="destruction_on,id")]
    assert due == [short["id"], crate["id"]]


def test_master_data_is_kept_by_whom_it_belongs_to(world: World) -> None:
    """Document managers of a unit register its documents, administrators the classes; nobody deletes."""
    row = {"unit_id": world.units["HR"], "document_number": "A1", "name": "Contract"}
    assert world.client("manager").post("records_documents", json=row).status_code == 201
    (made,) = world.rows("documents")
    assert (made["dated_on"], made["kind"], made["status"]) == (in_days(0), "PHYSICAL", "ACTIVE")
    for role, unit in (("viewer", "U1"), ("store", "U1"), ("approver", "U1"), ("manager", "U2")):
        answer = world.client(role, unit).post("records_documents", json={**row, "document_number": "A2"})
        assert answer.status_code == 403, (role, unit, answer.text)
    assert world.client("viewer").patch(f"records_documents?id=eq.{made['id']}", json={"name": "X"}).status_code == 403
    classes = {"code": "X", "name": "X", "years": 1, "counts_from": "CREATED", "disposal": "DESTROY"}
    assert world.client("manager").post("records_retention_classes", json=classes).status_code == 403
    for view in ("documents", "retention_classes", "crates", "requests"):
        assert world.client("admin").delete(f"records_{view}?id=eq.{made['id']}").status_code in (403, 405)
    assert (
        world.client("manager")
        .patch(f"records_documents?id=eq.{made['id']}", json={"document_number": "A1", "version": 9})
        .status_code
        == 412
    )


def test_places_keep_their_crates(world: World) -> None:
    """A place with crates stays active, stays a leaf, and does not shrink below what lies in it."""
    first, second = world.stored(1), world.stored(1)
    shelf = world.places["S1"]
    admin = world.client("admin")

    def patch(**values: Any) -> Any:
        return admin.patch(f"locations?id=eq.{shelf}", json=values)

    refused(patch(is_active=False), 409, "records.place_holds_crates")
    refused(patch(capacity=1), 422, "records.capacity_too_small")
    assert patch(capacity=2).status_code == 204
    below = {"parent_id": shelf, "kind": "SHELF", "code": "X", "name": "X"}
    refused(admin.post("locations", json=below), 409, "records.place_holds_crates")
    move = {"id": world.places["S2"], "parent_id": shelf}
    refused(admin.post("rpc/location_move", json=move), 409, "records.place_holds_crates")
    (full,) = world.rows("places", "store", id=f"eq.{shelf}")
    assert (full["capacity_crates"], full["crates"], full["free"], full["is_leaf"]) == (2, 2, 0, True)
    for crate in (first, second):
        place = world.places["S2"] if crate is first else world.places["ROOMX"]
        world.done("crate_relocate", "store", id=crate["id"], location_id=place, reason="Room is painted")
    assert patch(is_active=False).status_code == 204
    assert violations(world.db, world.org.id) == {}


def test_places_stay_with_units_that_their_crates_may_lie_with(world: World) -> None:
    """Neither a rack nor what is above it goes to another unit while crates of the first lie there."""
    crate = world.stored(1)
    admin = world.client("admin")

    def give(place: str, unit: str | None) -> Any:
        return admin.patch(
            f"locations?id=eq.{world.places[place]}", json={"unit_id": world.units[unit] if unit else None}
        )

    def move(place: str, parent: str) -> Any:
        body = {"id": world.places[place], "parent_id": world.places[parent]}
        return admin.post("rpc/location_move", json=body)

    for place in ("ROOM1", "R1", "A", "S1"):
        details = refused(give(place, "U2"), 409, "records.place_holds_crates")
        assert details == {"crates": 1}
    refused(give("R1", "CS"), 409, "records.place_holds_crates")
    refused(move("R1", "ROOM2"), 409, "records.place_holds_crates")
    assert give("R1", "HR").status_code == 204, "its own department"
    assert move("R1", "ROOM2").status_code == 200, "the rack's own unit is nearer than the room's"
    refused(give("R1", None), 409, "records.place_holds_crates")
    assert move("R1", "ROOMX").status_code == 200 and give("R1", None).status_code == 204, "of all units"
    world.done("crate_relocate", "store", id=crate["id"], location_id=world.places["ROOM1"], reason="Room is painted")
    assert give("R1", "U2").status_code == 204
    assert violations(world.db, world.org.id) == {}


def test_the_tools_refresh_as_well(world: World) -> None:
    """A class and documents changed without an organisation's claims."""
    ten = retention_class(world, "TEN")
    crate = world.stored([world.document(retention_class="TEN", dated_on="2020-03-01")], is_permanent=False)
    assert world.row("crates", crate["id"])["destruction_on"] == "2030-03-01"
    world.db.execute("update records.retention_class set years = 12 where id = %s", [ten["id"]])
    assert world.row("crates", crate["id"])["destruction_on"] == "2032-03-01"
    world.db.execute("update records.document set dated_on = '2021-03-01' where org_id = %s", [world.org.id])
    assert world.row("crates", crate["id"])["destruction_on"] == "2033-03-01"
    assert world.one("select current_setting('erpgres.org_id', true)") in (None, "")
    assert violations(world.db, world.org.id) == {}


def test_places_are_made_where_they_fit(world: World) -> None:
    def make(role: str = "store", unit: str = "U1", **values: Any) -> Any:
        return world.call(
            "place_create", role, unit, **{"code": "N", "name": "New", "kind": "RACK",
                                           "parent_id": world.places["ROOM1"], **values},
        )  # fmt: skip

    made = make(capacity_crates=40).json()
    assert (made["kind"], made["capacity_crates"], made["free"]) == ("RACK", 40, 40)
    refused(make(code="O", unit="U2"), 403, "core.permission_missing")
    refused(make(code="O", role="manager"), 403, "core.permission_missing")
    refused(make(code=""), 422, "records.place_unnamed")
    refused(make(code="O", kind="DRAWER"), 422, "records.place_kind_unknown")
    refused(make(code="O", kind="SHELF"), 422, "records.place_does_not_fit")
    refused(make(code="O", capacity_crates=0), 422, "records.capacity_not_positive")
    refused(make("admin", code="O", parent_id=str(uuid.uuid4())), 422, "records.place_unknown")
    assert make("unit_admin", code="O").status_code == 200


def test_central_sees_what_is_flagged_for_it(world: World) -> None:
    flagged = world.approve(world.storage(1, is_for_central=True))
    plain = world.stored(1)
    assert [c["id"] for c in world.rows("central_crates", "viewer", "CS")] == [flagged["crate_id"]]
    assert [r["id"] for r in world.rows("requests", "viewer", "CS")] == [flagged["id"]]
    assert len(world.rows("documents", "viewer", "CS")) == 1
    assert [c["id"] for c in world.rows("crates", "viewer", "CS")] == [flagged["crate_id"]]
    assert [c["id"] for c in world.rows("crates", "viewer", "U2")] == []
    # Its room takes what is flagged, and nothing else of another unit.
    allocate = {"id": flagged["id"], "location_id": world.places["ROOMC"]}
    assert world.done("storage_allocate", "store", **allocate)["status"] == "COMPLETED"
    move = {"id": plain["id"], "location_id": world.places["ROOMC"], "reason": "More room there"}
    refused(world.call("crate_relocate", "store", **move), 422, "records.place_of_another_unit")


def test_a_role_in_a_section_reaches_the_section(world: World) -> None:
    """Held in PAY, a role shows PAY and not the rest of its department."""
    in_pay = world.storage(1, "PAY")
    world.storage(1, "HR")
    assert [r["id"] for r in world.rows("requests", "viewer", "PAY")] == [in_pay["id"]]
    assert len(world.rows("requests", "viewer", "HR")) == 2


def test_partners_see_nothing(world: World) -> None:
    world.stored(1)
    partner = world.one(
        "insert into core.partner (org_id, code, name) values (%s, 'P', 'P') returning id", world.org.id
    )
    client = world.api(world.org.token(partner_id=partner))
    for view in ("crates", "documents", "requests", "custodies", "places", "retention_classes"):
        assert client.get(f"records_{view}").status_code == 403
    assert client.post("rpc/records_scan", json={"barcode": "U1/HR/2026/00001"}).status_code == 403


def behind_its_back(world: World, stack: Any, statement: str, *values: Any) -> None:
    """Change a row as no request can: what only time does."""
    with psycopg.connect(stack.dsn("postgres", world.db.info.dbname)) as superuser:
        superuser.execute("set local session_replication_role = replica")
        superuser.execute(statement, values)  # type: ignore[call-overload]


def test_the_dashboard_counts(world: World, stack: Any) -> None:
    retention_class(world, "OLD", years=1)
    crate = world.stored([world.document(retention_class="OLD", dated_on=in_days(-400)), world.document()],
                         is_permanent=False, destruction_on=in_days(5))  # fmt: skip
    world.issued(crate, documents=world.contents(crate)[:1])
    behind_its_back(
        world, stack, "update records.request set expected_return_on = %s where kind = 'WITHDRAWAL' and org_id = %s",
        in_days(-1), world.org.id,
    )  # fmt: skip
    world.storage(1, "PAY")
    figures = {row["unit"]: row for row in world.done("dashboard", "viewer", days=10)}
    assert set(figures) == {"U1/HR", "U1/HR/PAY"}
    hr, pay = figures["U1/HR"], figures["U1/HR/PAY"]
    assert {k: hr[k] for k in ("stored_crates", "documents", "withdrawals_out", "overdue", "pending")} == {
        "stored_crates": 1, "documents": 2, "withdrawals_out": 1, "overdue": 1, "pending": 0,
    }  # fmt: skip
    assert (hr["destructions_due"], hr["requests_this_month"], pay["pending"], pay["stored_crates"]) == (1, 2, 1, 0)
    assert world.done("dashboard", "viewer", "U2") == []


def as_worker(stack: Any) -> Connection:
    return psycopg.connect(stack.dsn("worker"), autocommit=True)


def test_reminders_are_made_once_a_day(world: World, stack: Any) -> None:
    """10, 5, 3, 2, 1 days before, daily when overdue; run twice they are the same; the concerned are told."""
    issued = world.issued(world.stored(1), expected_return_on=in_days(10))
    due = date.today() + timedelta(days=10)
    days = [d for d in range(14, -4, -1) if world.done("due_reminders", "store", on_date=str(due - timedelta(days=d)))]
    assert days == [10, 5, 3, 2, 1, -1, -2, -3]
    doomed = world.stored(1, is_permanent=False, destruction_on=in_days(10))
    with as_worker(stack) as worker:
        before = worker.execute("select records.make_reminders()").fetchone()
        assert before is not None and before[0] >= 2
        worker.execute("select records.make_reminders()")
    made = world.rows("reminders", order="kind")
    assert [(m["kind"], m["crate_id"], m["days_left"]) for m in made] == [
        ("DESTRUCTION", doomed["id"], 10), ("RETURN", issued["crate_id"], 10),
    ]  # fmt: skip
    kinds = world.db.execute(
        "select type, payload ->> 'barcode' from events.event where org_id = %s and type in"
        " ('records_request.return_due', 'records_crate.destruction_due') order by type", [world.org.id],
    ).fetchall()  # fmt: skip
    assert kinds == [
        ("records_crate.destruction_due", doomed["barcode"]),
        ("records_request.return_due", world.row("crates", issued["crate_id"])["barcode"]),
    ]
    assert {row["id"] for row in world.rows("reminders", "viewer", "U2")} == set()


def test_an_overdue_withdrawal_is_told_each_day(world: World) -> None:
    issued = world.issued(world.stored(1), expected_return_on=in_days(1))
    world.db.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps({"org_id": str(world.org.id)})])
    for days in (2, 3, 3):
        world.db.execute("select records.remind(%s)", [date.today() + timedelta(days=days)])
    world.db.execute("select set_config('request.jwt.claims', '', false)")
    left = [m["days_left"] for m in world.rows("reminders", request_id=f"eq.{issued['id']}", order="remind_on")]
    assert left == [-1, -2]
    kinds = world.db.execute(
        "select count(*) from events.event where org_id = %s and type = 'records_request.overdue'", [world.org.id]
    ).fetchone()
    assert kinds == (2,)


def test_a_destroyed_document_stays_as_it_was(world: World, stack: Any) -> None:
    """The row that says that there was one cannot be changed, nor put into a crate again."""
    request = world.storage([world.document(document_number="GONE")])
    (document,) = world.rows("documents")
    world.done("request_reject", "approver", id=request["id"], reason="It was shredded already")
    behind_its_back(world, stack, "update records.document set status = 'DESTROYED' where id = %s", document["id"])
    answer = world.client("manager").patch(f"records_documents?id=eq.{document['id']}", json={"name": "Found"})
    refused(answer, 409, "records.document_destroyed")
    ask = {"unit_id": world.units["HR"], "documents": [document["id"]], "is_permanent": True}
    refused(world.call("storage_request", "manager", **ask), 409, "records.document_destroyed")
