"""What the tags of answers cover: every view, every table behind it, every function that they call."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from conftest import cloned
from erpgres.bench import staleness
from erpgres.prove.world import World, make

UNTAGGED = {
    "event_consumers": "events.consumer",
    "events": "events.event",
    "security_events": "core.security_event",
    "sessions": "core.session",
    "webhook_attempts": "events.webhook_attempt",
    "webhook_deliveries": "events.webhook_delivery",
    "webhooks": "events.webhook_state",
}
SECONDS = {"lookup": 600, "transactional": 60, "style": 300, "material": 1800, "live": 0}
# A change at commit of a covered table without a note of a table that covers it ends the transaction.
WATCH = """
create function prove_note() returns trigger language plpgsql security definer as $$
begin
  if not exists (
    select from core.data_change as d where d.xid = pg_current_xact_id() and d.source = any (tg_argv)
  ) then
    raise '% changed alone', tg_table_name;
  end if;
  return null;
end
$$
"""


def rows(connection: Any, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()  # type: ignore[no-any-return]


def test_every_view_has_one_cache_class(db: Any) -> None:
    views = {name for (name,) in rows(db, "select viewname from pg_views where schemaname = 'api'")}
    assert {name for (name,) in rows(db, "select view_name from core.cached_view")} == views
    assert dict(rows(db, "select code, max_age_seconds from core.cache_class")) == SECONDS
    found = rows(
        db,
        "select a.view_name, a.cache_control, c.max_age_seconds from core.api_source as a "
        "join core.cache_class as c on c.code = a.cache_class",
    )
    assert {view for view, _, _ in found} == views
    for _, header, seconds in found:
        assert header == (f"private, max-age={seconds}" if seconds else "private, no-cache")


def test_every_view_is_tagged_or_excused(db: Any) -> None:
    found = dict(rows(db, "select view_name, untagged_because from core.api_source where not is_tagged"))
    assert found.keys() == UNTAGGED.keys()
    for view, table in UNTAGGED.items():
        assert table in found[view]


def test_functions_whose_body_is_a_string_say_what_they_read(db: Any) -> None:
    assert rows(db, "select * from core.api_dependencies() where kind = 'unknown'") == []
    for name, reads, body in rows(
        db,
        "select f.function_name, f.reads, p.prosrc from core.data_function as f "
        "join pg_proc as p on p.pronamespace::regnamespace || '.' || p.proname = f.function_name",
    ):
        named = set(re.findall(r"\b(?:from|join)\s+([a-z]+\.[a-z_]+)\b(?!\s*\()", body))
        rights = {
            table for (table,) in rows(db, "select table_name from core.data_source where 'access' = any (writes)")
        }
        # Who is not PostgREST; the key of a session, which core.pre_request adds.
        missing = named - set(reads) - {"core.analyst_login", "core.api_key"} - (rights if "access" in reads else set())
        assert missing == set(), name
    said = {name for (name,) in rows(db, "select function_name from core.data_function")}
    there = {name for (name,) in rows(db, "select distinct pronamespace::regnamespace || '.' || proname from pg_proc")}
    assert said <= there


def test_every_source_has_its_triggers(db: Any) -> None:
    lacking = rows(
        db,
        "select distinct s.source from core.api_source as a cross join unnest(a.sources) as s (source) "
        "where a.is_tagged and s.source <> 'access' and (select count(distinct o.n) from pg_trigger as t "
        "cross join lateral (values (4, 1), (8, 2), (16, 3), (32, 4)) as o (bit, n) "
        "where t.tgrelid = to_regclass(s.source) and t.tgenabled = 'O' and t.tgtype & 1 = 0 and t.tgtype & o.bit > 0 "
        "and (t.tgname ~ '^(emit|note)_')) < 4",
    )
    assert lacking == []


@pytest.fixture(scope="module")
def stage(stack: Any) -> Iterator[tuple[staleness.Stage, World]]:
    """The proof's rows in a database of their own; that tables change together is watched from the first row on."""
    with cloned(stack) as name:
        with psycopg.connect(stack.dsn("postgres", name), autocommit=True) as connection:
            connection.execute(WATCH)
            for table, covered_by in rows(
                connection, "select table_name, covered_by from core.data_source where cardinality(covered_by) > 0"
            ):
                connection.execute(
                    f"create constraint trigger prove_note after insert or update or delete on {table} "
                    f"deferrable initially deferred for each row execute function "
                    f"prove_note({', '.join(repr(source) for source in covered_by)})"
                )
            world = make(connection)
        principals = staleness.readers_of([*world.callers, *world.strangers])
        found = staleness.Stage(stack.dsn("postgres", name), stack.dsn("authenticator", name), principals)
        found.prepare()
        yield found, world
        found.close()


def test_what_is_covered_changes_with_what_covers_it(stage: tuple[staleness.Stage, World]) -> None:
    with psycopg.connect(stage[0].superuser, autocommit=True) as connection:
        for (table,) in rows(connection, "select table_name from core.data_source where cardinality(covered_by) > 0"):
            assert rows(connection, f"select count(*) > 0 from {table}") == [(True,)]
        # and the watch bites
        with pytest.raises(psycopg.errors.RaiseException, match="changed alone"):
            connection.execute("delete from wms.reversal")


def test_a_change_of_any_table_shows_in_the_tags(stage: tuple[staleness.Stage, World]) -> None:
    place = stage[0]
    readers = [reader for reader in place.readers if reader.principal.name in ("admin", "unit", "partner")]

    with psycopg.connect(place.superuser) as connection:
        rights = {
            t for (t,) in rows(connection, "select table_name from core.data_source where 'access' = any (writes)")
        }
    first = {view: reader for reader in reversed(readers) for view in reader.views}

    def ask(table: str | None = None) -> dict[tuple[str, str], tuple[str | None, str]]:
        """By the first who reads a view; by the others where it stands on the table, or rights do."""
        return {
            (r.principal.name, view): r.ask(view)
            for r in readers
            for view in r.views
            if table is None or r is first[view] or table in place.tables[view] or table in rights
        }

    before = ask()
    assert all(tag for tag, _ in before.values())
    moved = set()
    with psycopg.connect(place.superuser, autocommit=True) as connection:
        for table, ways in sorted(place.changes.items()):
            for statement in (ways[0], ways[-1]):
                with contextlib.suppress(psycopg.Error):  # a value out of range, a rule of the business
                    connection.execute(statement, [])  # type: ignore[arg-type]
            after = ask(table)
            for key, (tag, body) in after.items():
                if body != before[key][1]:
                    moved.add(table)
                    assert tag != before[key][0], f"{table} changes {key} under its tag"
            before |= after
        # At last by everybody: whatever changed, a tag that is still the same stands for the same.
        for key, (tag, body) in ask().items():
            assert tag != before[key][0] or body == before[key][1], key
    assert len(moved) > 30


@pytest.mark.timeout(300)
def test_random_histories_show_nothing_stale(stage: tuple[staleness.Stage, World]) -> None:
    outcome = staleness.check(stage[0], 120, seed=7)
    assert outcome.stale == []
    assert outcome.compared > 100
    assert outcome.commits > 50
    assert outcome.untagged == 0


@pytest.mark.parametrize(
    "bug", [pytest.param(bug, marks=pytest.mark.drill) if bug == "rights" else bug for bug in staleness.BUGS]
)
def test_a_broken_tag_is_found(stage: tuple[staleness.Stage, World], bug: str) -> None:
    with psycopg.connect(stage[0].superuser, autocommit=True) as connection:
        tag = rows(connection, "select pg_get_functiondef(oid) from pg_proc where proname = 'data_tag'")[0][0]
        try:
            assert staleness.check(stage[0], 3000, seed=1, bug=bug).stale != []
        finally:
            connection.execute(tag)
            connection.execute("select core.ensure_sources()")


def test_functions_that_write_take_a_version_or_say_why_not(db: Any) -> None:
    excused = dict(rows(db, "select function_name, reason from core.unversioned_function"))
    writing = dict(
        rows(
            db,
            "select p.proname, coalesce('version' = any (p.proargnames), false) from pg_proc as p "
            "where p.pronamespace = 'api'::regnamespace and p.provolatile = 'v' and p.prorettype <> 'trigger'::regtype",
        )
    )
    assert {name for name, takes in writing.items() if not takes} == excused.keys()
    assert all(excused.values())
