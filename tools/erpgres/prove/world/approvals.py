"""Approvals and signatures of an organisation of the proof: each seen by who asked or signed, some in a unit only."""

from __future__ import annotations

from erpgres.prove.world import Side

ENTITY = "records_request"


def fill_approvals(side: Side) -> None:
    """Make an approval and a signature of the administrator in the first unit, and of others in the second."""
    own, other = side.units
    for unit, user in ((own, "admin"), (other, "member")):
        approval = side.background(
            "insert into core.approval (org_id, entity, entity_id, unit_id, requested_by, round, step_count) "
            "values (%s, %s, uuidv7(), %s, %s, 1, 1) returning id",
            side.org_id,
            ENTITY,
            unit,
            side.users[user],
        )
        side.background(
            "insert into core.approval_step (org_id, approval_id, step_no, permission, unit_id) "
            "values (%s, %s, 1, 'core.partner.hold', %s)",
            side.org_id,
            approval,
            unit,
        )
    for unit, user in ((own, "admin"), (other, "member"), (other, "partner"), (other, "other_partner")):
        add_signature(side, user, unit)


def add_signature(
    side: Side, user: str, unit: str, entity_id: str | None = None, meaning: str = "APPROVE", *, is_used: bool = True
) -> str:
    """Make a signature as the database would, without asking for a password; returns its id."""
    signature = side.background(
        """
        insert into core.signature
        select (core.signed(s)).*
        from (
          select (
            %s, uuidv7(), %s, coalesce(%s, uuidv7()), %s, 'I agree.', u.id, u.name, u.email, '{}', n.id, n.name,
            uuidv7(), null, false, clock_timestamp(), '{}', null, null
          )::core.signature as s
          from core.app_user as u, core.org_unit as n
          where u.id = %s and n.org_id = %s and n.id = %s
        ) as made
        returning id
        """,
        side.org_id,
        ENTITY,
        entity_id,
        meaning,
        side.users[user],
        side.org_id,
        unit,
    )
    if is_used:
        side.background(
            "insert into core.signature_use (org_id, signature_id, step) values (%s, %s, %s)",
            side.org_id,
            signature,
            meaning,
        )
    return str(signature)
