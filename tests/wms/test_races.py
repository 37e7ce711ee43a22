"""Real sessions at the same time: nothing deadlocks, nothing is sold twice, the invariants hold afterwards."""

from __future__ import annotations

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from wms.conftest import Acting
from wms.support import Warehouse, World, refused, violations

CLIENTS = 20
ROUNDS = 5


def deadlocks(db: psycopg.Connection[Any]) -> int:
    db.execute("select pg_stat_force_next_flush()")
    row = db.execute("select deadlocks from pg_stat_database where datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])


def code_of(error: psycopg.Error) -> str:
    return str(json.loads(error.diag.message_primary or "{}").get("code"))


def stocked(world: World) -> tuple[list[str], dict[str, list[str]]]:
    """Put 60 pieces of 20 items on each of 10 places; returns the items and the places by warehouse."""
    items = [world.item() for _ in range(20)]
    places = {}
    for warehouse in world.warehouses:
        extra = world.done("wms_position_create", warehouse_id=warehouse.id, code="P5", name="Fifth")
        places[warehouse.id] = [*warehouse.positions.values(), extra["id"]]
        lines = [{"item_id": i, "quantity": 60, "to_position_id": p} for i in items for p in places[warehouse.id]]
        world.posted("IMPORT", *lines, to_location_id=warehouse.id)
    return items, places


def transfer(
    session: psycopg.Connection[Any], choose: random.Random, items: list[str], places: dict[str, list[str]], most: int
) -> str:
    """Draft a transfer of five lines, each of up to `most` pieces, between any two warehouses; returns its id."""
    source, target = choose.sample(sorted(places), 2)
    lines = [
        {
            "item_id": choose.choice(items), "quantity": choose.randint(1, most),
            "from_position_id": choose.choice(places[source]), "to_position_id": choose.choice(places[target]),
        }
        for _ in range(5)
    ]  # fmt: skip
    row = session.execute(
        "select id from api.wms_document_create('TRANSFER', %s, %s, lines => %s)", [source, target, Jsonb(lines)]
    ).fetchone()
    assert row is not None
    return str(row[0])


def test_twenty_clients_move_the_same_stock(world: World, acting: Acting) -> None:
    items, places = stocked(world)
    user_id = world.org.user(administrator=True)
    before = deadlocks(world.db)
    start = threading.Barrier(CLIENTS)

    def client(number: int) -> list[str]:
        choose = random.Random(number)
        outcomes = []
        with acting(world.org, user_id) as session:
            start.wait(timeout=60)
            for _ in range(ROUNDS):
                draft = transfer(session, choose, items, places, 9)
                try:
                    session.execute("select id from api.wms_document_post(%s)", [draft])
                    outcomes.append("posted")
                except psycopg.Error as error:
                    outcomes.append(code_of(error))
        return outcomes

    with ThreadPoolExecutor(CLIENTS) as pool:
        outcomes = [outcome for done in pool.map(client, range(CLIENTS)) for outcome in done]
    assert len(outcomes) == CLIENTS * ROUNDS
    assert set(outcomes) <= {"posted", "wms.insufficient_stock"}, "in one order, nobody has to give way"
    assert outcomes.count("posted") > len(outcomes) // 2
    assert deadlocks(world.db) == before
    assert violations(world.db, world.org.id) == {}
    posted = world.db.execute(
        "select count(*), count(distinct number), max(right(number, 6)::int) from wms.document"
        " where org_id = %s and document_type = 'TRANSFER' and status = 'POSTED'", [world.org.id],
    ).fetchone()  # fmt: skip
    assert posted == (outcomes.count("posted"),) * 3, "numbered from 1 without a gap"
    total = world.db.execute("select sum(quantity) from wms.balance where org_id = %s", [world.org.id]).fetchone()
    assert total == (20 * 10 * 60,)


def test_clients_that_make_the_same_new_balances_do_not_deadlock(world: World, acting: Acting) -> None:
    """None of the rows is there when they begin, and each brings its lines in another order."""
    one = world.warehouses[0]
    items = [world.item() for _ in range(15)]
    user_id = world.org.user(administrator=True)
    drafts = []
    for number in range(10):
        lines = [{"item_id": item, "quantity": 1} for item in random.Random(number).sample(items, len(items))]
        drafts.append(world.draft("IMPORT", *lines, to_location_id=one.id)["id"])
    before = deadlocks(world.db)
    start = threading.Barrier(len(drafts))

    def client(document_id: str) -> None:
        with acting(world.org, user_id) as session:
            start.wait(timeout=60)
            session.execute("select id from api.wms_document_post(%s)", [document_id])

    with ThreadPoolExecutor(len(drafts)) as pool:
        list(pool.map(client, drafts))
    assert deadlocks(world.db) == before
    assert world.stock() == {(item, one.receiving): 10 for item in items}
    assert violations(world.db, world.org.id) == {}


def test_many_documents_queue_and_others_pass(world: World, acting: Acting, stack: Any) -> None:
    """Two postings of many documents over the same goods take turns; one over other goods goes between them."""
    items, places = stocked(world)
    source, target = (warehouse.id for warehouse in world.warehouses)
    sources, targets = places[source], places[target]
    user_id, alone = world.org.user(administrator=True), world.item()

    def draft(warehouse: str, other: str, froms: list[str], tos: list[str]) -> str:
        lines = [
            {"item_id": i, "quantity": 1, "from_position_id": froms[n % 5], "to_position_id": tos[n % 5]}
            for n, i in enumerate(items)
        ]
        return str(world.draft("TRANSFER", *lines, from_location_id=warehouse, to_location_id=other)["id"])

    there = [draft(source, target, sources, targets), draft(source, target, sources[::-1], targets)]
    back = [draft(target, source, targets, sources), draft(target, source, targets, sources[::-1])]
    single = world.draft("IMPORT", {"item_id": alone, "quantity": 1}, to_location_id=source)["id"]
    post = "select number from api.wms_documents_post(%s::uuid[])"
    with acting(world.org, user_id) as first, acting(world.org, user_id) as second, ThreadPoolExecutor(1) as pool:
        with first.transaction():
            first.execute(post, [there])
            later = pool.submit(lambda: second.execute(post, [back]).fetchall())
            waiting(stack.dsn("postgres", world.db.info.dbname), "wms_documents_post", "advisory")
            assert world.done("wms_document_post", id=single)["status"] == "POSTED"
        numbers = [str(row[0]) for row in later.result(timeout=60)]
    assert [number[-6:] for number in numbers] == ["000003", "000004"]
    rows = world.db.execute(
        "select item_id::text, quantity from wms.balance where org_id = %s and quantity <> 60", [world.org.id]
    ).fetchall()
    assert rows == [(alone, 1)], "what went there came back"
    assert violations(world.db, world.org.id) == {}


def test_many_documents_and_single_ones_do_not_deadlock(world: World, acting: Acting) -> None:
    items, places = stocked(world)
    user_id = world.org.user(administrator=True)
    before = deadlocks(world.db)
    start = threading.Barrier(8)

    def client(number: int) -> int:
        choose = random.Random(number)
        with acting(world.org, user_id) as session:
            ids = [transfer(session, choose, items, places, 1) for _ in range(12)]
            start.wait(timeout=60)
            size = (12, 6, 3, 1)[number % 4]  # more than fifty balances, fewer, and one document at a time
            for n in range(0, 12, size):
                session.execute("select id from api.wms_documents_post(%s::uuid[])", [ids[n : n + size]])
        return len(ids)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(client, range(8))) == 96
    assert deadlocks(world.db) == before
    assert violations(world.db, world.org.id) == {}
    total = world.db.execute("select sum(quantity) from wms.balance where org_id = %s", [world.org.id]).fetchone()
    assert total == (20 * 10 * 60,)


def test_the_last_piece_goes_once(world: World, one: Warehouse, api: Any) -> None:
    item = world.item()
    world.posted("IMPORT", {"item_id": item, "quantity": 1, "to_position_id": one.storage}, to_location_id=one.id)
    drafts = [world.draft("EXPORT", {"item_id": item, "quantity": 1}, from_location_id=one.id)["id"] for _ in range(2)]
    clients = [api(world.org.admin_token) for _ in drafts]
    start = threading.Barrier(len(drafts))

    def post(client: Any, document_id: str) -> Any:
        start.wait(timeout=60)
        return world.call("wms_document_post", client, id=document_id)

    with ThreadPoolExecutor(len(drafts)) as pool:
        answers = sorted(pool.map(post, clients, drafts), key=lambda answer: int(answer.status_code))
    assert answers[0].status_code == 200
    details = refused(answers[1], 422, "wms.insufficient_stock")
    assert (details["requested"], details["available"]) == (1, 0)
    assert world.stock() == {}
    assert violations(world.db, world.org.id) == {}


def test_a_document_is_posted_once(world: World, one: Warehouse, api: Any) -> None:
    draft = world.draft("IMPORT", {"item_id": world.item(), "quantity": 1}, to_location_id=one.id)
    clients = [api(world.org.admin_token) for _ in range(5)]
    start = threading.Barrier(len(clients))

    def post(client: Any) -> int:
        start.wait(timeout=60)
        return int(world.call("wms_document_post", client, id=draft["id"]).status_code)

    with ThreadPoolExecutor(len(clients)) as pool:
        assert sorted(pool.map(post, clients)) == [200, 409, 409, 409, 409]
    assert len(world.rows("wms_ledger")) == 2


def test_a_line_cannot_slip_into_a_document_being_posted(
    world: World, one: Warehouse, acting: Acting, stack: Any
) -> None:
    """The posting holds the document: who replaces its lines waits, and then finds it posted."""
    item = world.item()
    draft = world.draft("IMPORT", {"item_id": item, "quantity": 1}, to_location_id=one.id)
    user_id = world.org.user(administrator=True)
    with acting(world.org, user_id) as poster, ThreadPoolExecutor(1) as pool:
        with poster.transaction():
            poster.execute("select id from api.wms_document_post(%s)", [draft["id"]])
            other = pool.submit(
                world.call,
                "wms_document_lines_put",
                id=draft["id"],
                version=1,
                lines=[{"item_id": item, "quantity": 9}],
            )
            waiting(stack.dsn("postgres", world.db.info.dbname), "wms_document_lines_put")
        refused(other.result(timeout=60), 409, "wms.document_not_draft")
    assert world.stock() == {(item, one.receiving): 1}
    assert violations(world.db, world.org.id) == {}


def waiting(dsn: str, call: str, event: str = "%") -> None:
    """Return when a session that calls the function waits for a lock; fails after some seconds.

    Only a superuser sees what others do.
    """
    query = (
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        " and wait_event like %s and query like %s), pg_sleep(0.01)"
    )
    with psycopg.connect(dsn, autocommit=True) as db:
        for _ in range(400):
            row = db.execute(query, [event, f"%{call}%"]).fetchone()
            if row is not None and row[0]:
                return
    raise AssertionError("nobody waits")
