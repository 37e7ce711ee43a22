"""The invariants of core hold, and each of them finds what it is for."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from erpgres.verify import Invariant, read

INVARIANTS = {invariant.name.split("_", 1)[0]: invariant for invariant in read(["core"])}

# How to break each one: the damage is done by the superuser without triggers, and rolled back.
DAMAGE = {
    "0001": "update core.location set path = 'x' where org_id = %(org)s and kind = 'LOSS'",
    "0002": "update core.org_unit set is_active = false where org_id = %(org)s and parent_id is null",
    "0003": "insert into core.number_register (org_id, document_type, number, entity_id) "
    "values (%(org)s, 'core.x', '1', uuidv7())",
    "0004": "delete from core.role where org_id = %(org)s and is_administrator",
    "0005": "insert into core.setting (org_id, code, value) values (%(org)s, 'core.exchange_rate_grace_days', '\"x\"')",
    "0006": "delete from core.transition where entity = 'core.partner' and to_status = 'ACTIVE'",
    "0007": "update core.session set is_admitted = false where org_id = %(org)s",
    "0008": "insert into core.approval (org_id, entity, entity_id, round, status, step_count, ended_at) "
    "values (%(org)s, 'records_request', uuidv7(), 1, 'APPROVED', 1, now())",
    "0009": "insert into core.signature (org_id, entity, entity_id, meaning, statement, signer_id, signer_name, "
    "signer_email, signer_roles, session_id, has_second_factor, signed_at, payload, payload_sha256, sha256) "
    "values (%(org)s, 'records_request', uuidv7(), 'APPROVE', 'Yes', uuidv7(), 'N', 'E', '{}', uuidv7(), false, now(), "
    "'{}', repeat('0', 64), repeat('0', 64))",
}


def violations(connection: psycopg.Connection[Any], invariant: Invariant, org: Any) -> int:
    query = str(invariant.query).rstrip().rstrip(";")
    row = connection.execute(f"select count(*) from ({query}) as i where org_id = %s", [org.id]).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("number", sorted(INVARIANTS))
def test_an_invariant_holds_and_finds_damage(number: str, stack: Any, org: Any, db: Any, api: Any, make: Any) -> None:
    admin = api(org.admin_token)
    parent = make(admin, "org_units", kind="BRANCH", code="B", name="B")
    make(admin, "org_units", kind="UNIT", code="U", name="U", parent_id=parent["id"])
    make(admin, "partners", code="P", name="P")
    with psycopg.connect(stack.dsn("postgres", db.info.dbname)) as connection:
        connection.execute("set session_replication_role = replica")
        assert violations(connection, INVARIANTS[number], org) == 0
        connection.execute(DAMAGE[number], {"org": org.id})
        assert violations(connection, INVARIANTS[number], org) > 0
        connection.rollback()
