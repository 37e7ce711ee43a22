"""Making an organisation ready for its first user: what `erpgres setup` does."""

from __future__ import annotations

import json
import secrets
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import errors

from erpgres.errors import CannotRun, Refused

Connection = psycopg.Connection[Any]
Progress = Callable[[str], None]

ADMINISTRATOR = "administrator"

# Sample units and places: (key, parent's key, kind, code, name). They show the shape; an organisation renames them.
UNITS = [
    ("head", None, "BRANCH", "HO", "Head office"),
    ("admin", "head", "DEPARTMENT", "ADM", "Administration"),
    ("records", "admin", "SECTION", "REC", "Records"),
    ("unit", None, "UNIT", "U1", "Unit 1"),
    ("stores", "unit", "DEPARTMENT", "STO", "Stores"),
    ("central", None, "CENTRAL", "CS", "Central storage"),
]
PLACES = [
    ("site", None, "SITE", "SITE1", "Site 1"),
    ("warehouse", "site", "WAREHOUSE", "WH1", "Warehouse 1"),
    ("receiving", "warehouse", "RECEIVING", "RECEIVING", "Receiving"),
    ("storage", "warehouse", "STORAGE", "STORAGE", "Storage"),
    ("shipping", "warehouse", "SHIPPING", "SHIPPING", "Shipping"),
    ("unassigned", "warehouse", "UNASSIGNED", "UNASSIGNED", "Unassigned"),
    ("room", "site", "ROOM", "ROOM1", "Record room 1"),
    ("rack1", "room", "RACK", "RACK1", "Rack 1"),
    ("compartment1", "rack1", "COMPARTMENT", "A", "Compartment A"),
    ("shelf1", "compartment1", "SHELF", "1", "Shelf 1"),
    ("shelf2", "compartment1", "SHELF", "2", "Shelf 2"),
    ("rack2", "room", "RACK", "RACK2", "Rack 2"),
    ("compartment2", "rack2", "COMPARTMENT", "A", "Compartment A"),
    ("shelf3", "compartment2", "SHELF", "1", "Shelf 1"),
]


@dataclass(frozen=True)
class Asked:
    """The organisation and its first administrator; country and currency are ISO codes, time_zone an IANA name."""

    code: str
    name: str
    country: str
    currency: str
    admin_email: str
    admin_name: str = "Administrator"
    time_zone: str = "UTC"


@dataclass
class Report:
    """What a run added and what was there; `password` is set only when this run made it, and is kept nowhere."""

    organization: str
    administrator: str
    organization_id: str = ""
    administrator_id: str = ""
    password: str | None = None
    added: dict[str, int] = field(default_factory=dict)
    there: dict[str, int] = field(default_factory=dict)


def generate_password() -> str:
    """Return a random password (115 bits) of 24 characters with small and capital letters, digits and dashes."""
    alphabet = string.ascii_letters + string.digits
    while True:
        word = "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(5))
        if all(
            any(c in kind for c in word) for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits)
        ):
            return word


def setup(dsn: str, asked: Asked, progress: Progress) -> Report:
    """Make the organisation, its roles, sample units and places, and its first administrator, all or nothing.

    What is there is left as it is: another run adds what is missing and changes nothing else. `dsn` is a connection as
    migrator. Raises Refused for data that the database refuses or a user who cannot be an administrator.
    """
    report = Report(asked.code, asked.admin_email)
    try:
        with psycopg.connect(dsn, connect_timeout=10) as connection:
            _Setup(connection, asked, report, progress).run()
    except (errors.UndefinedTable, errors.UndefinedFunction, errors.InvalidSchemaName) as error:
        raise CannotRun(f"the database is not migrated: {error.diag.message_primary}", "`erpgres migrate`") from error
    except psycopg.OperationalError as error:
        raise CannotRun(f"the database does not answer: {error}", "is it running? `erpgres status` tells") from error
    except psycopg.Error as error:
        raise Refused(_reason(error)) from error
    return report


def _reason(error: psycopg.Error) -> str:
    message = error.diag.message_primary or str(error)
    try:
        return str(json.loads(message)["message"])  # core.raise_error words its message as JSON
    except (ValueError, KeyError, TypeError):
        return message


class _Setup:
    def __init__(self, connection: Connection, asked: Asked, report: Report, progress: Progress) -> None:
        self.connection = connection
        self.asked = asked
        self.report = report
        self.progress = progress
        self.org_id = uuid.UUID(int=0)

    def run(self) -> None:
        # Two runs at once: the second waits, and finds what the first made.
        self.connection.execute(
            "select pg_advisory_xact_lock(hashtextextended('erpgres setup ' || %s, 0))", [self.asked.code]
        )
        self._organization()
        self._roles()
        self._tree("org_unit", "units", UNITS, "true")
        self._tree("location", "places", PLACES, "not is_virtual")
        self._administrator()

    def _organization(self) -> None:
        found = self._value("select id from core.organization where code = %s", self.asked.code)
        if found is None:
            a = self.asked
            found = self._value(
                "select core.create_organization(%s, %s, %s, %s, %s)",
                a.code,
                a.name,
                a.country,
                a.currency,
                a.time_zone,
            )
            self._tell("organisations", added=1)
        else:
            self._tell("organisations", there=1)
        self.org_id = found
        self.report.organization_id = str(found)
        # What the functions called below read and write is bound to the organisation of the claims.
        self.connection.execute(
            "select set_config('request.jwt.claims', %s, true)", [json.dumps({"org_id": str(found)})]
        )

    def _roles(self) -> None:
        created = self.report.added.get("organisations", 0)
        count = "select count(*) from core.role where org_id = %s and template is not null"
        before = 0 if created else self._value(count, self.org_id)
        if not created:  # a later version may have brought templates
            self.connection.execute(
                "select core.reset_roles(%(org)s, t.code) from core.role_template as t where not exists "
                "(select from core.role as r where r.org_id = %(org)s and r.template = t.code)",
                {"org": self.org_id},
            )
        self._tell("roles", added=self._value(count, self.org_id) - before, there=before)

    def _tree(self, table: str, label: str, rows: list[tuple[str, str | None, str, str, str]], own: str) -> None:
        there = self._value(f"select count(*) from core.{table} where org_id = %s and {own}", self.org_id)
        if there:
            self._tell(label, there=there)
            return
        ids: dict[str, uuid.UUID] = {}
        for key, parent, kind, code, name in rows:
            ids[key] = self._value(
                f"insert into core.{table} (org_id, parent_id, kind, code, name) "
                "values (%s, %s, %s, %s, %s) returning id",
                self.org_id, ids[parent] if parent else None, kind, code, name,
            )  # fmt: skip
        self._tell(label, added=len(rows))

    def _administrator(self) -> None:
        email = self.asked.admin_email
        found = self.connection.execute(
            "select id, kind, is_active from core.app_user where lower(email) = lower(%s)", [email]
        ).fetchone()
        if found is None:
            user_id = self._value(
                "insert into core.app_user (email, name, kind) values (%s, %s, 'INTERNAL') returning id",
                email, self.asked.admin_name,
            )  # fmt: skip
            self._tell("users", added=1)
        else:
            user_id, kind, is_active = found
            if kind != "INTERNAL" or not is_active:
                state = f"is {kind}" if kind != "INTERNAL" else "is not active"
                raise Refused(f"{email} {state} and cannot be the administrator", "name another with --admin-email")
            self._tell("users", there=1)
        self.report.administrator_id = str(user_id)
        self.connection.execute(
            "insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL') on conflict do nothing",
            [self.org_id, user_id],
        )
        self.connection.execute(
            "insert into core.user_role (org_id, user_id, role_id) select org_id, %s, id from core.role "
            "where org_id = %s and template = %s on conflict do nothing",
            [user_id, self.org_id, ADMINISTRATOR],
        )
        if self._value("select not exists (select from core.credential where user_id = %s)", user_id):
            password = generate_password()
            self.connection.execute("select core.set_password(%s, %s)", [user_id, password])
            self.report.password = password
            self._tell("passwords", added=1)
        else:
            self._tell("passwords", there=1)

    def _tell(self, label: str, *, added: int = 0, there: int = 0) -> None:
        if added:
            self.report.added[label] = added
        if there:
            self.report.there[label] = there
        parts = [f"{count} {word}" for count, word in ((added, "added"), (there, "there already")) if count]
        self.progress(f"{label}: {', '.join(parts) or 'none'}")

    def _value(self, query: str, *values: Any) -> Any:
        row = self.connection.execute(query, values).fetchone()
        return row[0] if row else None
