"""api.search: what finds what, who sees it, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from wms.support import World, refused


@pytest.fixture
def shop(world: World) -> World:
    """Some items, a partner, a lot and documents to look for."""
    world.carton = world.item(sku="PCK-CTN-604040", name="Export carton, seven ply")  # type: ignore[attr-defined]
    world.yarn = world.item(sku="YRN-30", name="Mercerised cotton façonné yarn", tracking="LOT")  # type: ignore[attr-defined]
    world.item(sku="YRN-40", name="Linen yarn 40")
    world.item(sku="CARTON", name="Thing")
    world.lot(world.yarn, "SRM-4471")  # type: ignore[attr-defined]
    return world


def found(world: World, q: str, client: Any = None, **more: Any) -> list[tuple[str, str]]:
    return [(row["entity"], row["title"]) for row in world.done("search", client, q=q, **more)]


def test_what_finds_an_item(shop: World) -> None:
    carton, yarn = ("item", "Export carton, seven ply"), ("item", "Mercerised cotton façonné yarn")
    assert found(shop, "carton") == [("item", "Thing"), carton], "the exact code comes first"
    assert found(shop, "  pck-ctn-604040 ") == [carton]
    assert found(shop, "PCK-CTN") == [carton], "the beginning of a code"
    assert found(shop, "export car") == [carton], "the beginning of the name"
    assert found(shop, "ply export") == [carton], "words in any order"
    assert found(shop, "seve car") == [carton], "the beginnings of words"
    assert found(shop, "604040") == found(shop, "4040") == found(shop, "6040") == [carton], "parts of a code"
    assert found(shop, "FACONNE") == found(shop, "façonné") == [yarn], "accents do not count"
    assert found(shop, "mercerized coton") == [yarn], "misspelt words"
    assert found(shop, "cotton carton") == [], "each word must be there"
    assert found(shop, "zyxwvu") == []
    ranks = [row["rank"] for row in shop.done("search", q="carton")]
    assert ranks == sorted(ranks, reverse=True) and ranks[0] == 1


def test_what_else_is_found(shop: World) -> None:
    supplier = shop.db.execute(
        "insert into core.partner (org_id, code, name, tax_id) values (%s, 'SURMA', 'Surma Spinning Mills', 'T-77')"
        " returning id", [shop.org.id],
    ).fetchone()  # fmt: skip
    shop.client.post("item_barcodes", json={"item_id": shop.carton, "barcode": "4006381333931", "unit_code": "C62"})  # type: ignore[attr-defined]
    document = shop.posted(
        "IMPORT", {"item_id": shop.carton, "quantity": 5}, to_location_id=shop.warehouses[0].id,  # type: ignore[attr-defined]
        partner_id=str(supplier[0]), reference="Letter of credit LC-88",
    )  # fmt: skip
    number = document["number"]
    assert (
        found(shop, "surma") == found(shop, "t-77") == found(shop, "spining") == [("partner", "Surma Spinning Mills")]
    )
    assert found(shop, "4006381333931") == found(shop, "3931") == [("item", "Export carton, seven ply")]
    assert found(shop, "srm-4471") == [("wms_lot", "SRM-4471")]
    assert found(shop, number) == found(shop, number.lower()[:-2]) == [("wms_document", number)]
    assert ("wms_document", number) in found(shop, number[-2:]), "the counter of a number"
    assert found(shop, "credit letter") == found(shop, "letter of cred") == [("wms_document", number)]
    assert ("location", "Warehouse ONE") in found(shop, "warehouse one")
    subtitle = shop.done("search", q=number)[0]["subtitle"]
    assert subtitle == "IMPORT · POSTED · Letter of credit LC-88 · Surma Spinning Mills"
    assert found(shop, "carton", kinds=["partner"]) == []
    assert len(shop.done("search", q="yrn", limit=1)) == 1
    read = shop.client.get("rpc/search", params={"q": "surma"})
    assert [row["entity"] for row in read.json()] == ["partner"], "GET will do as well"
    kinds = {row["entity"] for row in shop.rows("search_kinds")}
    assert {"item", "partner", "location", "wms_lot", "wms_document"} <= kinds


def test_it_follows_changes(shop: World) -> None:
    shop.client.patch("items", params={"sku": "eq.YRN-40"}, json={"name": "Hemp rope", "version": 1})
    assert found(shop, "linen") == [] and found(shop, "hemp") == [("item", "Hemp rope")]
    shop.client.patch("items", params={"sku": "eq.YRN-40"}, json={"sku": "ROPE-1", "version": 2})
    assert found(shop, "YRN-40") == [] and found(shop, "ROPE-1") == [("item", "Hemp rope")]
    body = {"item_id": shop.carton, "barcode": "5901234123457", "unit_code": "C62"}  # type: ignore[attr-defined]
    shop.client.post("item_barcodes", json=body)
    assert found(shop, "5901234123457")
    shop.client.delete("item_barcodes", params={"barcode": "eq.5901234123457"})
    assert found(shop, "5901234123457") == []
    draft = shop.draft(
        "IMPORT",
        {"item_id": shop.carton, "quantity": 1},
        to_location_id=shop.warehouses[0].id,
        reference="Alpha",  # type: ignore[attr-defined]
    )
    assert found(shop, "alpha") == [("wms_document", "Alpha")]
    shop.client.patch("wms_documents", params={"id": f"eq.{draft['id']}"}, json={"reference": "Omega", "version": 1})
    assert found(shop, "alpha") == [] and found(shop, "omega") == [("wms_document", "Omega")]


def test_who_sees_what(shop: World, new_org: Any, api: Any) -> None:
    other = new_org()
    stranger = api(other.admin_token)
    assert found(shop, "PCK-CTN-604040", stranger) == found(shop, "mercerised", stranger) == []
    assert found(shop, "carton", api(shop.org.token([]))), "members see items without a permission"
    ours, theirs = shop.partner(), shop.partner()
    for partner, reference in ((ours, "Shared reference one"), (theirs, "Shared reference two")):
        shop.posted(
            "IMPORT", {"item_id": shop.carton, "quantity": 1}, to_location_id=shop.warehouses[0].id,  # type: ignore[attr-defined]
            partner_id=partner, reference=reference,
        )  # fmt: skip
    external = api(shop.org.token(partner_id=ours))
    rows = shop.done("search", external, q="shared reference")
    assert [row["subtitle"].split(" · ")[2] for row in rows] == ["Shared reference one"]
    assert found(shop, "carton", external) == [], "partners do not see items"
    name = shop.db.execute("select code from core.partner where id = %s", [theirs]).fetchone()
    assert name and found(shop, name[0], external) == []
    assert api().post("rpc/search", json={"q": "carton"}).status_code == 401


def test_it_is_refused(shop: World) -> None:
    refused(shop.call("search", q=""), 422, "core.search_empty")
    refused(shop.call("search", q=None), 422, "core.search_empty")
    refused(shop.call("search", q="  x "), 422, "core.search_short")
    refused(shop.call("search", q="--- %"), 422, "core.search_short")
    refused(shop.call("search", q="x" * 201), 422, "core.search_long")
    refused(shop.call("search", q="carton", limit=0), 422, "core.search_limit")
    refused(shop.call("search", q="carton", limit=101), 422, "core.search_limit")
    details = refused(shop.call("search", q="carton", kinds=["item", "secret"]), 422, "core.search_kind_unknown")
    assert details == {"kind": "secret"}
    for odd in ("'; drop", "a\\b", "50%_", "ab:*|c", "ünï", "日本語", "x'y\"z", "((("):
        assert shop.call("search", q=odd).status_code in (200, 422), odd


@pytest.mark.drill
def test_rows_from_before_are_brought_by_the_job(shop: World, db: Any) -> None:
    """As after an upgrade: the rows are there, the search knows nothing of them."""
    with db.transaction():
        db.execute("set local role owner")
        db.execute("delete from core.searchable as s where s.org_id = %s", [shop.org.id])
    assert found(shop, "PCK-CTN-604040") == []
    last = None
    for source in ("item", "wms_lot"):
        part = "select p.last_id from core.fill_search_part(%s, %s, %s, 2) as p"
        row = db.execute(part, [source, shop.org.id, None]).fetchone()
        while row and row[0]:
            last = row[0]
            row = db.execute(part, [source, shop.org.id, last]).fetchone()
    assert last and found(shop, "mercerized") and found(shop, "srm-4471")
    db.execute("insert into core.search_fill (source) values ('location')")
    while db.execute("select exists (select from core.search_fill)").fetchone() == (True,):  # the worker helps
        db.execute("select core.fill_search()")
    assert found(shop, "warehouse one")


def test_every_source_has_its_triggers(db: Any) -> None:
    rows = db.execute(
        "select s.code, count(t.*) from core.search_source as s left join pg_trigger as t"
        " on t.tgrelid = s.table_name::regclass and t.tgfoid = format('core.tg_%%s__search', s.code)::regproc"
        " group by 1".replace("%%", "%")
    ).fetchall()
    assert len(rows) >= 6 and {count for _, count in rows} == {3}
