"""The organisations of the proof: two, each with users of every kind, and rows in every view.

The rows of a domain are made by `world/<domain>.py`: its `fill(side)` runs once for each organisation, in the order of
the domains. A view or table that nobody can be shown a row of fails the proof, and the message names that file.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from erpgres.errors import CannotRun
from erpgres.prove.principals import Principal
from erpgres.settings import DOMAINS
from erpgres.tokens import open_session

Connection = psycopg.Connection[Any]
UNIT_PERMISSIONS = (
    "core.item.update", "core.partner.update", "core.org_unit.update", "core.approval.read", "core.signature.read",
    "records.crate.read", "records.document.read", "records.request.read",
)  # fmt: skip


@dataclass
class Side:
    """One organisation. `users` are ids by kind, `ids` is for what one domain's rows need of another's."""

    connection: Connection
    code: str
    org_id: str
    analyst: str
    users: dict[str, str] = field(default_factory=dict)
    partners: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    key_id: str = ""

    def insert(self, view: str, **values: Any) -> dict[str, Any]:
        """Insert a row into a view of the API as the organisation's administrator; returns it."""
        statement = sql.SQL("insert into api.{} ({}) values ({}) returning *").format(
            sql.Identifier(view),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        )
        return self._as_administrator(statement, [*map(_adapted, values.values())])

    def call(self, function: str, **values: Any) -> Any:
        """Call a function of the API as the organisation's administrator; returns its row, or its one value."""
        arguments = sql.SQL(", ").join(
            sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder()) for name in values
        )
        statement = sql.SQL("select * from api.{}({})").format(sql.Identifier(function), arguments)
        row = self._as_administrator(statement, [*map(_adapted, values.values())])
        return next(iter(row.values())) if list(row) == [function] else row

    def value(self, query: str, *values: Any) -> Any:
        """One value, as the organisation's administrator."""
        row = self._as_administrator(sql.SQL(query), list(values))
        return next(iter(row.values()))

    def background(self, statement: str, *values: Any) -> Any:
        """Run a statement as the superuser, for rows that only the tools or a background role make; a value if any."""
        cursor = self.connection.execute(statement, values)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def _as_administrator(self, statement: sql.SQL | sql.Composed, values: list[Any]) -> dict[str, Any]:
        claims = {"role": "member", "sub": self.users["admin"], "org_id": self.org_id}
        with self.connection.transaction(), self.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute("set local session authorization authenticator")
            cursor.execute(
                "select set_config('request.jwt.claims', %s, true), set_config('erpgres.org_id', %s, true)",
                [json.dumps(claims), self.org_id],
            )
            cursor.execute("set local role member")
            cursor.execute(statement, values)
            row = cursor.fetchone()
            return row or {}


def _adapted(value: Any) -> Any:
    """JSON for objects and lists of objects; ids in them are UUIDs."""
    if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
        return Jsonb(value, dumps=lambda data: json.dumps(data, default=str))
    return value


@dataclass
class World:
    """Both organisations and everybody who asks. `ours` asks, `theirs` is what he must not reach."""

    ours: Side
    theirs: Side
    callers: list[Principal]
    strangers: list[Principal]
    sessions: list[Principal]
    good: dict[str, Any]
    mismatched: dict[str, tuple[dict[str, Any], str]]


def make(connection: Connection) -> World:
    """Fill a freshly migrated database. `connection` is a superuser's in autocommit.

    Raises CannotRun with the file to look at when a domain's rows cannot be made.
    """
    connection.execute("insert into core.installation_setting (code, value) values ('core.password_hash_cost', '4')")
    both = _user(connection, "INTERNAL", "both@prove.example")
    sides = [_side(connection, code, both) for code in ("OURS", "THEIRS")]
    for domain in DOMAINS:
        name = f"erpgres.prove.world.{domain}"
        if importlib.util.find_spec(name):
            for side in sides:
                try:
                    importlib.import_module(name).fill(side)
                except psycopg.Error as error:
                    raise CannotRun(
                        f"the proof's rows of {domain} cannot be made: {str(error).strip().splitlines()[0]}",
                        f"look at fill() in tools/erpgres/prove/world/{domain}.py",
                    ) from error
    return _people(connection, *sides)


def _user(connection: Connection, kind: str, email: str) -> str:
    row = connection.execute(
        "insert into core.app_user (email, name, kind) values (%s, %s, %s) returning id::text", [email, email, kind]
    ).fetchone()
    assert row is not None
    return str(row[0])


def _side(connection: Connection, code: str, both: str) -> Side:
    row = connection.execute("select core.create_organization(%s, %s, 'BD', 'USD')::text", [code, code]).fetchone()
    assert row is not None
    side = Side(connection, code, row[0], f"{connection.info.dbname}_{code.lower()}")
    mail = f"{code.lower()}@prove.example"
    for name in ("admin", "member", "unit"):
        side.users[name] = _user(connection, "INTERNAL", f"{name}.{mail}")
        _member(side, side.users[name])
    side.users["both"] = both
    _member(side, both)
    _role(side, "admin", administrator=True)
    side.units = [side.insert("org_units", kind="BRANCH", code=c, name=c)["id"] for c in ("OWN", "OTHER")]
    side.partners = [str(side.insert("partners", code=c, name=c)["id"]) for c in ("OWN", "OTHER")]
    # Each partner has two users: what is the partner's and what is a user's own are two things.
    own, other = side.partners
    for name, partner in (
        ("partner", own),
        ("colleague", own),
        ("other_partner", other),
        ("other_colleague", other),
    ):
        side.users[name] = _user(connection, "EXTERNAL", f"{name}.{mail}")
        _member(side, side.users[name], partner)
    _role(side, "unit", permissions=UNIT_PERMISSIONS, unit=side.units[0])
    for user in ("member", "admin"):
        side.key_id = str(
            side.background(
                "insert into core.api_key (org_id, user_id, name, prefix, key_hash, permissions, expires_at) values "
                "(%s, %s, 'Key', 'erk_prove', sha256(%s::bytea), %s, now() + interval '30 days') returning id",
                side.org_id,
                side.users[user],
                code + user,
                ["core.item.update"],
            )
        )
    return side


def _member(side: Side, user: str, partner: str | None = None) -> None:
    side.background(
        "insert into core.membership (org_id, user_id, kind, partner_id) values (%s, %s, %s, %s)",
        side.org_id,
        user,
        "EXTERNAL" if partner else "INTERNAL",
        partner,
    )


def _role(
    side: Side, user: str, *, permissions: tuple[str, ...] = (), unit: str | None = None, administrator: bool = False
) -> None:
    role = side.background(
        "insert into core.role (org_id, code, name, is_administrator) values (%s, %s, %s, %s) returning id",
        side.org_id,
        f"prove_{user}",
        f"Role {user}",
        administrator,
    )
    for permission in permissions:
        side.background(
            "insert into core.role_permission (org_id, role_id, permission) values (%s, %s, %s)",
            side.org_id,
            role,
            permission,
        )
    side.background(
        "insert into core.user_role (org_id, user_id, role_id, unit_id) values (%s, %s, %s, %s)",
        side.org_id,
        side.users[user],
        role,
        unit,
    )


def _claims(connection: Connection, role: str, user: str, side: Side | None, **more: str) -> dict[str, Any]:
    claims: dict[str, Any] = {"role": role, "sub": user, **({"org_id": side.org_id} if side else {}), **more}
    claims["sid"] = open_session(connection, claims, 300)
    if "api_key" in more:
        connection.execute("update core.session set api_key_id = %s where id = %s", [more["api_key"], claims["sid"]])
    return claims


def _people(connection: Connection, ours: Side, theirs: Side) -> World:
    root = _user(connection, "SUPER_ADMIN", "root@prove.example")

    def person(name: str, role: str, user: str, side: Side | None, says: str, **more: str) -> Principal:
        claims = _claims(connection, role, user, side, **more)
        return Principal(
            name, role, "authenticator", claims, user, side.org_id if side else None, more.get("partner_id"), says
        )

    callers = [
        Principal("anonymous", "anon", "authenticator", None, says="no token"),
        person("admin", "member", ours.users["admin"], ours, "administrator of the organisation"),
        person("member", "member", ours.users["member"], ours, "member without any permission"),
        person("unit", "member", ours.users["unit"], ours, f"holds {', '.join(UNIT_PERMISSIONS)} in one unit only"),
        person(
            "api_key",
            "member",
            ours.users["admin"],
            ours,
            "the administrator's key for core.item.update",
            api_key=ours.key_id,
        ),
        person("two_orgs", "member", ours.users["both"], ours, "member of both organisations, acting in the first"),
        person(
            "partner", "partner", ours.users["partner"], ours, "EXTERNAL user of a partner", partner_id=ours.partners[0]
        ),
        person("superadmin", "superadmin", root, None, "SUPER_ADMIN in no organisation"),
        person("superadmin_in_org", "superadmin", root, ours, "SUPER_ADMIN acting in the first organisation"),
    ]
    strangers = [
        person("other_admin", "member", theirs.users["admin"], theirs, "administrator of the other organisation"),
        person(
            "other_partner",
            "partner",
            ours.users["other_partner"],
            ours,
            "EXTERNAL user of another partner",
            partner_id=ours.partners[1],
        ),
        person(
            "their_partner",
            "partner",
            theirs.users["partner"],
            theirs,
            "EXTERNAL user of the other organisation",
            partner_id=theirs.partners[0],
        ),
    ]
    by_name = {p.name: p for p in callers}
    good = dict(by_name["admin"].claims or {})
    revoked = _claims(connection, "member", ours.users["admin"], ours)
    connection.execute(
        "update core.session set revoked_at = now(), revoked_because = 'REVOKED' where id = %s", [revoked["sid"]]
    )
    gone = _user(connection, "INTERNAL", "gone@prove.example")
    _member(ours, gone)
    inactive = _claims(connection, "member", gone, ours)
    connection.execute("update core.app_user set is_active = false where id = %s", [gone])
    mismatched = {
        "revoked": (revoked, "its session was revoked"),
        "no_session": ({k: v for k, v in good.items() if k != "sid"}, "names no session"),
        "session_of_another": ({**good, "sid": (by_name["member"].claims or {})["sid"]}, "session of somebody else"),
        "role_of_another_kind": ({**good, "role": "superadmin"}, "signed, but the user is no SUPER_ADMIN"),
        "other_organization": ({**good, "org_id": theirs.org_id}, "signed, but the user is no member there"),
        "other_partner": (
            {**(by_name["partner"].claims or {}), "partner_id": ours.partners[1]},
            "signed, but of another partner",
        ),
        "no_organization": ({k: v for k, v in good.items() if k != "org_id"}, "a member without an organisation"),
        "unknown_user": ({**good, "sub": str(uuid.uuid4())}, "a user who does not exist"),
        "inactive_user": (inactive, "a user who was disabled"),
        "database_role": ({**good, "role": "owner"}, "names a database role that no token may name"),
        "not_an_id": ({**good, "org_id": "x"}, "an organisation that is no id"),
    }
    return World(ours, theirs, callers, strangers, _sessions(by_name, ours, theirs), good, mismatched)


def _sessions(by_name: dict[str, Principal], ours: Side, theirs: Side) -> list[Principal]:
    """Database sessions that are not a request: background roles, analysts, and definer functions run as `owner`."""
    # Who has SQL of his own can set any claim; only PostgREST's and the tools' logins are believed.
    forged = {"role": "superadmin", "sub": theirs.users["admin"], "org_id": theirs.org_id}
    found = [
        Principal(role, role, role, forged, says=f"the login {role}, with claims that it made up")
        for role in ("relay", "worker", "monitor")
    ]
    found.append(Principal("migrator", "migrator", "migrator", None, says="the login of the tools"))
    told = "an analyst's login, with claims that he made up"
    found.append(Principal("analyst", "analyst", ours.analyst, forged, org_id=ours.org_id, says=told))
    for name in ("anonymous", "admin", "member", "two_orgs", "partner", "superadmin", "superadmin_in_org"):
        caller = by_name[name]
        claims = caller.claims or {"role": "anon"}
        found.append(
            Principal(
                f"owner:{name}",
                "owner",
                "migrator",
                claims,
                caller.user_id,
                caller.org_id,
                caller.partner_id,
                f"what a SECURITY DEFINER function reaches for {name}",
            )
        )
    both = by_name["two_orgs"].user_id
    found.append(
        Principal("owner:user", "owner", "migrator", {"sub": both}, both, says="a user without an organisation")
    )
    found.append(Principal("owner", "owner", "migrator", None, says="owner without claims"))
    # A role that no policy is for, with everybody's claims: would see what a policy for the wrong role lets through.
    for caller in [*by_name.values(), *(p for p in found if p.name == "owner:user")]:
        claims = caller.claims or {"role": "anon"}
        found.append(
            Principal(
                f"bystander:{caller.name}",
                "anon",
                "authenticator",
                claims,
                caller.user_id,
                caller.org_id,
                caller.partner_id,
                f"a role without policies, with the claims of {caller.name}",
            )
        )
    return found


@contextmanager
def logins(connection: Connection, world: World) -> Iterator[None]:
    """Have the analysts' logins inside this transaction, which must be rolled back: roles are the cluster's."""
    for side in (world.ours, world.theirs):
        connection.execute(sql.SQL("create role {} login in role analyst").format(sql.Identifier(side.analyst)))
    yield
