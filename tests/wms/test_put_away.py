"""Put-away and moves: where goods belong, how much fits, and what is refused."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from wms.conftest import Acting
from wms.flows import lies, person, position, setting, stocked
from wms.support import Warehouse, World, refused, violations


def proposed(world: World, one: Warehouse, item: str, quantity: float, **more: Any) -> list[tuple[str, float]]:
    rows = world.done("wms_put_away_propose", warehouse_id=one.id, item_id=item, quantity=quantity, **more)
    return [(row["position_code"], row["quantity"]) for row in rows]


def test_goods_go_where_there_is_room(world: World, one: Warehouse) -> None:
    for code, capacity in (("A-1", 6), ("A-2", 6)):
        position(world, code, zone="A", capacity=capacity, capacity_unit="C62")
    item = stocked(world, one.receiving, 20)
    # An empty shelf after the other, then the place without a limit.
    assert proposed(world, one, item, 20) == [("A-1", 6), ("A-2", 6), ("STORAGE", 8)]
    moved = world.done("wms_put_away", from_position_id=one.receiving, item_id=item, quantity=20, reference="GRN 7")
    assert [moved[k] for k in ("document_type", "status", "line_count", "reference")] == ["MOVE", "POSTED", 3, "GRN 7"]
    assert lies(world, item) == {"A-1": 6, "A-2": 6, "STORAGE": 8}
    # What is there already draws more of the same.
    assert proposed(world, one, item, 1) == [("STORAGE", 1)]
    assert violations(world.db, world.org.id) == {}


def test_rules_say_which_zone(world: World, one: Warehouse, api: Any) -> None:
    for code in ("COLD-1", "YARN-1"):
        position(world, code, zone=code[:4], capacity=5, capacity_unit="C62")
    item, other = world.item(**{"class": "YARN"}), world.item()
    rule = {"warehouse_id": one.id, "item_class": "YARN", "zone": "YARN"}
    made = world.client.post("wms_put_away_rules", json=rule, headers={"Prefer": "return=representation"})
    assert made.status_code == 201, made.text
    assert world.client.post("wms_put_away_rules", json={"item_id": item, "zone": "COLD"}).status_code == 201
    # The rule of the item goes before that of its class, and both before any other place.
    assert proposed(world, one, item, 12) == [("COLD-1", 5), ("YARN-1", 5), ("STORAGE", 2)]
    assert proposed(world, one, other, 1) == [("COLD-1", 1)]

    rule_id = f"eq.{made.json()[0]['id']}"
    nobody = person(world, api, "wms.stock.move").client
    refused(nobody.post("wms_put_away_rules", json=rule | {"zone": "X"}), 403, "42501")
    change = nobody.patch("wms_put_away_rules", params={"id": rule_id}, json={"zone": "X", "version": 1})
    refused(change, 403, "42501")
    nobody.delete("wms_put_away_rules", params={"id": rule_id})
    assert world.rows("wms_put_away_rules", id=rule_id), "nothing was deleted"
    assert world.client.post("wms_put_away_rules", json=rule).status_code == 409
    assert world.client.delete("wms_put_away_rules", params={"id": rule_id}).status_code == 204


def test_a_line_of_a_receipt_is_put_away(world: World, one: Warehouse, api: Any) -> None:
    item = world.item()
    receipt = world.posted("IMPORT", {"item_id": item, "quantity": 8}, to_location_id=one.id, reference="DN 4")
    line = world.rows("wms_document_lines", document_id=f"eq.{receipt['id']}")[0]["id"]
    away = {"document_id": receipt["id"], "line_id": line}
    shelf = position(world, "A-1")
    world.done("wms_put_away_line", **away, quantity=3, to_position_id=shelf)
    moved = world.done("wms_put_away_line", **away, quantity=5)
    assert moved["reference"] == "DN 4" and lies(world, item) == {"A-1": 8}, "where the item lies already"
    refused(world.call("wms_put_away_line", **away), 422, "wms.insufficient_stock")
    refused(world.call("wms_put_away_line", **away, quantity=9), 422, "wms.more_than_received")
    refused(world.call("wms_put_away_line", **{**away, "line_id": str(uuid.uuid4())}), 404, "wms.line_not_found")
    refused(
        world.call("wms_put_away_line", **{**away, "document_id": str(uuid.uuid4())}), 404, "wms.document_not_found"
    )
    draft = world.draft("IMPORT", {"item_id": item, "quantity": 8}, to_location_id=one.id)
    refused(world.call("wms_put_away_line", **{**away, "document_id": draft["id"]}), 409, "wms.document_not_received")
    nobody = person(world, api, "wms.document.create").client
    refused(world.call("wms_put_away_line", nobody, **away), 403, "core.permission_missing")


def test_capacity_counts_in_its_own_unit(world: World, one: Warehouse) -> None:
    """A shelf for 100 kg takes 40 boxes of 2.5 kg, and what has no weight is not measured."""
    shelf = position(world, "K-1", capacity=100, capacity_unit="KGM")
    box, thing = stocked(world, one.receiving, 50), stocked(world, one.receiving, 999)
    world.db.execute(
        "insert into core.unit_conversion (org_id, item_id, from_unit, to_unit, factor_numerator, factor_denominator)"
        " values (%s, %s, 'C62', 'KGM', 5, 2)", [world.org.id, box],
    )  # fmt: skip
    away = {"from_position_id": one.receiving, "to_position_id": shelf}
    details = refused(world.call("wms_put_away", **away, item_id=box, quantity=41), 422, "wms.capacity_exceeded")
    assert (details["free"], details["wanted"], details["unit"]) == (100, 102.5, "KGM")
    world.done("wms_put_away", **away, item_id=box, quantity=40)
    refused(world.call("wms_put_away", **away, item_id=box, quantity=1), 422, "wms.capacity_exceeded")
    world.done("wms_put_away", **away, item_id=thing, quantity=999)


def test_goods_are_moved(world: World, one: Warehouse, api: Any) -> None:
    item, shelf = stocked(world, one.storage, 10), position(world, "B-1")
    mover = person(world, api, "wms.stock.move")
    move = {"from_position_id": one.storage, "to_position_id": shelf, "item_id": item, "quantity": 1}
    done = world.done("wms_stock_move", mover.client, **move, reason="nearer")
    assert (done["document_type"], done["status_reason"]) == ("MOVE", "nearer")
    assert lies(world, item) == {"STORAGE": 9, "B-1": 1}
    assert violations(world.db, world.org.id) == {}


def test_a_move_is_refused(world: World, one: Warehouse, two: Warehouse, api: Any) -> None:
    item, shelf, idle = stocked(world, one.storage, 10), position(world, "B-1"), position(world, "B-2")
    world.client.patch("locations", params={"id": f"eq.{idle}"}, json={"is_active": False, "version": 1})
    move = {"from_position_id": one.storage, "to_position_id": shelf, "item_id": item, "quantity": 1, "reason": "x"}

    def refuse(status: int, code: str, **changes: Any) -> None:
        refused(world.call("wms_stock_move", **{**move, **changes}), status, code)

    refuse(422, "wms.same_position", to_position_id=one.storage)
    refuse(422, "wms.position_elsewhere", to_position_id=two.storage)
    refuse(422, "wms.place_inactive", to_position_id=idle)
    refuse(422, "wms.position_unknown", from_position_id=str(uuid.uuid4()))
    refuse(422, "wms.item_unknown", item_id=str(uuid.uuid4()))
    refuse(422, "wms.quantity_not_positive", quantity=0)
    refuse(422, "wms.insufficient_stock", quantity=11)
    refuse(422, "core.reason_missing", reason=" ")
    refuse(422, "wms.lot_not_wanted", lot_id=str(uuid.uuid4()))
    nobody = person(world, api, "wms.document.create").client
    refused(world.call("wms_stock_move", nobody, **move), 403, "core.permission_missing")

    away = {"from_position_id": one.receiving, "item_id": item, "quantity": 1}
    refused(world.call("wms_put_away", nobody, **away), 403, "core.permission_missing")
    wrong = {**away, "from_position_id": one.storage}
    refused(world.call("wms_put_away", **wrong), 422, "wms.nothing_to_put_away")
    for place in (one.storage, shelf):
        world.client.patch("locations", params={"id": f"eq.{place}"}, json={"is_active": False, "version": 1})
    refused(world.call("wms_put_away", **away), 422, "wms.no_room")
    ask = {"warehouse_id": one.id, "item_id": item, "quantity": 1}
    refused(world.call("wms_put_away_propose", nobody, **ask), 403, "core.permission_missing")
    refused(world.call("wms_put_away_propose", **{**ask, "warehouse_id": shelf}), 422, "wms.not_a_warehouse")
    assert world.done("wms_put_away_propose", **ask) == []


def test_two_do_not_fill_the_same_place_twice(world: World, one: Warehouse, acting: Acting) -> None:
    shelf = position(world, "C-1", capacity=10, capacity_unit="C62")
    items = [stocked(world, one.receiving, 5) for _ in range(6)]
    user_id = world.org.user(administrator=True)

    def put(item: str) -> bool:
        with acting(world.org, user_id) as session:
            try:
                session.execute(
                    "select api.wms_put_away(%s, %s, 5, to_position_id => %s)", [one.receiving, item, shelf]
                )
            except Exception as error:
                assert "wms.capacity_exceeded" in str(error), error
                return False
            return True

    with ThreadPoolExecutor(len(items)) as pool:
        assert sum(pool.map(put, items)) == 2
    assert sum(lies(world, i).get("C-1", 0) for i in items) == 10


def test_documents_are_held_to_the_capacity(world: World, one: Warehouse, two: Warehouse) -> None:
    """Whatever document names the position: what comes in, comes back, is transferred or moved."""
    item, shelf = stocked(world, one.receiving, 50), position(world, "A-1", capacity=10, capacity_unit="C62")

    def draft(kind: str, quantity: float, *more: float, **header: Any) -> str:
        lines = [{"item_id": item, "quantity": q, "to_position_id": shelf} for q in (quantity, *more)]
        if kind == "MOVE":
            lines = [{**line, "from_position_id": one.receiving} for line in lines]
        return str(world.draft(kind, *lines, **header)["id"])

    into = {"to_location_id": one.id}
    across = {"from_location_id": two.id, **into}
    for kind, header in (("IMPORT", into), ("RETURN", into), ("MOVE", into)):
        details = refused(world.call("wms_document_post", id=draft(kind, 6, 5, **header)), 422, "wms.capacity_exceeded")
        assert (details["place"], details["free"], details["wanted"]) == ("A-1", 10, 11)
    both = [draft("IMPORT", 6, **into), draft("IMPORT", 5, **into)]
    refused(world.call("wms_documents_post", ids=both), 422, "wms.capacity_exceeded")
    world.done("wms_document_post", id=both[0])
    world.posted("IMPORT", {"item_id": item, "quantity": 9, "to_position_id": two.storage}, to_location_id=two.id)
    refused(world.call("wms_document_post", id=draft("TRANSFER", 5, **across)), 422, "wms.capacity_exceeded")
    # What was found there lies there, and what is reversed had its place.
    world.done("wms_stock_adjust", position_id=shelf, item_id=item, new_quantity=14, reason="found")
    setting(world, "wms.is_capacity_checked", False)
    world.done("wms_document_post", id=both[1])
    assert lies(world, item)["A-1"] == 19
    assert violations(world.db, world.org.id) == {}


def test_two_documents_do_not_fill_a_place_twice(world: World, one: Warehouse, acting: Acting) -> None:
    item, shelf = world.item(), position(world, "A-1", capacity=10, capacity_unit="C62")
    drafts = [
        world.draft("IMPORT", {"item_id": item, "quantity": 4, "to_position_id": shelf}, to_location_id=one.id)["id"]
        for _ in range(6)
    ]
    user_id = world.org.user(administrator=True)

    def post(draft: str) -> bool:
        with acting(world.org, user_id) as session:
            try:
                session.execute("select api.wms_document_post(%s)", [draft])
            except psycopg.Error as error:
                assert "wms.capacity_exceeded" in str(error)
                return False
            return True

    with ThreadPoolExecutor(len(drafts)) as pool:
        assert sum(pool.map(post, drafts)) == 2
    assert lies(world, item) == {"A-1": 8}


def test_goods_are_bound_to_their_zone(world: World, one: Warehouse) -> None:
    cold, warm = position(world, "C-1", zone="COLD"), position(world, "W-1", zone="WARM")
    fish, thing = world.item(**{"class": "COMMODITY"}), world.item()
    rule = {"warehouse_id": one.id, "item_class": "COMMODITY", "zone": "COLD", "is_required": True}
    assert world.client.post("wms_put_away_rules", json=rule).status_code == 201

    def arrives(item: str, place: str) -> Any:
        line = {"item_id": item, "quantity": 5, "to_position_id": place}
        return world.call("wms_document_post", id=world.draft("IMPORT", line, to_location_id=one.id)["id"])

    details = refused(arrives(fish, warm), 422, "wms.zone_required")
    assert (details["zones"], details["place"]) == ("COLD", "W-1")
    refused(arrives(fish, one.storage), 422, "wms.zone_required")
    for item, place in ((fish, cold), (fish, one.receiving), (thing, warm)):
        assert arrives(item, place).status_code == 200
    move = {"from_position_id": one.receiving, "item_id": fish, "quantity": 1}
    refused(world.call("wms_stock_move", **move, to_position_id=warm, reason="x"), 422, "wms.zone_required")
    refused(world.call("wms_put_away", **move, to_position_id=warm), 422, "wms.zone_required")
    assert proposed(world, one, fish, 5) == [("C-1", 5)]
    world.done("wms_put_away", **move)
    # What was found there is there.
    world.done("wms_stock_adjust", position_id=warm, item_id=fish, new_quantity=2, reason="found")
    assert lies(world, fish) == {"C-1": 6, "RECEIVING": 4, "W-1": 2}
