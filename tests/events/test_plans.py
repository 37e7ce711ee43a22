"""Lists of events use their indexes, under the policies, on enough rows to matter."""

from __future__ import annotations

from typing import Any

import pytest

ROWS = 12_000


@pytest.fixture
def many(request: pytest.FixtureRequest, org: Any, db: Any) -> Any:
    """Thousands of events of items, few of anything else."""
    db.execute(
        "insert into core.item (org_id, sku, name, class, unit_code) "
        "select %s, 'S' || n, 'Item', 'GOODS', 'C62' from generate_series(1, %s) as n",
        [org.id, getattr(request, "param", ROWS)],
    )
    db.execute("insert into core.partner (org_id, code, name) values (%s, 'A', 'A')", [org.id])
    db.execute("set role owner")
    db.execute("analyze events.event")
    db.execute("reset role")
    return org


def plan(session: Any, query: str, *values: Any) -> str:
    return "\n".join(
        row[0] for row in session.execute(f"explain (analyze, buffers off, timing off, costs off) {query}", values)
    )


def test_lists_of_events_use_their_index(many: Any, acting: Any, db: Any) -> None:
    user_id = many.user()
    with acting(many, user_id) as session:
        middle = session.execute("select id from api.events order by id desc limit 1 offset 6000").fetchone()[0]
        thing = session.execute("select entity_id from api.events where entity = 'item' limit 1").fetchone()[0]
        page = "order by id desc limit 20"
        newest = plan(session, f"select * from api.events {page}")
        deep = plan(session, f"select * from api.events where id < %s {page}", middle)
        history = plan(session, f"select * from api.events where entity = 'item' and entity_id = %s {page}", thing)
        by_type = plan(session, f"select * from api.events where type = 'partner.created' {page}")
        by_actor = plan(session, f"select * from api.events where actor_id = %s {page}", user_id)
        rare = plan(session, f"select * from api.events where entity = 'partner' {page}")
        feed = plan(session, "select * from events.read_feed('0', '00000000-0000-0000-0000-000000000000', 100)")
        done = plan(session, "select * from events.read_feed(%s, %s, 100)", "99999999999", middle)
    for text in (newest, deep):
        assert "org_id_id" in text or "_pkey" in text, text
    for text, index in (
        (history, "org_id_entity_entity_id_id_idx"), (by_type, "org_id_type_id_idx"),
        (by_actor, "org_id_actor_id_id_idx"), (rare, "org_id_entity_entity_id_id_idx"), (feed, "org_id_xid_id_idx"),
        (done, "xid_id_idx"),
    ):  # fmt: skip
        assert index in text, text
    # Of months ahead, which are empty, any plan will do.
    (filled,) = db.execute("select split_part(ops.partition_name('events.event', 'month', now()), '.', 2)").fetchone()
    for text in (newest, deep, history, by_type, by_actor, rare, feed, done):
        assert f"Seq Scan on {filled}" not in text, text
        assert "InitPlan" in text, "rights are asked once a statement"
    for text in (newest, deep, feed):
        assert " Sort (" not in text, text
        assert "Rows Removed by Filter" not in text, text


@pytest.mark.parametrize("many", [1000], indirect=True)
def test_a_page_in_the_past_touches_two_months_at_most(many: Any, acting: Any, db: Any) -> None:
    with acting(many, many.user()) as session:
        text = plan(
            session,
            "select * from api.events where id < core.uuid_floor(now()) "
            "and id >= core.uuid_floor(now() - interval '1 day') order by id desc limit 20",
        )
    assert 1 <= text.count("Scan using event_") + text.count("Scan Backward using event_") <= 2, text


def test_what_devices_sent_and_were_refused_is_found_by_index(org: Any, acting: Any, db: Any) -> None:
    """A user's own, among those of the others; the newest page, one deep down, and those of one device."""
    mine, other = org.user(), org.user()
    devices = [
        db.execute(
            "insert into events.sync_device (org_id, user_id, device) values (%s, %s, uuidv7()) returning id",
            [org.id, user_id],
        ).fetchone()[0]
        for user_id in (mine, other)
    ]
    for user_id, device in zip((mine, other), devices, strict=True):
        db.execute(
            "insert into events.sync_command (org_id, id, device_id, user_id, function, arguments, outcome)"
            " select %s, uuidv7(), %s, %s, 'wms_document_post', '{}', 'DONE' from generate_series(1, 4000)",
            [org.id, device, user_id],
        )
        db.execute(
            "insert into events.sync_refusal (org_id, device_id, table_name, row_id, code)"
            " select %s, %s, 'wms_documents', uuidv7(), 'wms.period_closed' from generate_series(1, 2000)",
            [org.id, device],
        )
    db.execute("set role owner")
    db.execute("analyze events.sync_command, events.sync_refusal, events.sync_device")
    db.execute("reset role")
    page = "order by id desc limit 20"
    with acting(org, mine) as session:
        texts = {}
        for view in ("sync_commands", "sync_refusals"):
            middle = session.execute(f"select id from api.{view} order by id desc limit 1 offset 1000").fetchone()[0]
            texts[view, "newest"] = plan(session, f"select * from api.{view} {page}")
            texts[view, "deep"] = plan(session, f"select * from api.{view} where id < %s {page}", middle)
            texts[view, "one"] = plan(session, f"select * from api.{view} where id = %s", middle)
            texts[view, "device"] = plan(session, f"select * from api.{view} where device_id = %s {page}", devices[0])
    for (view, what), text in texts.items():
        table = view.removesuffix("s")
        assert f"Seq Scan on {table}" not in text, (view, what, text)
        assert f"using {table}_" in text or "using row_refused_once" in text or f"on {table}_" in text, (
            view,
            what,
            text,
        )
    for what in ("newest", "deep"):
        assert "sync_command_user_id_idx" in texts["sync_commands", what], texts
        assert " Sort (" not in texts["sync_commands", what], texts
