"""Signed tokens (JWT, HS256) as the API expects them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

import jwt
from psycopg import Connection, errors

from erpgres.errors import CannotRun, Refused

MINUTES = 15
_ROLES = {"SUPER_ADMIN": "superadmin", "INTERNAL": "member", "EXTERNAL": "partner"}


def sign(claims: Mapping[str, Any], key: str, minutes: float = MINUTES) -> str:
    """Return a token with these claims, and `iat`, `exp` (`minutes` from now) and `sid` unless they are given.

    `key` is the text of the state's `jwt.key`. Raises ValueError when it is shorter than 32 characters.
    """
    if len(key) < 32:
        raise ValueError("the key is shorter than 32 characters")
    now = int(time.time())
    payload: dict[str, Any] = {"sid": str(uuid.uuid4()), "iat": now, "exp": now + round(minutes * 60), **claims}
    return jwt.encode(payload, key, algorithm="HS256")


def claims_of(connection: Connection[Any], user: str, organization: str | None = None) -> dict[str, str]:
    """Return the claims (role, sub, org_id, partner_id) of a user named by e-mail address or id.

    `organization` is a code, needed when the user is a member of several. Raises Refused for a user who does not
    exist, is not active or is not a member; CannotRun when the database holds no users yet.
    """
    try:
        row = connection.execute(
            "select id::text, kind::text, is_active from core.app_user "
            "where id::text = lower(%(user)s) or lower(email) = lower(%(user)s)",
            {"user": user},
        ).fetchone()
        if row is None:
            raise Refused(f"there is no user {user}", "`erpgres seed` makes some; name one by e-mail address or id")
        user_id, kind, is_active = row
        if not is_active:
            raise Refused(f"the user {user} is not active")
        memberships = connection.execute(
            "select o.code, o.id::text, m.partner_id::text "
            "from core.membership m join core.organization o on o.id = m.org_id "
            "where m.user_id = %s::uuid and m.is_active and (%s::text is null or o.code = %s) order by o.code",
            (user_id, organization, organization),
        ).fetchall()
    except (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName) as error:
        raise CannotRun("the database holds no users: it is not migrated", "`erpgres up -d`") from error
    role = _ROLES.get(str(kind))
    if role is None:
        raise Refused(f"the user {user} is of an unknown kind: {kind}")
    claims = {"role": role, "sub": user_id}
    if not memberships:
        if role == "superadmin" and organization is None:
            return claims
        raise Refused(f"the user {user} is not a member of {organization or 'any organisation'}")
    if len(memberships) > 1:
        codes = ", ".join(str(code) for code, _, _ in memberships)
        raise Refused(f"the user {user} is a member of several organisations: {codes}", "choose one with --org")
    _, org_id, partner_id = memberships[0]
    claims["org_id"] = org_id
    if partner_id is not None:
        claims["partner_id"] = partner_id
    return claims
