"""The example data: a small garment group, loaded through the same functions and rules that users meet."""

from __future__ import annotations

import hashlib
import json
import tomllib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import scalar_row

from erpgres.errors import Refused

GARMENT_GROUP = Path(__file__).with_name("garment_group.toml")
BORN = datetime(2026, 1, 5, tzinfo=UTC)  # the moment that the ids of the example data carry

Connection = psycopg.Connection[Any]


@dataclass
class Seeded:
    """How many rows of each kind a run added."""

    added: dict[str, int] = field(default_factory=dict)

    def count(self, kind: str, rows: int) -> None:
        """Add to the count of a kind."""
        self.added[kind] = self.added.get(kind, 0) + rows


def identifier(*names: str, hours: int = 0) -> uuid.UUID:
    """Return a version 7 UUID that is always the same for the same names.

    Its time is `hours` after BORN, its random part comes from a hash of the names.
    """
    digest = int.from_bytes(hashlib.sha256("\x1f".join(names).encode()).digest()[:10])
    milliseconds = int(BORN.timestamp() + hours * 3600) * 1000
    value = milliseconds << 80 | 0x7 << 76 | (digest >> 68 & 0xFFF) << 64 | 0b10 << 62 | digest & ((1 << 62) - 1)
    return uuid.UUID(int=value)


def seed(dsn: str, source: Path = GARMENT_GROUP) -> Seeded:
    """Load the example organisations; what is there already is left as it is.

    `dsn` is a connection as migrator. Raises Refused when an organisation of the same code holds other data.
    """
    seeded = Seeded()
    with source.open("rb") as file:
        organizations = tomllib.load(file)["organization"]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("select ops.create_partition(p.table_name, %s) from ops.partition_policy as p", [BORN])
        for organization in organizations:
            with connection.transaction():
                _Organization(connection, organization, seeded).load()
    return seeded


class _Organization:
    """One organisation of the source, on its way into the database."""

    def __init__(self, connection: Connection, source: dict[str, Any], seeded: Seeded) -> None:
        self.connection = connection
        self.source = source
        self.seeded = seeded
        self.code: str = source["code"]
        self.id = self._existing() or self._create()

    def load(self) -> None:
        for partner in self.source.get("partner", []):
            self._partner(partner)
        for user in self.source.get("user", []):
            self._user(user)
        for item in self.source.get("item", []):
            self._item(item)
        for conversion in self.source.get("conversion", []):
            self._conversion(conversion)
        with self._as_administrator():
            for warehouse in self.source.get("warehouse", []):
                self._warehouse(warehouse)
            for number, document in enumerate(self.source.get("document", []), start=1):
                self._document(number, document)

    def _existing(self) -> uuid.UUID | None:
        found: uuid.UUID | None = self._scalar("select id from core.organization where code = %s", self.code)
        partners = [self._id("partner", partner["code"]) for partner in self.source["partner"]]
        known = "select exists (select from core.partner where org_id = %s and id = any(%s))"
        if found and not self._scalar(known, found, partners):
            raise Refused(f"there is an organisation {self.code} that is not the example's", "seed an empty database")
        return found

    def _create(self) -> uuid.UUID:
        created: uuid.UUID = self._scalar(
            "select core.create_organization(%(code)s, %(name)s, %(country)s, %(currency)s, %(time_zone)s)",
            **{k: self.source[k] for k in ("code", "name", "country", "currency", "time_zone")},
        )
        self.connection.execute(
            "update core.organization set legal_name = %s where id = %s", [self.source["legal_name"], created]
        )
        self.seeded.count("organisations", 1)
        return created

    def _partner(self, partner: dict[str, Any]) -> None:
        partner_id = self._id("partner", partner["code"])
        columns = {k: partner.get(k) for k in ("code", "name", "currency", "credit_limit")}
        self._insert("partner", "partners", id=partner_id, country_code=partner["country"], **columns)
        for role in partner["roles"]:
            self._insert("partner_role", "partner roles", partner_id=partner_id, role=role)
        contact = self._id("contact", partner["code"])
        self._insert("contact", "contacts", id=contact, partner_id=partner_id, is_primary=True, **partner["contact"])
        address = {**partner["address"]}
        address["country_code"] = address.pop("country")
        self._insert("address", "addresses", id=self._id("address", partner["code"]), partner_id=partner_id, **address)

    def _user(self, user: dict[str, Any]) -> None:
        user_id = identifier("user", user["email"])
        kind = "EXTERNAL" if "partner" in user else "INTERNAL"
        partner_id = self._id("partner", user["partner"]) if "partner" in user else None
        added = self.connection.execute(
            "insert into core.app_user (id, email, name, kind) values (%s, %s, %s, %s) on conflict do nothing",
            [user_id, user["email"], user["name"], kind],
        )
        self.seeded.count("users", added.rowcount)
        self._insert("membership", "memberships", user_id=user_id, kind=kind, partner_id=partner_id)
        if "role" in user:
            role_id = self._scalar("select id from core.role where org_id = %s and code = %s", self.id, user["role"])
            self._insert(
                "user_role", "user roles", id=self._id("user_role", user["email"]), user_id=user_id, role_id=role_id
            )

    def _item(self, item: dict[str, Any]) -> None:
        item_id = self._id("item", item["sku"])
        columns = {k: item[k] for k in ("sku", "name", "class", "price")}
        self._insert(
            "item", "items", id=item_id, unit_code=item["unit"], tracking=item.get("tracking", "NONE"),
            currency=self.source["currency"], **columns,
        )  # fmt: skip
        if "barcode" in item:
            self._insert("item_barcode", "barcodes", barcode=item["barcode"], item_id=item_id, unit_code=item["unit"])

    def _conversion(self, conversion: dict[str, Any]) -> None:
        self._insert(
            "unit_conversion", "unit conversions",
            id=self._id("conversion", conversion["item"], conversion["from"], conversion["to"]),
            item_id=self._id("item", conversion["item"]), from_unit=conversion["from"], to_unit=conversion["to"],
            factor_numerator=conversion["factor"],
        )  # fmt: skip

    def _warehouse(self, warehouse: dict[str, Any]) -> None:
        if self._warehouse_id(warehouse["code"]) is None:
            self._scalar("select id from api.wms_warehouse_create(%s, %s)", warehouse["code"], warehouse["name"])
            self.seeded.count("warehouses", 1)

    def _document(self, number: int, document: dict[str, Any]) -> None:
        document_id = self._id("document", str(number), hours=number)
        if self._scalar("select exists (select from api.wms_documents where id = %s)", document_id):
            return
        lines = [self._line(document, line) for line in document["lines"]]
        partner = document.get("partner")
        self._scalar(
            """
            select id from api.wms_document_create(
              document_type => %(type)s, from_location_id => %(from)s, to_location_id => %(to)s,
              partner_id => %(partner)s, reference => %(reference)s, lines => %(lines)s, id => %(id)s
            )
            """,
            **{
                "type": document["type"],
                "from": self._warehouse_id(document.get("from")),
                "to": self._warehouse_id(document.get("to")),
                "partner": self._id("partner", partner) if partner else None,
                "reference": document["reference"],
                "lines": json.dumps(lines),
                "id": document_id,
            },
        )
        if document["post"]:
            self._scalar("select id from api.wms_document_post(%s)", document_id)
        self.seeded.count("documents", 1)
        self.seeded.count("document lines", len(lines))

    def _line(self, document: dict[str, Any], line: dict[str, Any]) -> dict[str, Any]:
        item_id = self._id("item", line["item"])
        value = {"item_id": str(item_id), "quantity": line["quantity"], "unit_price": line.get("price")}
        if "lot" in line:
            lot_id = self._id("lot", line["item"], line["lot"])
            self.connection.execute(
                "insert into api.wms_lots (id, item_id, lot_no) select %s, %s, %s"
                " where not exists (select from api.wms_lots where id = %s)",
                [lot_id, item_id, line["lot"], lot_id],
            )
            value["lot_id"] = str(lot_id)
        for side in ("from", "to"):
            if side in document:
                value[f"{side}_position_id"] = str(self._storage_id(document[side]))
        return value

    def _warehouse_id(self, code: str | None) -> uuid.UUID | None:
        found: uuid.UUID | None = self._scalar(
            "select id from core.location where org_id = %s and parent_id is null and code = %s", self.id, code
        )
        return found

    def _storage_id(self, warehouse: str) -> uuid.UUID:
        found: uuid.UUID = self._scalar(
            "select id from core.location where org_id = %s and parent_id = %s and kind = 'STORAGE'"
            " order by id limit 1",
            self.id,
            self._warehouse_id(warehouse),
        )
        return found

    @contextmanager
    def _as_administrator(self) -> Iterator[None]:
        """Act as the first user of the source, as PostgREST would: under its role, with its claims."""
        user_id = identifier("user", self.source["user"][0]["email"])
        claims = {"role": "member", "sub": str(user_id), "org_id": str(self.id)}
        self.connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
        self.connection.execute("set local role member")
        yield
        self.connection.execute("reset role")
        self.connection.execute("select set_config('request.jwt.claims', '', true)")

    def _id(self, *names: str, hours: int = 0) -> uuid.UUID:
        return identifier(self.code, *names, hours=hours)

    def _insert(self, table: str, label: str, /, **values: Any) -> None:
        values = {"org_id": self.id, **values}
        statement = sql.SQL("insert into core.{} ({}) values ({}) on conflict do nothing").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        )
        self.seeded.count(label, self.connection.execute(statement, list(values.values())).rowcount)

    def _scalar(self, query: str, *values: Any, **named: Any) -> Any:
        with self.connection.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(query, named or values).fetchone()
