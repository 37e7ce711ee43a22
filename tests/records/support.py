"""What the tests of the records share: two units with people in every role, shelves, short ways to requests."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import httpx
import psycopg

from erpgres.tokens import sign
from erpgres.verify import read

Connection = psycopg.Connection[Any]
ROLES = ("manager", "approver", "store", "unit_admin", "viewer", "admin")
TEMPLATES = {
    "manager": "records_document_manager", "approver": "records_approver", "store": "records_store_head",
    "unit_admin": "records_unit_admin", "viewer": "records_viewer", "admin": "administrator",
}  # fmt: skip
REASON = "Please say which year the vouchers are of"


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that a call was refused with this status and code; returns the details."""
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    details = response.json().get("details")
    return json.loads(details) if isinstance(details, str) and details.startswith("{") else {}


def in_days(days: int) -> str:
    return str(date.today() + timedelta(days=days))


@dataclass
class World:
    """An organisation with two units (U1 with HR and its section PAY, U2 with FIN) and a store; clients by role."""

    org: Any
    api: Any
    db: Connection
    units: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    users: dict[tuple[str, str], uuid.UUID] = field(default_factory=dict)
    clients: dict[tuple[str, str], httpx.Client] = field(default_factory=dict)

    def one(self, query: str, *values: Any) -> Any:
        row = self.db.execute(query, values).fetchone()  # type: ignore[call-overload]
        return row and row[0]

    def make(self) -> World:
        for code, kind, parent in (
            ("U1", "UNIT", None), ("HR", "DEPARTMENT", "U1"), ("PAY", "SECTION", "HR"),
            ("U2", "UNIT", None), ("FIN", "DEPARTMENT", "U2"), ("CS", "CENTRAL", None),
        ):  # fmt: skip
            self.units[code] = str(
                self.one(
                    "insert into core.org_unit (org_id, parent_id, kind, code, name) values (%s, %s, %s, %s, %s)"
                    " returning id",
                    self.org.id, self.units.get(parent or ""), kind, code, code,
                )
            )  # fmt: skip
        for code, kind, parent, unit, capacity in (
            ("ROOM1", "ROOM", None, "U1", None), ("R1", "RACK", "ROOM1", None, None),
            ("A", "COMPARTMENT", "R1", None, None), ("S1", "SHELF", "A", None, 20), ("S2", "SHELF", "A", None, 1),
            ("ROOM2", "ROOM", None, "U2", None), ("R2", "RACK", "ROOM2", None, 20),
            ("ROOMC", "ROOM", None, "CS", None), ("ROOMX", "ROOM", None, None, None),
        ):  # fmt: skip
            self.places[code] = str(
                self.one(
                    "insert into core.location (org_id, parent_id, kind, code, name, unit_id, capacity, capacity_unit)"
                    " values (%s, %s, %s, %s, %s, %s, %s, %s) returning id",
                    self.org.id, self.places.get(parent or ""), kind, code, code, self.units.get(unit or ""), capacity,
                    "XCR" if capacity else None,
                )
            )  # fmt: skip
        self.needs_signature(False)
        return self

    def needs_signature(self, is_needed: bool) -> None:
        """Whether an approver signs: the policy that every organisation begins with asks for it."""
        self.db.execute(
            "update core.approval_policy set needs_signature = %s where org_id = %s and entity = 'records_request'",
            [is_needed, self.org.id],
        )

    def user(self, role: str, unit: str = "U1") -> uuid.UUID:
        """The user who holds a role in a unit (the administrator everywhere)."""
        if (role, unit) not in self.users:
            user_id = self.org.user()
            self.db.execute(
                "insert into core.user_role (org_id, user_id, role_id, unit_id)"
                " select org_id, %s, id, %s from core.role where org_id = %s and code = %s",
                [user_id, None if role == "admin" else self.units[unit], self.org.id, TEMPLATES[role]],
            )
            self.users[role, unit] = user_id
        return self.users[role, unit]

    def token(self, role: str, unit: str = "U1") -> str:
        return sign(self.org.claims(self.user(role, unit)), self.org.stack.secret("jwt.key"))

    def client(self, role: str, unit: str = "U1") -> httpx.Client:
        if (role, unit) not in self.clients:
            self.clients[role, unit] = self.api(self.token(role, unit))
        return self.clients[role, unit]

    def call(self, function: str, role: str, unit: str = "U1", /, **arguments: Any) -> httpx.Response:
        return self.client(role, unit).post(f"rpc/records_{function}", json=arguments)

    def done(self, function: str, role: str, unit: str = "U1", /, **arguments: Any) -> Any:
        response = self.call(function, role, unit, **arguments)
        assert response.status_code == 200, response.text
        return response.json()

    def rows(self, view: str, role: str = "viewer", unit: str = "U1", /, **query: str) -> list[dict[str, Any]]:
        response = self.client(role, unit).get(f"records_{view}", params={"limit": "100", **query})
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()
        return found

    def row(self, view: str, row_id: str, role: str = "admin") -> dict[str, Any]:
        (found,) = self.rows(view, role, id=f"eq.{row_id}")
        return found

    def found(self, q: str, role: str = "viewer", unit: str = "U1", /, **more: Any) -> list[dict[str, Any]]:
        """What the search of everything gives somebody."""
        response = self.client(role, unit).post("rpc/search", json={"q": q, **more})
        assert response.status_code == 200, response.text
        hits: list[dict[str, Any]] = response.json()
        return hits

    # The steps of a request, each by whom it belongs to.

    def document(self, **columns: Any) -> dict[str, Any]:
        """A new document as a storage request takes it."""
        return {"document_number": f"D-{uuid.uuid4().hex[:10]}", "name": "Vouchers", **columns}

    def storage(self, documents: int | list[Any] = 2, unit: str = "HR", /, **more: Any) -> dict[str, Any]:
        wanted = [self.document() for _ in range(documents)] if isinstance(documents, int) else documents
        arguments = {"unit_id": self.units[unit], "documents": wanted, "is_permanent": "destruction_on" not in more}
        made: dict[str, Any] = self.done("storage_request", "manager", **{**arguments, **more})
        return made

    def approve(self, request: dict[str, Any], unit: str = "U1") -> dict[str, Any]:
        done: dict[str, Any] = self.done("request_approve", "approver", unit, id=request["id"])
        return done

    def stored(self, documents: int | list[Any] = 2, place: str = "S1", **more: Any) -> dict[str, Any]:
        """A crate that lies in a place."""
        request = self.approve(self.storage(documents, **more))
        self.done("storage_allocate", "store", id=request["id"], location_id=self.places[place])
        return self.row("crates", request["crate_id"])

    def contents(self, crate: dict[str, Any]) -> list[str]:
        rows = self.rows("crate_documents", "admin", crate_id=f"eq.{crate['id']}", removed_at="is.null", order="id")
        return [row["document_id"] for row in rows]

    def withdrawal(self, crate: dict[str, Any], /, **more: Any) -> dict[str, Any]:
        arguments = {"crate_id": crate["id"], "purpose": "Audit", "expected_return_on": in_days(7), **more}
        made: dict[str, Any] = self.done("withdrawal_request", "manager", **arguments)
        return made

    def issued(self, crate: dict[str, Any], /, **more: Any) -> dict[str, Any]:
        request = self.approve(self.withdrawal(crate, **more))
        done: dict[str, Any] = self.done(
            "withdrawal_issue", "store", id=request["id"], to_user_id=str(self.user("manager"))
        )
        return done

    def transfer(self, crate: dict[str, Any], /, **more: Any) -> dict[str, Any]:
        arguments = {"crate_id": crate["id"], "target_unit_id": self.units["FIN"], "purpose": "Moves", **more}
        made: dict[str, Any] = self.done("transfer_request", "manager", **arguments)
        return made


def violations(db: Connection, org_id: Any = None) -> dict[str, int]:
    """The invariants of the records that do not hold and by how many rows, in one organisation or in all."""
    found = {}
    for invariant in read(["records"]):
        query = invariant.query.replace("%", "%%")
        row = db.execute(
            f"select count(*) from ({query}) as i where %(org)s::uuid is null or i.org_id = %(org)s",  # type: ignore[arg-type]
            {"org": org_id},
        ).fetchone()
        assert row is not None
        if row[0]:
            found[invariant.name] = int(row[0])
    return found
