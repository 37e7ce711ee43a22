"""What each organisation of the proof has of the records: crates of two units in every state that a row depends on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from erpgres.prove.world import Side, _member, _user
from erpgres.prove.world.records_holds import fill_holds

ROLES = ("records_document_manager", "records_store_head", "records_approver")


def fill(side: Side) -> None:
    """Make the rows: the administrator, who holds the roles for it, makes requests, and somebody else approves them."""
    approver = _user(side.connection, "INTERNAL", f"approver.{side.code.lower()}@prove.example")
    _member(side, approver)
    for user, roles in ((side.users["admin"], ROLES), (approver, ROLES)):
        for role in roles:
            side.background(
                "insert into core.user_role (org_id, user_id, role_id)"
                " select org_id, %s, id from core.role where org_id = %s and code = %s",
                user,
                side.org_id,
                role,
            )
    side.background(
        "update core.approval_policy set needs_signature = false where org_id = %s and entity = 'records_request'",
        side.org_id,
    )
    other = replace(side, users={**side.users, "admin": approver})
    side.insert(
        "records_retention_classes", code="TEN", name="Ten years", years=10, counts_from="CREATED", disposal="DESTROY"
    )
    room = side.insert("locations", kind="ROOM", code="ROOM", name="Room")["id"]

    def approved(function: str, **values: Any) -> str:
        request = side.call(function, **values)["id"]
        other.call("records_request_approve", id=request)
        return str(request)

    for number, unit in enumerate(side.units):
        department = side.insert("org_units", parent_id=unit, kind="DEPARTMENT", code="DEP", name="Department")["id"]
        crates = []
        for name in ("stored", "central", "doomed"):
            documents = [
                {
                    "document_number": f"{number}-{name}-{copy}",
                    "name": "Vouchers",
                    "retention_class": "TEN",
                    "dated_on": "2010-01-01",
                }
                for copy in range(2)
            ]
            request = approved(
                "records_storage_request",
                unit_id=department,
                documents=documents,
                is_for_central=name == "central",
            )
            side.call("records_storage_allocate", id=request, location_id=room)
            crates.append(side.value("select crate_id from api.records_requests where id = %s", request))
        listed = side.value(
            "select array_agg(document_id) from api.records_crate_documents where crate_id = %s", crates[0]
        )
        elsewhere = side.value(
            "select document_id from api.records_crate_documents where crate_id = %s limit 1", crates[1]
        )
        request = side.call(
            "records_withdrawal_request",
            crate_id=crates[0],
            purpose="Audit",
            expected_return_on=side.value("select core.today() + 10"),
            documents=listed,
        )["id"]
        other.call("records_request_send_back", id=request, reason="Say what for, please")
        side.call("records_request_resubmit", id=request)
        other.call("records_request_approve", id=request)
        side.call("records_withdrawal_issue", id=request, to_user_id=side.users["admin"])
        side.call("records_withdrawal_return", id=request, documents=[listed[0], elsewhere])
        side.background(
            "insert into records.reminder (org_id, kind, request_id, crate_id, remind_on, due_on)"
            " values (%s, 'RETURN', %s, %s, current_date, current_date + 10)",
            side.org_id,
            request,
            crates[0],
        )
        side.call(
            "records_transfer_request",
            crate_id=crates[1],
            target_unit_id=side.insert(
                "org_units", parent_id=unit, kind="DEPARTMENT", code="DEP2", name="Department 2"
            )["id"],
            purpose="Moves",
        )
        side.ids[f"records_crate_{number}"] = str(crates[2])
    fill_holds(side)
