"""The API as a Python program meets it: through postgrest-py, with a signed token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from postgrest import SyncPostgrestClient
from postgrest.exceptions import APIError

from conftest import Organization
from erpgres.stack.state import State

Client = Callable[[str], SyncPostgrestClient]


@pytest.fixture
def client(stack: State) -> Client:
    def make(token: str) -> SyncPostgrestClient:
        return SyncPostgrestClient(f"{stack.url}/api", schema="api", headers={"Authorization": f"Bearer {token}"})

    return make


def rows(answer: Any) -> list[dict[str, Any]]:
    return list(answer.data)


def test_a_storekeepers_morning(client: Client, org: Organization) -> None:
    """Goods come in, move to another warehouse and are found there; what is not there cannot leave."""
    erp = client(org.admin_token)
    source = erp.rpc("wms_warehouse_create", {"code": "A", "name": "Store A"}).execute().data
    target = erp.rpc("wms_warehouse_create", {"code": "B", "name": "Store B"}).execute().data
    item = rows(
        erp.from_("items").insert({"sku": "ZIP", "name": "Zip", "class": "TRIM", "unit_code": "H87"}).execute()
    )[0]

    storage = rows(
        erp.from_("wms_positions").select("id").eq("warehouse_id", source["id"]).eq("kind", "STORAGE").execute()
    )[0]
    arrived = erp.rpc(
        "wms_document_create",
        {
            "document_type": "IMPORT",
            "to_location_id": source["id"],
            "lines": [{"item_id": item["id"], "quantity": 100, "unit_price": 0.2, "to_position_id": storage["id"]}],
        },
    ).execute().data  # fmt: skip
    assert arrived["status"] == "DRAFT" and arrived["number"] is None
    posted = erp.rpc("wms_document_post", {"id": arrived["id"]}).execute().data
    assert posted["status"] == "POSTED" and posted["number"].startswith("IMP-")

    def moved(quantity: float) -> str:
        draft = erp.rpc(
            "wms_document_create",
            {
                "document_type": "TRANSFER",
                "from_location_id": source["id"],
                "to_location_id": target["id"],
                "lines": [{"item_id": item["id"], "quantity": quantity}],
            },
        ).execute().data  # fmt: skip
        return str(erp.rpc("wms_document_post", {"id": draft["id"]}).execute().data["number"])

    assert moved(40).startswith("TRF-")
    with pytest.raises(APIError) as refused:
        moved(60.5)
    assert refused.value.code == "wms.insufficient_stock"

    stock = rows(erp.from_("wms_stock").select("warehouse_code", "quantity").order("warehouse_code").execute())
    assert [(s["warehouse_code"], s["quantity"]) for s in stock] == [("A", 60), ("B", 40)]


def test_pages_by_cursor_cover_every_row_once(client: Client, org: Organization) -> None:
    erp = client(org.admin_token)
    made = [{"code": f"P{n:03}", "name": f"Partner {n}"} for n in range(95)]
    erp.from_("partners").insert(made).execute()

    seen: list[str] = []
    query = erp.from_("partners").select("id", "code").order("id", desc=True)
    while page := rows(query.execute()):
        assert len(page) <= 20
        seen += [row["code"] for row in page]
        query = erp.from_("partners").select("id", "code").order("id", desc=True).lt("id", page[-1]["id"])
    assert sorted(seen) == [row["code"] for row in made]


def test_a_view_embeds_its_lines(client: Client, org: Organization) -> None:
    erp = client(org.admin_token)
    partner = rows(erp.from_("partners").insert({"code": "N", "name": "Nordkap"}).execute())[0]
    erp.from_("contacts").insert({"partner_id": partner["id"], "name": "Ingrid", "email": "i@example.com"}).execute()

    (found,) = rows(erp.from_("partners").select("code", "contacts(name)").execute())
    assert found == {"code": "N", "contacts": [{"name": "Ingrid"}]}


def test_a_stale_version_is_refused(client: Client, org: Organization) -> None:
    erp = client(org.admin_token)
    partner = rows(erp.from_("partners").insert({"code": "N", "name": "Nordkap"}).execute())[0]
    change = {"name": "Nordkap AS", "version": partner["version"]}

    (changed,) = rows(erp.from_("partners").update(change).eq("id", partner["id"]).execute())
    assert changed["version"] == partner["version"] + 1
    with pytest.raises(APIError) as refused:
        erp.from_("partners").update(change).eq("id", partner["id"]).execute()
    assert refused.value.code == "core.stale_version"


def test_without_a_permission_nothing_is_written(client: Client, org: Organization) -> None:
    reader = client(org.token())
    with pytest.raises(APIError) as refused:
        reader.from_("partners").insert({"code": "N", "name": "Nordkap"}).execute()
    assert refused.value.code == "core.permission_missing"
    with pytest.raises(APIError) as refused:
        reader.rpc("wms_warehouse_create", {"code": "A", "name": "Store A"}).execute()
    assert refused.value.code == "core.permission_missing"
    assert rows(client(org.admin_token).from_("partners").select("id").execute()) == []
