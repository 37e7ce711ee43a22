"""The invariants of the records hold after ordinary work, and each finds what was damaged behind their back."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from erpgres.verify import read
from records.support import violations
from wms.support import own

# What breaks each one, done as superuser with triggers and foreign keys off, in a database of its own.
DAMAGE = {
    "0001_custody_of_live_crates": "delete from records.custody where upper_inf(during)",
    "0002_status_and_custody_agree": "update records.crate set status = 'WITHDRAWN' where status = 'ACTIVE'",
    "0003_custody_without_gaps":
    "update records.custody set during = tstzrange(lower(during), upper(during) - interval '1 microsecond')"
    " where not upper_inf(during)",
    "0004_places_hold_what_they_take": "update core.location set is_active = false where kind = 'ROOM'",
    "0005_requests_and_crates_agree": "update records.request set status = 'ISSUED' where kind = 'WITHDRAWAL'",
    "0006_withdrawn_documents_agree": "delete from records.request_document",
    "0007_destruction_dates_follow":
    "update records.crate set destruction_on = destruction_on - 1 where destruction_on is not null",
    "0008_due_dates_follow_the_class": "update records.document set due_on = '2020-01-01'",
    "0009_nobody_approved_his_own": "update records.request set rejected_by = requested_by",
    "0010_numbers_are_registered": "update records.crate set barcode = barcode || 'x'",
}  # fmt: skip
MORE_DAMAGE = [
    (
        "0004_places_hold_what_they_take",
        "update core.location set capacity = 0.5, capacity_unit = 'XCR' where kind = 'ROOM'",
    ),
    ("0010_numbers_are_registered", "delete from core.number_register"),
]


@pytest.fixture
def filled(clone: str) -> Any:
    """A superuser's connection to a clone with a crate that was stored and withdrawn."""
    with psycopg.connect(clone, autocommit=True) as db:
        own(db)
        db.execute("set session authorization migrator")

        def one(query: str, *values: Any) -> Any:
            cursor = db.execute(query, values)  # type: ignore[call-overload]
            row = cursor.fetchone() if cursor.description else None
            return row and row[0]

        org = one("select core.create_organization('CLONE', 'Clone', 'BD', 'USD')")
        user = one(
            "insert into core.app_user (email, name, kind) values ('a@example.com', 'A', 'INTERNAL') returning id"
        )
        db.execute("insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [org, user])
        unit = one(
            "insert into core.org_unit (org_id, kind, code, name) values (%s, 'DEPARTMENT', 'HR', 'HR') returning id",
            org,
        )
        room = one(
            "insert into core.location (org_id, kind, code, name) values (%s, 'ROOM', 'R', 'R') returning id", org
        )
        db.execute("update core.approval_policy set needs_signature = false where org_id = %s", [org])

        def act(name: str) -> Any:
            user_id = one("select id from core.app_user where email = %s", f"{name}@example.com")
            claims = {"role": "member", "org_id": str(org), "sub": str(user_id)}
            db.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps(claims)])
            return user_id

        one("insert into core.app_user (email, name, kind) values ('b@example.com', 'B', 'INTERNAL')")
        db.execute(
            "insert into core.membership (org_id, user_id, kind) select %s, id, 'INTERNAL' from core.app_user"
            " where email = 'b@example.com'", [org],
        )  # fmt: skip
        db.execute(
            "insert into core.user_role (org_id, user_id, role_id) select r.org_id, m.user_id, r.id from core.role r"
            " join core.membership m on m.org_id = r.org_id where r.org_id = %s and r.template like 'records%%'", [org],
        )  # fmt: skip

        def approved(query: str, *values: Any) -> Any:
            act("a")
            request_id = one(query, *values)
            act("b")
            one("select id from api.records_request_approve(%s)", request_id)
            act("a")
            return request_id

        act("a")
        one(
            "insert into records.retention_class (org_id, code, name, years, counts_from, disposal)"
            " values (%s, 'T', 'T', 10, 'CREATED', 'DESTROY') returning id", org,
        )  # fmt: skip
        documents = json.dumps([{"document_number": str(n), "name": "D", "retention_class": "T"} for n in range(2)])
        request = approved("select id from api.records_storage_request(%s, %s)", unit, documents)
        one("select id from api.records_storage_allocate(%s, %s)", request, room)
        crate = one("select crate_id from records.request where id = %s", request)
        request = approved("select id from api.records_withdrawal_request(%s, 'Audit', core.today() + 5)", crate)
        one("select id from api.records_withdrawal_issue(%s, %s)", request, user)
        one("select id from api.records_withdrawal_return(%s, location_id => %s)", request, room)
        db.execute("reset session authorization")
        db.execute("select set_config('request.jwt.claims', '', false)")
        yield db


def test_every_invariant_has_its_damage() -> None:
    """Those of certificates and holds are damaged in tests of their own."""
    names = {invariant.name for invariant in read(["records"])}
    assert set(DAMAGE) <= names
    assert {name for name in names if name < "0011"} == set(DAMAGE)


def test_invariants_hold_and_find_damage(filled: psycopg.Connection[Any]) -> None:
    assert violations(filled) == {}
    for name, statement in [*DAMAGE.items(), *MORE_DAMAGE]:
        with filled.transaction(force_rollback=True):
            filled.execute("set local session_replication_role = replica")
            for constraint in (
                "retained_or_a_destruction_date", "kept_until_the_minimum", "crates_in_transit_say_where_to",
            ):  # fmt: skip
                filled.execute(f"alter table records.crate drop constraint {constraint}")
            filled.execute("alter table records.request drop constraint returned_withdrawals_say_when")
            filled.execute(statement)  # type: ignore[call-overload]
            assert violations(filled).get(name), f"{name} does not see: {statement}"
    assert violations(filled) == {}
