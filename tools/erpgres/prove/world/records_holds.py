"""Legal holds and certificates of an organisation of the proof: of the crates that `records.py` leaves for them."""

from __future__ import annotations

from dataclasses import replace

from erpgres.prove.world import Side
from erpgres.prove.world.approvals import add_signature


def fill_holds(side: Side) -> None:
    """Hold what can be destroyed in each unit; of the destruction there is a certificate, as if it had come before."""
    side.background(
        "insert into core.user_role (org_id, user_id, role_id)"
        " select org_id, %s, id from core.role where org_id = %s and code = 'records_compliance'",
        side.users["admin"],
        side.org_id,
    )
    approver = side.background(
        "select id::text from core.app_user where email = %s", f"approver.{side.code.lower()}@prove.example"
    )
    other = replace(side, users={**side.users, "admin": approver})
    for number, unit in enumerate(side.units):
        crate = side.ids[f"records_crate_{number}"]
        request = side.call("records_destruction_request", crate_id=crate, purpose="Due")
        other.call("records_request_approve", id=request["id"])
        destroyed, seen = (
            add_signature(replace(side, users={"signer": user}), "signer", unit, str(request["id"]), meaning)
            for user, meaning in ((side.users["admin"], "DESTROY"), (approver, "WITNESS"))
        )
        side.background(
            """
            insert into records.destruction_certificate (
              org_id, certificate_no, request_id, crate_id, unit_id, method, executed_by, executor_signature_id,
              witness_id, witness_signature_id, executed_at, document_count, manifest, sha256
            )
            values (
              %s, %s, %s, %s, %s, 'SHRED', %s, %s, %s, %s, now(), 0,
              '{"crate": {"barcode": "C"}, "documents": [], "signatures": [], "approvals": []}', repeat('0', 64)
            )
            """,
            side.org_id,
            f"DC-{number}",
            request["id"],
            crate,
            request["unit_id"],
            side.users["admin"],
            destroyed,
            approver,
            seen,
        )
        side.call(
            "records_hold_place", matter="Dispute 17", reason="Asked for by the court", crates=[crate], documents=[]
        )
