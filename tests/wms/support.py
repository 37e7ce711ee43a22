"""What the tests of the warehouse share: an organisation with two warehouses, items, and short ways to move stock."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
from psycopg import sql

from erpgres.verify import read

Connection = psycopg.Connection[Any]


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that a call was refused with this status and code; returns the details."""
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    details = response.json().get("details")
    return json.loads(details) if isinstance(details, str) and details.startswith("{") else {}


@dataclass
class Warehouse:
    """A warehouse of the test's organisation and its positions by code."""

    id: str
    positions: dict[str, str]

    @property
    def receiving(self) -> str:
        return self.positions["RECEIVING"]

    @property
    def storage(self) -> str:
        return self.positions["STORAGE"]


@dataclass
class World:
    """An organisation, a client of its administrator, and what its tests move about."""

    org: Any
    client: httpx.Client
    db: Connection
    warehouses: list[Warehouse] = field(default_factory=list)

    def call(self, function: str, client: httpx.Client | None = None, **arguments: Any) -> httpx.Response:
        return (client or self.client).post(f"rpc/{function}", json=arguments)

    def done(self, function: str, client: httpx.Client | None = None, **arguments: Any) -> Any:
        response = self.call(function, client, **arguments)
        assert response.status_code == 200, response.text
        return response.json()

    def warehouse(self, code: str) -> Warehouse:
        row = self.done("wms_warehouse_create", code=code, name=f"Warehouse {code}")
        rows = self.rows("wms_positions", warehouse_id=f"eq.{row['id']}")
        made = Warehouse(row["id"], {p["code"]: p["id"] for p in rows})
        self.warehouses.append(made)
        return made

    def rows(self, view: str, **query: str) -> list[dict[str, Any]]:
        response = self.client.get(view, params={"limit": "100", **query})
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()
        return found

    def item(self, **columns: Any) -> str:
        """Make an item; columns other than the defaults by name."""
        values = {
            "org_id": self.org.id, "sku": f"SKU-{uuid.uuid4().hex[:10]}", "name": "Thing", "class": "GOODS",
            "tracking": "NONE", "unit_code": "C62", **columns,
        }  # fmt: skip
        names = ", ".join(values)
        row = self.db.execute(
            f"insert into core.item ({names}) values ({', '.join(['%s'] * len(values))}) returning id",  # type: ignore[arg-type]
            list(values.values()),
        ).fetchone()
        assert row is not None
        return str(row[0])

    def partner(self, **columns: Any) -> str:
        row = self.db.execute(
            "insert into core.partner (org_id, code, name) values (%s, %s, 'Partner') returning id",
            [self.org.id, uuid.uuid4().hex[:10]],
        ).fetchone()
        assert row is not None
        return str(row[0])

    def lot(self, item_id: str, lot_no: str = "L1") -> str:
        response = self.client.post(
            "wms_lots", json={"item_id": item_id, "lot_no": lot_no}, headers={"Prefer": "return=representation"}
        )
        assert response.status_code == 201, response.text
        return str(response.json()[0]["id"])

    def draft(self, kind: str, *lines: dict[str, Any], **header: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.done("wms_document_create", document_type=kind, lines=list(lines), **header)
        return made

    def posted(self, kind: str, *lines: dict[str, Any], **header: Any) -> dict[str, Any]:
        done: dict[str, Any] = self.done("wms_document_post", id=self.draft(kind, *lines, **header)["id"])
        return done

    def stock(self, **query: str) -> dict[tuple[str, str], float]:
        """What lies where: {(item, place): quantity}, without empty balances."""
        rows = self.rows("wms_stock", quantity="gt.0", **query)
        return {(r["item_id"], r["location_id"]): float(r["quantity"]) for r in rows}


def violations(connection: Connection, org_id: Any = None) -> dict[str, int]:
    """Run the invariants of the warehouse; returns how many rows each finds, without those that find none."""
    found = {}
    for invariant in read(["wms"]):
        query = str(invariant.query).rstrip().rstrip(";")
        row = connection.execute(
            f"select count(*) from ({query}) as i where %(org)s::uuid is null or i.org_id = %(org)s",  # type: ignore[arg-type]
            {"org": org_id},
        ).fetchone()
        assert row is not None
        if row[0]:
            found[invariant.name] = int(row[0])
    return found


def own(superuser: Connection) -> None:
    """Give a clone to `owner`, as the database that it was made from: it belongs to whoever cloned it."""
    superuser.execute(sql.SQL("alter database {} owner to owner").format(sql.Identifier(superuser.info.dbname)))
