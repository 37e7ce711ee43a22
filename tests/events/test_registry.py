"""Which tables write events: every table of an organisation is in the registry, or below with a reason."""

from __future__ import annotations

import re
from typing import Any

import psycopg

NOT_RECORDED = {
    "core.analyst_login": "made and removed by the tools alone; says which organisation a login with SQL sees",
    "core.idempotency": "which requests came, and their answers, for a day; what they changed is recorded",
    "core.data_change": "which transaction changed what; the events say it of what is recorded",
    "core.import": "a log itself, of files; the rows that it loads are recorded like those of anybody",
    "core.import_row": "what stood in a file, for a day; what is loaded from it is recorded",
    "core.number_counter": "follows from the numbers of documents, whose events hold them",
    "core.number_register": "follows from the numbers of documents, whose events hold them",
    "core.signature_use": "append-only itself, and the event of the step says that it was taken",
    "core.search_word": "follows from what is searched",
    "core.searchable": "follows from the rows that it finds, whose changes are recorded",
    "core.security_event": "is a log itself, with rows of no organisation; kept apart for those who watch over access",
    "core.session": "its beginning and end are security events; the rest is renewal of tokens",
    "events.consumer": "where a reader stands, which changes with everything it reads",
    "events.event": "the events themselves",
    "events.notification": "what was made of events, for one user each",
    "events.notification_preference": "what a user wants to read; concerns nobody else",
    "events.webhook_attempt": "a log itself, of what events were sent",
    "events.webhook_delivery": "what was made of events, for one webhook each",
    "events.webhook_state": "how sending goes, which changes with each event sent",
    "events.sync_command": "a log itself; what a command did is recorded by what it changed",
    "events.sync_device": "where a device stands, which changes with each pull",
    "events.sync_held": "what a device was sent; follows from the rows, whose changes are recorded",
    "events.sync_refusal": "what a device did not get done, for its user alone",
    "events.seal": "what the events were: a proof, not business data",
    "records.reminder": "which reminders were made, once a day; each is an event of its request or crate",
    "wms.balance": "follows from the ledger",
    "wms.count_expectation": "who counts blind must not read it in the history of a line; frozen when it is written",
    "wms.reversal": "follows from the mirror, whose event names what it reverses",
    "wms.stock_value": "follows from the ledger",
    "wms.value_layer": "follows from the ledger",
    "wms.stock_ledger": "append-only itself, and wms_document.posted says that all lines of the document were written",
}  # fmt: skip
# A time or a yes or no lets nobody in, whatever it is called.
HARMLESS = {"boolean", "date", "integer", "timestamp with time zone"}
SECRET = re.compile(r"password|secret|token|hash|credential|private|otp|(^|_)pin($|_)|(^|_)key($|_)")


def tables(db: Any) -> set[str]:
    return {
        row[0]
        for row in db.execute(
            "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "join pg_attribute a on a.attrelid = c.oid and a.attname = 'org_id' and not a.attisdropped "
            "where c.relkind in ('r', 'p') and not c.relispartition "
            "and n.nspname in ('core', 'events', 'ops', 'wms', 'apparel', 'records', 'cotton')"
        )
    }


def test_every_table_of_an_organisation_is_recorded_or_excused(db: Any) -> None:
    recorded = {row[0] for row in db.execute("select table_name from core.event_entity where table_name is not null")}
    assert tables(db) - recorded == NOT_RECORDED.keys()
    assert recorded & NOT_RECORDED.keys() == set()
    assert all(NOT_RECORDED.values())


def test_every_recorded_table_has_its_triggers(db: Any) -> None:
    rows = db.execute(
        "select e.table_name, count(t.*) filter (where t.tgenabled = 'O') "
        "from core.event_entity e left join pg_trigger t on t.tgrelid = e.table_name::regclass "
        "and t.tgname in ('emit_insert', 'emit_update', 'emit_delete') where e.table_name is not null group by 1"
    ).fetchall()
    assert len(rows) > 15
    assert {count for _, count in rows} == {3}


def suspicious(connection: Any) -> set[str]:
    rows = connection.execute(
        "select e.table_name, c.name, c.type_name "
        "from core.event_entity e cross join lateral events.recorded_columns(e.entity) c where e.table_name is not null"
    ).fetchall()
    return {f"{table}.{column}" for table, column, kind in rows if kind not in HARMLESS and SECRET.search(column)}


def test_what_lets_somebody_in_is_never_recorded(db: Any) -> None:
    assert suspicious(db) == set()
    named = db.execute(
        "select e.entity, c from core.event_entity e cross join unnest(e.sensitive_columns || e.ignored_columns) c "
        "where not exists (select from pg_attribute a where a.attrelid = e.table_name::regclass and a.attname = c)"
    ).fetchall()
    assert named == [], "the registry names columns that are not there"


def test_the_search_for_secrets_can_fail(clone: str) -> None:
    with psycopg.connect(clone) as connection:
        connection.execute("alter table core.partner add column bank_token text")
        assert suspicious(connection) == {"core.partner.bank_token"}


def test_the_triggers_follow_the_registry_and_the_table(clone: str) -> None:
    with psycopg.connect(clone, autocommit=True) as connection:
        connection.execute("set role owner")
        assert connection.execute("select events.ensure_triggers()").fetchall() == []
        connection.execute("alter table core.item add column colour text, add column drawing json")
        assert connection.execute("select events.ensure_triggers()").fetchall() == [("tg_item__record",)]
        connection.execute("reset role")
        row = connection.execute("select core.create_organization('AA', 'A', 'BD', 'USD')").fetchone()
        assert row is not None
        connection.execute(
            "insert into core.item (org_id, sku, name, class, unit_code, drawing) "
            "values (%s, 'S', 'I', 'GOODS', 'C62', '{}')",
            [row[0]],
        )
        connection.execute("update core.item set colour = 'red', drawing = '{\"a\": null}'")
        event = connection.execute(
            "select before, after from events.event where type = 'item.updated' and org_id = %s", [row[0]]
        ).fetchone()
        assert event == ({"colour": None, "drawing": {}}, {"colour": "red", "drawing": {"a": None}})
        connection.execute("set role owner")
        connection.execute("delete from core.event_entity where entity = 'wms_document'")
        assert connection.execute("select events.ensure_triggers()").fetchall() == [("tg_wms_document__record",)]
        left = connection.execute(
            "select count(*) from pg_trigger "
            "where tgname like 'emit%%' and tgrelid::regclass::text ~ '^wms.document(_2|$)'"
        ).fetchone()
        assert left == (0,)


def test_a_wide_table_is_recorded(clone: str) -> None:
    """A function takes a hundred arguments, a record has two for each column."""
    with psycopg.connect(clone, autocommit=True) as connection:
        connection.execute("set role owner")
        columns = ", ".join(f"add column c{n} integer default {n}" for n in range(130))
        connection.execute(f"alter table core.org_unit {columns}")
        connection.execute("select events.ensure_triggers()")
        connection.execute("reset role")
        row = connection.execute("select core.create_organization('AA', 'A', 'BD', 'USD')").fetchone()
        assert row is not None
        connection.execute(
            "insert into core.org_unit (org_id, kind, code, name) values (%s, 'UNIT', 'U', 'U')", [row[0]]
        )
        connection.execute("update core.org_unit set c0 = -1, c129 = -2")
        rows = connection.execute(
            "select before, after from events.event where entity = 'org_unit' and org_id = %s order by id", [row[0]]
        ).fetchall()
        assert rows[0][1]["c129"] == 129
        assert rows[1] == ({"c0": 0, "c129": 129}, {"c0": -1, "c129": -2})
