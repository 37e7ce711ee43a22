"""Item card, lists of documents, stock that expires."""

from __future__ import annotations

import uuid
from typing import Any

from wms.support import World, refused


def test_the_card_of_an_item(world: World) -> None:
    one, two = world.warehouses
    item = world.item()
    world.posted(
        "IMPORT",
        {"item_id": item, "quantity": 10, "unit_price": 2, "to_position_id": one.storage},
        to_location_id=one.id,
    )
    world.posted(
        "TRANSFER",
        {"item_id": item, "quantity": 3, "from_position_id": one.storage},
        from_location_id=one.id,
        to_location_id=two.id,
    )
    world.posted("EXPORT", {"item_id": item, "quantity": 4, "from_position_id": one.storage}, from_location_id=one.id)
    card = world.done("wms_item_card", item_id=item)
    assert [(r["document_type"], abs(r["delta"])) for r in card] == [
        ("EXPORT", 4), ("TRANSFER", 3), ("TRANSFER", 3), ("IMPORT", 10),
    ]  # fmt: skip
    assert card[0]["quantity_after"] == 6 and card[-1]["quantity_after"] == 10
    ledger = world.rows("wms_ledger", item_id=f"eq.{item}", is_virtual="is.false", order="id.desc")
    assert [r["id"] for r in card] == [r["id"] for r in ledger]
    at_one = world.done("wms_item_card", item_id=item, location_id=one.id)
    assert [(r["delta"], r["quantity_after"]) for r in at_one] == [(-4, 3), (-3, 7), (10, 10)]
    assert [r["quantity_after"] for r in world.done("wms_item_card", item_id=item, location_id=two.id)] == [3]
    pages = world.done("wms_item_card", item_id=item, page_size=2)
    pages += world.done("wms_item_card", item_id=item, page_size=2, before=pages[-1]["id"])
    assert pages == card, "pages show what the whole shows"
    assert at_one[-1]["value_after"] == at_one[-1]["value_delta"]
    assert sum(r["value_delta"] for r in at_one) == at_one[0]["value_after"]


def test_the_card_of_a_lot(world: World) -> None:
    one = world.warehouses[0]
    item = world.item(tracking="LOT")
    for number, quantity in (("L1", 5), ("L2", 7)):
        line = {"item_id": item, "lot_id": world.lot(item, number), "quantity": quantity}
        world.posted("IMPORT", line, to_location_id=one.id)
    lots = {r["lot_no"]: r["id"] for r in world.rows("wms_lots", item_id=f"eq.{item}")}
    card = world.done("wms_item_card", item_id=item, lot_id=lots["L1"])
    assert [(r["lot_no"], r["delta"], r["quantity_after"]) for r in card] == [("L1", 5, 5)]


def test_lists_of_documents(world: World, api: Any) -> None:
    one, two = world.warehouses
    item, partner = world.item(), world.partner()
    line = {"item_id": item, "quantity": 2}
    imports = [world.posted("IMPORT", line, to_location_id=one.id)["id"] for _ in range(3)]
    inside = world.posted(
        "TRANSFER", {**line, "from_position_id": one.receiving}, from_location_id=one.id, to_location_id=two.id
    )["id"]
    draft = world.draft("IMPORT", line, to_location_id=two.id, partner_id=partner)["id"]

    def listed(**filters: Any) -> list[str]:
        return [row["id"] for row in world.done("wms_document_list", **filters)]

    everything = [draft, inside, *reversed(imports)]
    assert listed() == everything
    assert listed(page_size=2) == everything[:2] and listed(page_size=3, before=everything[1]) == everything[2:]
    assert listed(status="DRAFT") == [draft] and listed(status="POSTED", document_type="TRANSFER") == [inside]
    assert listed(warehouse_id=one.id) == everything[1:] and listed(warehouse_id=two.id) == [draft, inside]
    assert listed(warehouse_id=one.id, page_size=1) == [inside]
    assert listed(partner_id=partner) == [draft]
    assert listed(created_by=str(world.org.users["admin"])) == everything and listed(created_by=str(uuid.uuid4())) == []
    external = api(world.org.token(partner_id=partner))
    assert [row["id"] for row in world.done("wms_document_list", external)] == [draft]
    embedded = world.client.get("rpc/wms_document_list", params={"status": "DRAFT", "select": "id,partners(name)"})
    assert embedded.json() == [{"id": draft, "partners": {"name": "Partner"}}]


def test_stock_that_expires(world: World) -> None:
    one = world.warehouses[0]
    item = world.item(tracking="LOT")
    for number, day in (("OLD", "2020-01-31"), ("SOON", None), ("LATE", "2099-01-01"), ("NEVER", None)):
        lot = world.lot(item, number)
        if number == "SOON":
            row = world.db.execute("select (current_date + 20)::text").fetchone()
            day = row[0] if row else None
        if day:
            world.client.patch("wms_lots", params={"id": f"eq.{lot}"}, json={"expires_on": day, "version": 1})
        # Entered in the tables, since what has expired cannot be brought in.
        world.db.execute(
            "insert into wms.balance (org_id, item_id, lot_id, location_id, warehouse_id, quantity)"
            " values (%s, %s, %s, %s, %s, 5)", [world.org.id, item, lot, one.storage, one.id],
        )  # fmt: skip
    rows = world.done("wms_stock_expiring")
    assert [row["lot_no"] for row in rows] == ["OLD", "SOON"]
    assert [row["lot_no"] for row in world.done("wms_stock_expiring", days=10)] == ["OLD"]
    assert world.done("wms_stock_expiring", warehouse_id=world.warehouses[1].id) == []
    after = {"after_expires_on": rows[0]["expires_on"], "after_id": rows[0]["id"]}
    assert [row["lot_no"] for row in world.done("wms_stock_expiring", **after)] == ["SOON"]
    world.db.execute("update wms.balance set quantity = 0 where org_id = %s", [world.org.id])


def test_it_is_refused(world: World, new_org: Any, api: Any) -> None:
    item = world.item()
    stranger = api(new_org().admin_token)
    refused(world.call("wms_item_card", stranger, item_id=item), 404, "core.not_found")
    refused(world.call("wms_item_card", item_id=item, location_id=str(uuid.uuid4())), 404, "core.not_found")
    refused(world.call("wms_item_card", item_id=item, page_size=101), 422, "wms.page_size")
    refused(world.call("wms_document_list", page_size=0), 422, "wms.page_size")
    refused(world.call("wms_stock_expiring", days=-1), 422, "wms.days")
    refused(world.call("wms_stock_expiring", page_size=0), 422, "wms.page_size")
    for function, body in (("wms_item_card", {"item_id": item}), ("wms_stock_expiring", {})):
        external = api(world.org.token(partner_id=world.partner()))
        assert external.post(f"rpc/{function}", json=body).status_code == 403
