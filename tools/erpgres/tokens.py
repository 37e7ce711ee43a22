"""Signed tokens (JWT, HS256) as the API expects them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import jwt
from psycopg import Connection, errors

from erpgres.errors import CannotRun, Refused
from erpgres.keys import kid_of

MINUTES = 15
_ROLES = {"SUPER_ADMIN": "superadmin", "INTERNAL": "member", "EXTERNAL": "partner"}


def sign(claims: Mapping[str, Any], key: str, minutes: float = MINUTES) -> str:
    """Return a token with these claims, and `iat` and `exp` (`minutes` from now) unless they are given.

    `key` is the text of the state's `jwt.key`; the header names it (`kid`). The API takes a token of a session only:
    `sid` among the claims, from `open_session`. Raises ValueError when the key is shorter than 32 characters.
    """
    if len(key) < 32:
        raise ValueError("the key is shorter than 32 characters")
    now = int(time.time())
    payload: dict[str, Any] = {"iat": now, "exp": now + round(minutes * 60), **claims}
    return jwt.encode(payload, key, algorithm="HS256", headers={"kid": kid_of(key)})


def open_session(connection: Connection[Any], claims: Mapping[str, Any], minutes: float = MINUTES) -> str:
    """Open a session of `minutes` for the user and the organisation of the claims; return its id, the claim `sid`.

    `connection` is one of the migrator's. Nothing is checked: the session is listed and ended like any other.
    """
    row = connection.execute(
        "select core.open_session(%s::uuid, %s::uuid, now() + make_interval(secs => %s))::text",
        (claims["sub"], claims.get("org_id"), minutes * 60),
    ).fetchone()
    assert row is not None
    return str(row[0])


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
