"""Who may do what, and through which role, grant and policy: what `erpgres access show` says, read from the catalog."""

from __future__ import annotations

import re
import uuid
from typing import Any

import psycopg
from psycopg.rows import dict_row

from erpgres.errors import Refused

Connection = psycopg.Connection[dict[str, Any]]

DATABASE_ROLES = {"SUPER_ADMIN": "superadmin", "INTERNAL": "member", "EXTERNAL": "partner"}
COMMANDS = {"r": "select", "a": "insert", "w": "update", "d": "delete", "*": "all"}

_PERMISSION = re.compile(r"has_permission\('([^']+)'::text")
# What policies are made of, as pg_get_expr writes it, and what it means.
_WORDS = (
    (r"\((?:\w+\.)?(?:org_)?id = \( SELECT core\.org_id\(\) AS org_id\)\)", "the row is of the caller's organisation"),
    (r"\((?:\w+\.)?(\w+) = \( SELECT core\.partner_id\(\) AS partner_id\)\)", r"\1 is the caller's own partner"),
    (r"\((?:\w+\.)?(\w+) = \( SELECT core\.user_id\(\) AS user_id\)\)", r"\1 is the caller"),
    (
        r"\( SELECT core\.has_permission\('([^']+)'::text(?:, NULL::uuid)?\) AS has_permission\)",
        r"the caller holds \1 everywhere",
    ),
    (r"core\.has_permission\('([^']+)'::text, (?:\w+\.)?(\w+)\)", r"the caller holds \1 in \2"),
    (r"\((?:\w+\.)?(\w+) = SESSION_USER\)", r"\1 is the login itself"),
)


def connect(dsn: str) -> Connection:
    """Connect as migrator, who sees all organisations, for reading only."""
    from erpgres import database

    connection: Connection = database.connect(dsn, row_factory=dict_row)
    connection.read_only = True
    return connection


def show(connection: Connection, name: str) -> dict[str, Any]:
    """Explain a user (e-mail address or id) or a table or view (with or without its schema).

    The result has "kind" "user", "table" or "view". Raises Refused when there is nothing of that name.
    """
    if "@" in name or _is_uuid(name):
        return user(connection, name)
    return relation(connection, name)


def user(connection: Connection, name: str) -> dict[str, Any]:
    """Explain a user: database role, organisations, roles, and each permission with the roles that give it."""
    found = connection.execute(
        "select id, email, name, kind, is_active from core.app_user "
        "where id::text = lower(%(name)s) or lower(email) = lower(%(name)s)",
        {"name": name},
    ).fetchone()
    if found is None:
        raise Refused(f"there is no user {name}")
    organizations = connection.execute(
        """
        select o.id, o.code, o.name, m.is_active and o.is_active as is_active, p.code as partner
        from core.membership as m
        join core.organization as o on o.id = m.org_id
        left join core.partner as p on p.org_id = m.org_id and p.id = m.partner_id
        where m.user_id = %s
        order by o.code
        """,
        [found["id"]],
    ).fetchall()
    for organization in organizations:
        organization["roles"] = connection.execute(
            """
            select r.code, r.name, r.is_administrator, r.template, r.requires_second_factor, n.code as unit
            from core.user_role as u
            join core.role as r on r.org_id = u.org_id and r.id = u.role_id
            left join core.org_unit as n on n.org_id = u.org_id and n.id = u.unit_id
            where u.org_id = %s and u.user_id = %s
            order by r.code, n.code
            """,
            [organization["id"], found["id"]],
        ).fetchall()
        organization["permissions"] = connection.execute(
            """
            select p.code, array_agg(r.code || coalesce(' in ' || n.code, '') order by r.code, n.code) as through
            from core.permission as p
            join core.user_role as u on u.org_id = %s and u.user_id = %s
            join core.role as r on r.org_id = u.org_id and r.id = u.role_id
            left join core.org_unit as n on n.org_id = u.org_id and n.id = u.unit_id
            where (r.is_administrator and not p.is_duty) or exists (
              select from core.role_permission as h
              where h.org_id = r.org_id and h.role_id = r.id and h.permission = p.code
            )
            group by p.code
            order by p.code
            """,
            [organization["id"], found["id"]],
        ).fetchall()
        organization["id"] = str(organization["id"])
    database_role = DATABASE_ROLES[found["kind"]]
    return {
        "kind": "user",
        "id": str(found["id"]),
        "email": found["email"],
        "name": found["name"],
        "user_kind": found["kind"],
        "is_active": found["is_active"],
        "database_role": database_role,
        "sees": {
            "superadmin": "every organisation; writes in the one of the token; needs no permission",
            "member": "the organisation of the token",
            "partner": "what names its own partner",
        }[database_role],
        "organizations": organizations,
    }


def relation(connection: Connection, name: str) -> dict[str, Any]:
    """Explain a table or view: grants by role, policies, the permissions they ask for and the roles that hold them."""
    found = _find(connection, name)
    oid, kind = found["oid"], "view" if found["relkind"] == "v" else "table"
    report: dict[str, Any] = {
        "kind": kind,
        "name": f"{found['nspname']}.{found['relname']}",
        "comment": found["comment"],
        "grants": _grants(connection, oid),
    }
    tables = [(oid, report["name"])]
    if kind == "view":
        report["security_invoker"] = found["security_invoker"]
        tables = [
            (row["oid"], row["name"])
            for row in connection.execute(
                """
                select distinct c.oid, n.nspname || '.' || c.relname as name
                from pg_rewrite as w
                join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
                join pg_class as c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid
                join pg_namespace as n on n.oid = c.relnamespace
                where w.ev_class = %(view)s and c.oid <> %(view)s and c.relkind in ('r', 'p')
                order by 2
                """,
                {"view": oid},
            )
        ]
    report["tables"] = [_table(connection, table, name) for table, name in tables]
    asked = {p for table in report["tables"] for policy in table["policies"] for p in policy["permissions"]}
    entities = [name for _, name in tables]
    asked |= {
        row["code"]
        for row in connection.execute(
            "select code from core.permission where regexp_replace(code, '\\.[^.]+$', '') = any (%s)", [entities]
        )
    }
    report["permissions"] = {permission: _holders(connection, permission) for permission in sorted(asked)}
    return report


def _find(connection: Connection, name: str) -> dict[str, Any]:
    schema, _, relname = name.rpartition(".")
    rows = connection.execute(
        """
        select c.oid, c.relkind::text, n.nspname, c.relname, obj_description(c.oid, 'pg_class') as comment,
          coalesce('security_invoker=true' = any (c.reloptions), false) as security_invoker
        from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
        where c.relname = %s and c.relkind in ('r', 'p', 'v') and not c.relispartition
          and (n.nspname = %s or (%s = '' and n.nspname !~ '^(pg_|information_schema)'))
        order by n.nspname <> 'api', n.nspname
        """,
        [relname, schema, schema],
    ).fetchall()
    if not rows:
        raise Refused(f"there is no user, table or view {name}", "name a user by e-mail address or id")
    if len(rows) > 1 and rows[0]["nspname"] != "api":
        names = ", ".join(f"{row['nspname']}.{row['relname']}" for row in rows)
        raise Refused(f"{name} is one of {names}", "name its schema too")
    return rows[0]


def _grants(connection: Connection, oid: int) -> list[dict[str, Any]]:
    """Return what each role may do, the owner left out; columns None: all of them."""
    return connection.execute(
        """
        select
          g.role, lower(g.command) as command,
          case when bool_or(g.attname is null) then null else array_agg(g.attname order by g.attnum) end as columns
        from (
          select coalesce(r.rolname, 'public') as role, x.privilege_type as command, null::name as attname, 0 as attnum
          from pg_class as c
          cross join aclexplode(c.relacl) as x
          left join pg_roles as r on r.oid = x.grantee
          where c.oid = %(oid)s and x.grantee <> c.relowner
          union all
          select coalesce(r.rolname, 'public'), x.privilege_type, a.attname, a.attnum
          from pg_class as c
          join pg_attribute as a on a.attrelid = c.oid
          cross join aclexplode(a.attacl) as x
          left join pg_roles as r on r.oid = x.grantee
          where c.oid = %(oid)s and x.grantee <> c.relowner
        ) as g
        group by g.role, g.command
        order by g.role, array_position(array['SELECT', 'INSERT', 'UPDATE', 'DELETE'], g.command), g.command
        """,
        {"oid": oid},
    ).fetchall()


def _table(connection: Connection, oid: int, name: str) -> dict[str, Any]:
    secured = connection.execute(
        "select relrowsecurity as is_on, relforcerowsecurity as is_forced from pg_class where oid = %s", [oid]
    ).fetchone()
    policies = connection.execute(
        """
        select p.polname as name, r.rolname as role, p.polcmd::text as command,
          pg_get_expr(p.polqual, p.polrelid) as using, pg_get_expr(p.polwithcheck, p.polrelid) as check
        from pg_policy as p
        cross join unnest(p.polroles) as o (oid)
        left join pg_roles as r on r.oid = o.oid
        where p.polrelid = %s
        order by r.rolname, p.polname
        """,
        [oid],
    ).fetchall()
    for policy in policies:
        policy["command"] = COMMANDS[policy["command"]]
        told = f"{policy['using'] or ''} {policy['check'] or ''}"
        policy["permissions"] = sorted(set(_PERMISSION.findall(told)))
        policy["words"] = describe(policy["using"], policy["check"])
    assert secured is not None
    return {"name": name, "row_security": secured["is_on"], "forced": secured["is_forced"],
            "grants": _grants(connection, oid), "policies": policies}  # fmt: skip


def describe(using: str | None, check: str | None) -> str:
    """Put a policy's expressions, as pg_get_expr writes them, into words."""
    parts = []
    if using is not None:
        parts.append(f"rows where {_words(using)}" if using != "true" else "all rows")
    if check is not None and check != using:
        parts.append(f"new rows where {_words(check)}" if check != "true" else "any new row")
    return "; ".join(parts)


def _words(expression: str) -> str:
    text = re.sub(r"\s+", " ", expression)
    for pattern, words in _WORDS:
        text = re.sub(pattern, words, text)
    text = re.sub(r"\bAND\b", "and", text)
    while text.startswith("(") and text.endswith(")") and _matches(text):
        text = text[1:-1]
    return text


def _matches(text: str) -> bool:
    """Say whether the first parenthesis is closed by the last."""
    depth = 0
    for position, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return position == len(text) - 1
    return False


def _holders(connection: Connection, permission: str) -> dict[str, list[dict[str, Any]]]:
    """Return, by organisation code, the roles that hold a permission and how many users have each."""
    rows = connection.execute(
        """
        select o.code as organization, r.code as role, count(distinct u.user_id) as users
        from core.role as r
        join core.organization as o on o.id = r.org_id
        left join core.user_role as u on u.org_id = r.org_id and u.role_id = r.id
        where (r.is_administrator and not exists (select from core.permission as d where d.code = %(code)s and d.is_duty))
          or exists (
            select from core.role_permission as p
            where p.org_id = r.org_id and p.role_id = r.id and p.permission = %(code)s
          )
        group by o.code, r.code
        order by o.code, r.code
        """,
        {"code": permission},
    ).fetchall()
    holders: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        holders.setdefault(row["organization"], []).append({"role": row["role"], "users": row["users"]})
    return holders


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
