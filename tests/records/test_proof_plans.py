"""Lists of approvals, signatures, holds and certificates use their indexes, under the policies, on enough rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from conftest import cloned

ROWS = 4_000
# In two organisations: what is read is read by organisation first.
STATEMENTS = (
    """
    insert into core.approval (org_id, id, entity, entity_id, unit_id, requested_by, round, status, step_count,
      ended_at)
    select o.id, uuidv7(), 'records_request', uuidv7(), case when n % 50 = 0 then %(unit)s::uuid end,
      case when n % 50 = 1 then %(user)s::uuid else uuidv7() end, 1,
      case when n % 50 = 2 then 'PENDING' else 'APPROVED' end, 1, case when n % 50 <> 2 then now() end
    from core.organization as o cross join generate_series(1, %(rows)s) as n
    """,
    """
    insert into core.approval_step (org_id, approval_id, step_no, permission, unit_id)
    select a.org_id, a.id, 1, 'core.partner.hold', a.unit_id from core.approval as a
    """,
    """
    insert into core.signature (org_id, entity, entity_id, meaning, statement, signer_id, signer_name, signer_email,
      signer_roles, unit_id, session_id, has_second_factor, signed_at, payload, payload_sha256, sha256)
    select a.org_id, a.entity, a.entity_id, 'APPROVE', 'Yes', a.requested_by, 'N', 'E', '{}', a.unit_id, uuidv7(),
      false, now(), '{}', repeat('0', 64), repeat('0', 64)
    from core.approval as a
    """,
    """
    insert into records.legal_hold (org_id, id, hold_no, matter, reason, status, released_at)
    select a.org_id, a.id, a.id::text, 'M', 'Asked for by the court',
      case when a.status = 'PENDING' then 'ACTIVE' else 'RELEASED' end, case when a.status <> 'PENDING' then now() end
    from core.approval as a
    """,
    """
    insert into records.legal_hold_item (org_id, hold_id, crate_id, document_id, is_active)
    select h.org_id, h.id, case when p.n = 1 then h.id end, case when p.n = 2 then h.id end, h.status = 'ACTIVE'
    from records.legal_hold as h cross join generate_series(1, 2) as p (n)
    """,
    """
    insert into records.crate_document (org_id, crate_id, document_id)
    select h.org_id, h.id, h.id from records.legal_hold as h
    """,
    """
    insert into records.destruction_certificate (org_id, certificate_no, request_id, crate_id, unit_id, method,
      executed_by, executor_signature_id, witness_id, witness_signature_id, executed_at, document_count, manifest,
      sha256)
    select a.org_id, a.id::text, a.id, a.id, coalesce(a.unit_id, %(other)s), 'SHRED', uuidv7(), uuidv7(), uuidv7(),
      uuidv7(), now(), 0, '{}', repeat('0', 64)
    from core.approval as a
    """,
)


@pytest.fixture(scope="module")
def filled(stack: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A session of a member who may read approvals and holds everywhere, in a database with many rows."""
    ids: dict[str, Any] = {"rows": ROWS}
    with cloned(stack) as name:
        yield from fill(stack, name, ids)


def fill(stack: Any, database: str, ids: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    with psycopg.connect(stack.dsn("postgres", database), autocommit=True) as db:

        def one(query: str) -> Any:
            row = db.execute(query, ids).fetchone()  # type: ignore[call-overload]
            return row and row[0]

        for code in ("PLAN", "MORE"):
            ids["org"] = one(f"select core.create_organization('{code}', 'Plan', 'BD', 'USD')")
        ids["user"] = one(
            "insert into core.app_user (email, name, kind) values ('p@x.example', 'P', 'INTERNAL') returning id"
        )
        db.execute("insert into core.membership (org_id, user_id, kind) values (%(org)s, %(user)s, 'INTERNAL')", ids)
        db.execute(
            "insert into core.user_role (org_id, user_id, role_id) select org_id, %(user)s, id from core.role"
            " where org_id = %(org)s and code = 'administrator'",
            ids,
        )
        for name, code in (("unit", "A"), ("other", "B")):
            ids[name] = one(
                "insert into core.org_unit (org_id, kind, code, name)"
                f" values (%(org)s, 'UNIT', '{code}', 'U') returning id"
            )
        db.execute("set session_replication_role = replica")
        for statement in STATEMENTS:
            db.execute(statement.replace(" % 50", " %% 50"), ids)  # type: ignore[call-overload]
        db.execute("reset session_replication_role")
        db.execute("analyze")
        ids["id"] = one("select id from core.approval where org_id = %(org)s order by id limit 1 offset 1500")
        ids["entity_id"] = one("select entity_id from core.approval where org_id = %(org)s and id = %(id)s")
    tools = stack.dsn("migrator", database)
    with psycopg.connect(tools, autocommit=True) as session:
        claims = {"role": "member", "sub": str(ids["user"]), "org_id": str(ids["org"])}
        session.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps(claims)])
        session.execute("set role member")
        yield session, ids


QUERIES = {
    "approval_pkey": "select id from api.approvals where id < %(id)s order by id desc limit 20",
    "approval_status_idx": "select id from api.approvals where status = 'PENDING' order by id desc limit 20",
    "approval_unit_id_idx": (
        "select id from api.approvals where unit_id = %(unit)s and status = 'APPROVED' order by id limit 20"
    ),
    "approval_requested_by_idx": "select id from api.approvals where requested_by = %(user)s order by id desc limit 20",
    "one_approval_per_round": (
        "select id from api.approvals where entity = 'records_request' and entity_id = %(entity_id)s"
    ),
    "one_step_per_number": "select id from api.approval_steps where approval_id = %(id)s order by step_no",
    "approval_step_pkey": "select id from api.approval_steps order by id desc limit 20",
    "signature_pkey": "select id from api.signatures order by id desc limit 20",
    "signature_entity_id_idx": (
        "select id from api.signatures where entity = 'records_request' and entity_id = %(entity_id)s order by id"
    ),
    "signature_unit_id_idx": "select id from api.signatures where unit_id = %(unit)s order by id desc limit 20",
    "legal_hold_pkey": "select id from api.records_holds order by id desc limit 20",
    "legal_hold_status_idx": "select id from api.records_holds where status = 'ACTIVE' order by id desc limit 20",
    "held_once_by_a_hold": "select id from api.records_hold_items where hold_id = %(id)s",
    "legal_hold_item_crate_idx": "select id from api.records_hold_items where crate_id = %(id)s and is_active",
    "legal_hold_item_document_idx": "select id from api.records_hold_items where document_id = %(id)s and is_active",
    "destruction_certificate_pkey": "select id from api.records_certificates order by id desc limit 20",
    "one_certificate_per_crate": "select id from api.records_certificates where crate_id = %(id)s",
    "destruction_certificate_unit_idx": (
        "select id from api.records_certificates where unit_id = %(unit)s order by id desc limit 20"
    ),
}


def test_lists_use_their_index(filled: tuple[Any, dict[str, Any]]) -> None:
    session, ids = filled
    for index, query in QUERIES.items():
        rows = session.execute(f"explain (analyze, buffers off, timing off, costs off) {query}", ids).fetchall()
        plan = "\n".join(row[0] for row in rows)
        assert index in plan, plan
        assert "Seq Scan on approval" not in plan and "Seq Scan on signature " not in plan, plan
        assert "Seq Scan on legal_hold" not in plan and "Seq Scan on destruction" not in plan, plan


def test_whether_something_is_held_is_found_by_index(filled: tuple[Any, dict[str, Any]]) -> None:
    """Asked at each step that a hold could forbid: ten thousand times in a job, it must not read all holds."""
    session, ids = filled
    query = "explain (analyze, buffers, timing off, costs off) select records.find_hold_unseen(%(id)s, %(id)s)"
    plan = "\n".join(row[0] for row in session.execute(query, ids).fetchall())
    session.execute("select records.find_hold_unseen(%(id)s, %(id)s)", ids)
    again = "\n".join(row[0] for row in session.execute(query, ids).fetchall())
    pages = sum(int(part.split("=")[1]) for part in again.split() if part.startswith(("hit=", "read=")))
    assert 0 < pages < 60, (plan, again)
