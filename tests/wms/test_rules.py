"""What nobody may do: change the ledger, write stock past the functions, look into another organisation or partner."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

from wms.support import Warehouse, World, refused

VIEWS = [
    "wms_warehouses",
    "wms_positions",
    "wms_lots",
    "wms_documents",
    "wms_document_lines",
    "wms_ledger",
    "wms_stock",
]


@pytest.fixture
def moved(world: World, one: Warehouse) -> dict[str, Any]:
    """A posted import of three of an item."""
    return world.posted(
        "IMPORT", {"item_id": world.item(), "quantity": 3}, to_location_id=one.id, partner_id=world.partner()
    )


@pytest.mark.parametrize(
    "statement",
    [
        "update wms.stock_ledger set delta = delta * 2",
        "delete from wms.stock_ledger",
        "delete from wms.stock_ledger where false",
        "truncate wms.stock_ledger",
        "truncate wms.document cascade",
    ],
)
def test_the_ledger_is_immutable_for_the_owner_too(world: World, moved: Any, statement: str) -> None:
    world.db.execute("set role owner")
    with pytest.raises(psycopg.Error) as refusal:
        world.db.execute(statement)  # type: ignore[call-overload]
    assert "wms.ledger_immutable" in str(refusal.value)
    world.db.execute("reset role")
    assert len(world.rows("wms_ledger")) == 2


def test_rows_of_a_partition_are_immutable_too(world: World, moved: Any, stack: Any) -> None:
    row = world.db.execute("select tableoid::regclass::text from wms.stock_ledger limit 1").fetchone()
    assert row is not None
    with psycopg.connect(stack.dsn("postgres", world.db.info.dbname)) as superuser:
        for statement in (f"update {row[0]} set delta = 1", f"delete from {row[0]}", f"truncate {row[0]}"):
            with pytest.raises(psycopg.Error) as refusal:
                superuser.execute(statement)  # type: ignore[call-overload]
            assert "wms.ledger_immutable" in str(refusal.value)
            superuser.rollback()


@pytest.mark.parametrize(
    ("role", "table"), [("migrator", "stock_ledger"), ("member", "stock_ledger"), ("member", "balance")]
)
def test_nobody_has_the_right_to_write(world: World, moved: Any, role: str, table: str) -> None:
    for privilege in ("update", "delete", "truncate"):
        row = world.db.execute("select has_table_privilege(%s, %s, %s)", [role, f"wms.{table}", privilege]).fetchone()
        assert row == (False,)


@pytest.mark.parametrize(
    ("view", "values"),
    [
        ("wms_stock", {"quantity": 9}),
        ("wms_stock", {"reserved": 1}),
        ("wms_ledger", {"delta": 9}),
        ("wms_documents", {"status": "DRAFT"}),
        ("wms_documents", {"number": "X"}),
        ("wms_documents", {"total": 1}),
        ("wms_document_lines", {"quantity": 9}),
        ("wms_lots", {"status": "RECALLED"}),
        ("wms_warehouses", {"name": "X"}),
        ("wms_positions", {"name": "X"}),
    ],
)
def test_stock_is_not_written_through_views(world: World, moved: Any, view: str, values: dict[str, Any]) -> None:
    before = world.rows(view)
    path = {"org_id": f"eq.{world.org.id}"}
    patched = world.client.patch(view, params=path, json=values)
    posted = world.client.post(view, json=values)
    deleted = world.client.delete(view, params=path)
    for response in (patched, posted, deleted):
        assert 400 <= response.status_code < 500, response.text
    assert world.rows(view) == before


def test_lines_of_a_posted_document_stay(world: World, moved: Any) -> None:
    """Also for the tools, which may write lines."""
    with pytest.raises(psycopg.errors.ForeignKeyViolation):  # the ledger holds them
        world.db.execute("delete from wms.document_line where document_id = %s", [moved["id"]])
    cancelled = world.draft("IMPORT", {"item_id": world.item(), "quantity": 1}, to_location_id=moved["to_location_id"])
    world.done("wms_document_cancel", id=cancelled["id"], reason="x")
    for statement, document_id in (
        ("delete from wms.document_line where document_id = %s", cancelled["id"]),
        (
            "insert into wms.document_line (org_id, document_id, line_no, item_id, from_position_id, to_position_id,"
            " quantity, unit_code, quantity_base)"
            " select org_id, document_id, 2, item_id, from_position_id, to_position_id, 1, unit_code, 1"
            " from wms.document_line where document_id = %s",
            moved["id"],
        ),
    ):
        with pytest.raises(psycopg.Error) as refusal:
            world.db.execute(statement, [document_id])  # type: ignore[call-overload]
        assert "wms.document_frozen" in str(refusal.value)
    with pytest.raises(psycopg.Error) as refusal:
        world.db.execute("update wms.document_line set quantity = 9 where document_id = %s", [moved["id"]])
    assert "wms.line_unchangeable" in str(refusal.value)
    with pytest.raises(psycopg.Error) as refusal:
        world.db.execute("update wms.document set total = 9 where id = %s", [moved["id"]])
    assert "wms.document_frozen" in str(refusal.value)


def test_organisations_see_only_themselves(world: World, moved: Any, one: Warehouse, new_org: Any, api: Any) -> None:
    tracked = world.item(tracking="LOT")
    lot = world.lot(tracked)
    other = new_org()
    stranger = World(other, api(other.admin_token), world.db)
    for view in VIEWS:
        assert world.rows(view), f"{view} has rows to hide"
        assert stranger.rows(view) == []
        assert stranger.rows(view, org_id=f"eq.{world.org.id}") == []
    assert stranger.done("wms_stock_as_of", at="2100-01-01") == []
    draft = world.draft("IMPORT", {"item_id": world.item(), "quantity": 1}, to_location_id=one.id)
    refused(stranger.call("wms_document_post", id=draft["id"]), 404, "wms.document_not_found")
    refused(stranger.call("wms_document_cancel", id=draft["id"], reason="x"), 404, "wms.document_not_found")
    refused(stranger.call("wms_document_lines_put", id=draft["id"], version=1, lines=[]), 404, "wms.document_not_found")
    refused(stranger.call("wms_lot_set_status", id=lot, status="ON_HOLD", reason="x"), 404, "wms.lot_not_found")
    refused(
        stranger.call(
            "wms_document_create", document_type="IMPORT", to_location_id=one.id,
            lines=[{"item_id": stranger.item(), "quantity": 1}],
        ), 422, "wms.not_a_warehouse",
    )  # fmt: skip
    refused(stranger.call("wms_position_create", warehouse_id=one.id, code="P", name="P"), 422, "wms.not_a_warehouse")
    home = stranger.warehouse("HOME")
    refused(
        stranger.call(
            "wms_document_create", document_type="IMPORT", to_location_id=home.id,
            lines=[{"item_id": tracked, "lot_id": lot, "quantity": 1}],
        ), 422, "wms.line_item_unknown",
    )  # fmt: skip
    assert stranger.client.post("wms_lots", json={"item_id": tracked, "lot_no": "X"}).status_code in (403, 409)
    assert world.rows("wms_documents", id=f"eq.{draft['id']}")[0]["version"] == 1


def test_nobody_without_a_token_sees_anything(world: World, moved: Any, api: Any) -> None:
    for view in VIEWS:
        assert api().get(view).status_code in (401, 404)
    assert api().post("rpc/wms_document_post", json={"id": moved["id"]}).status_code in (401, 404)


def test_a_partner_sees_its_own_documents(world: World, moved: Any, one: Warehouse, api: Any) -> None:
    mine = moved["partner_id"]
    line = {"item_id": world.item(), "quantity": 1}
    theirs = world.posted("IMPORT", line, to_location_id=one.id, partner_id=world.partner())
    nobodys = world.posted("IMPORT", line, to_location_id=one.id)
    external = World(world.org, api(world.org.token(partner_id=mine)), world.db)
    assert [d["id"] for d in external.rows("wms_documents")] == [moved["id"]]
    assert [r["document_id"] for r in external.rows("wms_document_lines")] == [moved["id"]]
    for hidden in (theirs, nobodys):
        assert external.rows("wms_documents", id=f"eq.{hidden['id']}") == []
        assert external.rows("wms_document_lines", document_id=f"eq.{hidden['id']}") == []
    for view in set(VIEWS) - {"wms_documents", "wms_document_lines"}:
        assert external.client.get(view).status_code in (403, 404), view
    response = external.client.patch("wms_documents", params={"id": f"eq.{moved['id']}"}, json={"reference": "x"})
    assert response.status_code in (403, 404)
    for function in ("wms_document_post", "wms_document_cancel"):
        refusal = external.client.post(f"rpc/{function}", json={"id": str(uuid.uuid4())})
        assert refusal.status_code in (403, 404)


def test_changing_a_header_needs_the_permission(world: World, one: Warehouse, api: Any) -> None:
    draft = world.draft("IMPORT", {"item_id": world.item(), "quantity": 1}, to_location_id=one.id)
    reader = api(world.org.token(["wms.document.create"]))
    response = reader.patch(
        "wms_documents", params={"id": f"eq.{draft['id']}"}, json={"reference": "x"},
        headers={"Prefer": "return=representation"},
    )  # fmt: skip
    assert response.json() == [], "the policy hides the row from the update"
    assert world.rows("wms_documents")[0]["reference"] is None


def test_lines_and_names_are_embedded(world: World, moved: Any) -> None:
    """Over the composite keys, through views, on partitioned tables, both ways."""
    row = world.rows(
        "wms_documents", id=f"eq.{moved['id']}", select="number,partners(name),wms_document_lines(line_no,items(sku))"
    )[0]
    assert row["partners"]["name"] == "Partner"
    assert row["wms_document_lines"][0]["items"]["sku"].startswith("SKU-")
    line = world.rows("wms_document_lines", select="quantity,wms_documents(number)")[0]
    assert line["wms_documents"]["number"] == moved["number"]
