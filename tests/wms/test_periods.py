"""Closed days: nothing is posted into them, until somebody with the right opens them again and says why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from wms.conftest import Acting
from wms.support import Warehouse, World, refused


def on(days_ago: int) -> str:
    return str(datetime.now(UTC).date() - timedelta(days=days_ago))


def test_nothing_is_posted_into_closed_days(world: World, one: Warehouse, two: Warehouse) -> None:
    item = world.item()
    line = {"item_id": item, "quantity": 1}
    row = world.done("wms_period_close", through=on(5), warehouse_id=one.id)
    assert (row["last_closed_on"], row["warehouse_id"]) == (on(5), one.id)
    late = world.draft("IMPORT", line, to_location_id=one.id, posting_date=on(5))
    details = refused(world.call("wms_document_post", id=late["id"]), 423, "wms.period_closed")
    assert details["last_closed_on"] == on(5)
    world.posted("IMPORT", line, to_location_id=one.id, posting_date=on(4))
    world.posted("IMPORT", {**line, "to_position_id": two.storage}, to_location_id=two.id, posting_date=on(5))
    moved = world.draft("TRANSFER", line, from_location_id=two.id, to_location_id=one.id, posting_date=on(5))
    refused(world.call("wms_document_post", id=moved["id"]), 423, "wms.period_closed")
    world.done("wms_period_close", through=on(3))
    for warehouse in (one, two):
        draft = world.draft("IMPORT", line, to_location_id=warehouse.id, posting_date=on(3))
        refused(world.call("wms_document_post", id=draft["id"]), 423, "wms.period_closed")
    refused(world.call("wms_period_reopen", open_from=on(4), reason="", warehouse_id=None), 422, "core.reason_missing")
    row = world.done("wms_period_reopen", open_from=on(4), reason="a late invoice")
    assert (row["last_closed_on"], row["reason"]) == (on(5), "a late invoice")
    world.posted("IMPORT", line, to_location_id=one.id, posting_date=on(4))
    assert len(world.rows("wms_periods")) == 2


def test_closing_is_refused(world: World, one: Warehouse, api: Any) -> None:
    refused(world.call("wms_period_close", through=on(-1)), 422, "wms.period_not_over")
    refused(world.call("wms_period_close", through=None), 422, "wms.period_not_over")
    refused(world.call("wms_period_close", through=on(3), warehouse_id=one.storage), 422, "wms.not_a_warehouse")
    world.done("wms_period_close", through=on(3))
    refused(world.call("wms_period_close", through=on(3)), 409, "wms.period_closed_already")
    refused(world.call("wms_period_reopen", open_from=on(2), reason="x"), 409, "wms.period_open")
    closer = api(world.org.token(["wms.period.close"]))
    refused(world.call("wms_period_reopen", closer, open_from=on(4), reason="x"), 403, "core.permission_missing")
    refused(world.call("wms_period_close", api(world.org.token()), through=on(2)), 403, "core.permission_missing")


def test_closing_waits_for_a_posting_under_way(world: World, one: Warehouse, acting: Acting, stack: Any) -> None:
    """Either the posting is in before the days are closed, or it is refused: never in afterwards."""
    draft = world.draft("IMPORT", {"item_id": world.item(), "quantity": 1}, to_location_id=one.id, posting_date=on(4))
    user_id = world.org.user(administrator=True)
    query = (
        "select exists (select from pg_locks where locktype = 'advisory' and not granted and mode = 'ExclusiveLock'),"
        " pg_sleep(0.01)"
    )
    with acting(world.org, user_id) as poster, ThreadPoolExecutor(1) as pool:
        with poster.transaction():
            poster.execute("select id from api.wms_document_post(%s)", [draft["id"]])
            closing = pool.submit(world.call, "wms_period_close", through=on(3))
            with psycopg.connect(stack.dsn("postgres", world.db.info.dbname), autocommit=True) as db:
                assert any((db.execute(query).fetchone() or (False,))[0] for _ in range(400)), "it waits"
        assert closing.result(timeout=60).status_code == 200
    assert world.rows("wms_documents", id=f"eq.{draft['id']}")[0]["status"] == "POSTED"
