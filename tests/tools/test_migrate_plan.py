"""`erpgres migrate plan`: the naive form of every change is refused with its reason, the safe form passes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from erpgres.cli import main
from erpgres.errors import CannotRun
from erpgres.lint import scratch
from erpgres.migrate.files import read_accepts
from erpgres.migrate.plan import clone as cloning
from erpgres.migrate.plan import judge, live
from erpgres.migrate.plan import report as reports
from erpgres.migrate.plan.model import LAYER, Report, Verdict
from erpgres.migrate.plan.run import Options, plan, with_files
from erpgres.settings import DOMAINS
from erpgres.stack.state import State

from .conftest import HEADER, Original, Tree

ROWS = {
    "core.item": 10_000_000, "core.partner": 1_000_000, "core.movement": 40_000_000, "core.log": 20_000_000,
    "core.old_log": 5_000_000,
}  # fmt: skip
BASE = """
  create schema core;
  create schema api;
  create table core.partner (id int constraint partner_pkey primary key, code text);
  create table core.item (
    id int constraint item_pkey primary key, name text, price int, weight int, note text, size int, partner_id int
  );
  create index item_name_idx on core.item (name);
  create table core.movement (id int not null, item_id int, constraint movement_pkey primary key (id))
    partition by range (id);
  create table core.movement_1 partition of core.movement for values from (0) to (100);
  create table core.movement_2 partition of core.movement for values from (100) to (200);
  create table core.log (id int not null, text text) partition by range (id);
  create table core.log_1 partition of core.log for values from (0) to (100);
  create table core.log_rest partition of core.log default;
  create table core.old_log (id int not null, text text);
  create table core.book (id int not null, text text) partition by range (id);
  create table core.bare (id int not null, text text);
"""
VIEWS = """
  create view api.items with (security_invoker = true) as select id, name, price, note from core.item;
  create view api.partners with (security_invoker = true) as select id, code from core.partner;
"""
RENAME = """
  create or replace function api.item_rename(item_id int, name text) returns setof api.items
  language sql volatile as $$
    update core.item set name = item_rename.name where id = item_id;
    select * from api.items where id = item_id;
  $$;
  grant execute on function api.item_rename to member;
"""
NAIVE = {
    "item_token": "alter table core.item add column token uuid not null default gen_random_uuid();",
    "item_price_check": "alter table core.item add constraint price_not_negative check (price >= 0);",
    "item_partner": (
        "alter table core.item add constraint item_partner foreign key (partner_id) references core.partner (id);"
    ),
    "item_named": "alter table core.item alter column name set not null;",
    "movement_item": "create index movement_item_idx on core.movement (item_id);",
    "item_weight": "alter table core.item alter column weight type bigint;",
    "item_split": """
      create table core.item_note (id int constraint item_note_pkey primary key, note text);
      insert into core.item_note select id, note from core.item;
      alter table core.item drop column note;
    """,
    "item_filled": "update core.item set size = 1 where size is null;",
    "log_default": "create table core.book_rest partition of core.book default;",
    "log_next": "create table core.log_2 partition of core.log for values from (100) to (200);",
    "log_attached": "alter table core.book attach partition core.old_log for values from (0) to (100);",
}
REASONS = {
    "item_token": (
        "plan.rewrite_under_lock",
        r"writes core.item \(10,000,000 rows, .*\) anew: .*reads and writes wait on core.item \(ACCESS EXCLUSIVE",
    ),
    "item_price_check": ("plan.blocking_scan", r"reads core.item .*reads and writes wait on .*core.item"),
    "item_partner": ("plan.blocking_scan", r"reads core.item .*writes wait on core.partner \(SHARE ROW EXCLUSIVE"),
    "item_named": ("plan.blocking_scan", r"reads core.item .*reads and writes wait on .*core.item \(ACCESS EXCLUSIVE"),
    "movement_item": (
        "plan.index_not_concurrent",
        r"builds an index on core.movement \(40,000,000 rows.* writes wait on .*core.movement \(SHARE\)",
    ),
    "item_weight": ("plan.rewrite_under_lock", r"writes core.item .* anew"),
    "item_filled": ("plan.unbatched_write", r"about 10,000,000 rows in one statement"),
    "log_default": ("plan.default_partition", r"every partition made later reads it from end to end"),
    "log_next": ("plan.blocking_scan", r"reads core.log .*reads and writes wait on .*core.log \(ACCESS EXCLUSIVE\)"),
    "log_attached": ("plan.blocking_scan", r"reads core.old_log .*wait on .*core.old_log \(ACCESS EXCLUSIVE\)"),
}
SAFE = {
    "item_token": """
      alter table core.item add column token uuid, add column kind text not null default 'GOODS',
        add column label text generated always as (name || '!') virtual;
      alter table core.item alter column token set default gen_random_uuid();
    """,
    "item_rules": """
      alter table core.item add constraint price_not_negative check (price >= 0) not valid;
      alter table core.item add constraint name_there not null name not valid;
      alter table core.item add constraint item_partner
        foreign key (partner_id) references core.partner (id) not valid;
      alter table core.old_log add constraint in_bounds check (id >= 0 and id < 100) not valid;
    """,
    "item_rules_NONTRANSACTIONAL": """
      alter table core.item validate constraint price_not_negative;
      alter table core.item validate constraint name_there;
      alter table core.item validate constraint item_partner;
      alter table core.old_log validate constraint in_bounds;
      create index concurrently if not exists item_note_idx on core.item (note);
    """,
    "item_named": "alter table core.item alter column name set not null;",
    "movement_item": "create index movement_item_idx on only core.movement (item_id);",
    "movement_parts_NONTRANSACTIONAL": """
      create index concurrently if not exists movement_1_item_idx on core.movement_1 (item_id);
      create index concurrently if not exists movement_2_item_idx on core.movement_2 (item_id);
      alter index core.movement_item_idx attach partition core.movement_1_item_idx;
      alter index core.movement_item_idx attach partition core.movement_2_item_idx;
    """,
    "item_weight": "alter table core.item add column weight_g bigint;",
    "item_split": "create table core.item_note (id int constraint item_note_pkey primary key, note text);",
    "movement_next": "create table core.movement_3 partition of core.movement for values from (200) to (300);",
    "log_attached": "alter table core.book attach partition core.old_log for values from (0) to (100);",
}


ITEM_POLICIES = """
  create policy item_member on core.item to member using (true);
  create policy item_migrator on core.item to migrator using (true);
  grant select on core.item, api.items to member;
  grant select, update on core.item to migrator;
"""


def add(tree: Tree, migrations: dict[str, str]) -> None:
    last = max(int(path.name[1:5]) for path in (tree.root / "migrations").glob("V*.sql"))
    for version, (what, text) in enumerate(migrations.items(), start=last + 1):
        tree.migration(version, f"core_{what}", text)


def fill(tree: Tree) -> None:
    """Tables without rows, an API, policies."""
    tree.migration(1, "core_item", BASE)
    tree.write("sql/api/core.sql", VIEWS)
    tree.write("sql/api/_schema.sql", "grant usage on schema api to member;\n")
    tree.write("functions/core/item_rename.sql", RENAME)
    tree.write("policies/core/_schema.sql", "grant usage on schema core to migrator;\n")
    tree.write("policies/core/item.sql", ITEM_POLICIES)
    tree.write("policies/core/partner.sql", ITEM_POLICIES.replace("item", "partner"))
    tree.write(
        "functions/core/tg_item__stamp.sql",
        """
        create or replace function core.tg_item__stamp() returns trigger language plpgsql volatile as $$
        begin return new; end
        $$;
        create or replace trigger item__stamp before update of price, name on core.item
          for each row execute function core.tg_item__stamp();
        """,
    )
    tree.write("sql/hot/core/item_by_name.sql", "-- Items by name.\nselect * from api.items where name = 'Shirt';\n")


@pytest.fixture(scope="module")
def applied(original: Callable[[Callable[[Tree], None]], Original]) -> Original:
    return original(fill)


@pytest.fixture
def base(applied: Original) -> Tree:
    """A tree that is applied: tables without rows, an API, policies."""
    return applied.copy()


Planned = Callable[..., Report]


@pytest.fixture(scope="module")
def planned(planner: State) -> Planned:
    """Plan what a tree has pending: `planned(tree, dsn=…, rows=…, **options)`."""

    def run(tree: Tree, dsn: str | None = None, rows: dict[str, int] = ROWS, **options: Any) -> Report:
        wanted = Options(**{"root": tree.root, "rows": dict(rows), **options})
        return plan(planner, scratch.cache_folder(), dsn or tree.admin_dsn, wanted)

    return run


def verdict(report: Report, what: str) -> Verdict:
    return next(each for each in report.verdicts if what in each.name)


CHECKS = {
    "found": "select code, count(*) as times from core.partner group by code having count(*) > 1;",
    "slow": "select id from core.partner, pg_sleep(0.3);",
    "writes": "select id from core.partner for update;",
    "passes": "select id from core.partner where id < 0;",
    "later": "select id from core.made_by_found;",
}
ACCEPTS = [
    "-- accept: plan.rewrite_under_lock: the shop is closed on Sundays,", "--   and it takes a minute",
    "-- accept: plan.blocking_scan: no such finding here", "-- accept: plan.nonsense: what",
]  # fmt: skip


@pytest.fixture(scope="module")
def naive(applied: Original, planned: Planned) -> Report:
    """What the plan says of every naive form, and of everything else that it can find, in one run."""
    tree = applied.copy()
    tree.execute("insert into core.partner values (1, 'A'), (2, 'A')")
    # First: what runs by itself ends a group, and the views go with the last one.
    add(tree, {"unindexed_NONTRANSACTIONAL": "drop index concurrently core.item_name_idx;"})
    add(tree, NAIVE)
    add(tree, {
        "both": "alter table core.partner add column mail text;\ncreate index item_price_idx on core.item (price);",
        "small": "alter table core.bare add constraint texted check (text <> '');",
        "accepted": "alter table core.partner add column token uuid not null default gen_random_uuid();",
    })  # fmt: skip
    accepted = next((tree.root / "migrations").glob("*_accepted.sql"))
    text = accepted.read_text()
    accepted.write_text(text.replace("-- breaking: no\n", "\n".join(["-- breaking: no", *ACCEPTS, ""])))
    add(tree, {what: f"create table core.made_by_{what} (id int);" for what in CHECKS})
    for what, query in CHECKS.items():
        path = next((tree.root / "migrations").glob(f"*_{what}.sql"))
        path.with_suffix(".check.sql").write_text(f"{query}\n")
    tree.write("sql/api/core.sql", VIEWS.replace(", note", ""))
    tree.write("functions/core/item_rename.sql", RENAME.replace("name text", "title text").replace(".name", ".title"))
    tree.write(
        "policies/core/item.sql",
        f"""
        {ITEM_POLICIES}
        create policy item_partner on core.item for select to partner using (true);
        grant select on core.item, api.items to partner;
        """,
    )
    tree.write(
        "functions/core/item_all.sql",
        """
        create or replace function core.item_all() returns setof core.item language sql stable security definer
        set search_path = pg_catalog, pg_temp as $$ select * from core.item $$;
        """,
    )
    before = tree.objects()
    report = planned(tree, check_timeout="100ms")
    assert tree.objects() == before  # nothing was done to the live database
    return report


def test_every_naive_form_is_refused_with_its_reason(naive: Report, subtests: pytest.Subtests) -> None:
    report = naive
    for what, (rule, reason) in REASONS.items():
        with subtests.test(what):
            found = verdict(report, f"core_{what}.sql")
            assert found.refused[0].rule == rule and found.refused[0].hint, found.refused
            assert_matches(reason, found.refused[0].message)
    with subtests.test("item_split"):
        rules = {finding.rule for finding in verdict(report, "item_split").refused}
        assert {"plan.unbatched_write", "plan.data_dropped"} <= rules
    with subtests.test("api"):
        layer = verdict(report, LAYER)
        broken = {finding.place: finding.message for finding in layer.refused if finding.rule == "plan.breaking_api"}
        assert broken["view api.items"] == "column note is gone: who selects, filters or writes it gets 400"
        messages = [f.message for f in layer.refused if f.place == "function api.item_rename"]
        assert "argument name is gone: who sends it gets 404" in messages
        assert "argument title (text) is new and required" in messages
    with subtests.test("reports"):
        text, markdown = reports.write(report, "text"), reports.write(report, "markdown")
        assert "REFUSED  V0003__core_item_token.sql" in text and "instead: add it without a default" in text
        assert "| ❌ | `V0003__core_item_token.sql` |" in markdown
        assert json.loads(reports.write(report, "json"))["passes"] is False
        assert not any(f.rule == "plan.lock_table" for v in report.verdicts for f in v.findings)


def assert_matches(pattern: str, text: str) -> None:
    import re

    assert re.search(pattern, text), text


def test_every_safe_form_passes(base: Tree, planned: Planned, subtests: pytest.Subtests) -> None:
    add(base, SAFE)
    view = "select id, name, price, note, token from core.item;"
    base.write("sql/api/core.sql", VIEWS.replace("select id, name, price, note from core.item;", view))
    base.write("functions/core/item_rename.sql", RENAME.replace("name text)", "name text, why text default null)"))
    report = planned(base)
    for found in report.verdicts:
        with subtests.test(found.name):
            assert not found.refused, found.refused
    scans = verdict(report, "item_rules_NONTRANSACTIONAL").statements
    assert [bool(statement.why) for statement in scans] == [True] * 5
    assert scans[0].estimate.high > 1 and scans[4].locks[0].mode == "SHARE UPDATE EXCLUSIVE"
    assert not verdict(report, "item_rules_NONTRANSACTIONAL").held or all(
        held.estimate.high < 0.5 for held in verdict(report, "item_rules_NONTRANSACTIONAL").held
    )
    # The trigger is left alone, though a dump does not keep the order of its columns.
    assert sorted(report.repeatable) == ["functions/core/item_rename.sql", "sql/api/core.sql"]
    messages = {change["message"] for change in report.contract if not change["breaking"]}
    assert {"column token (uuid) is new", "argument why (text) is new"} <= messages
    assert "✅ Migration plan" in reports.write(report, "markdown")


def test_a_lock_that_was_taken_earlier_counts_while_another_table_is_read(naive: Report) -> None:
    found = verdict(naive, "both")
    assert [finding.rule for finding in found.refused] == ["plan.index_not_concurrent"]
    assert_matches(
        r"reads and writes wait on .*core\.partner \(ACCESS EXCLUSIVE since line 5\)", found.refused[0].message
    )
    waits = {held.table: held for held in found.held}
    assert waits["core.partner"].keeps_out == "reads and writes" and waits["core.partner"].estimate.high > 1
    # A table with few rows may be read under any lock: it is over before anybody waits for long.
    assert verdict(naive, "small").refused == []


def test_findings_are_accepted_by_the_header_with_a_reason(naive: Report) -> None:
    assert read_accepts("\n".join(ACCEPTS))[0] == (
        "plan.rewrite_under_lock", "the shop is closed on Sundays, and it takes a minute"
    )  # fmt: skip
    found = verdict(naive, "accepted")
    assert [(f.rule, f.accepted) for f in found.findings] == [
        ("plan.rewrite_under_lock", "the shop is closed on Sundays, and it takes a minute"),
        ("plan.accept_unclear", None),
    ]
    assert "there is no rule plan.nonsense" in found.refused[0].message


def test_an_acceptance_that_covers_nothing_is_noted() -> None:
    found = Verdict("V0002__core_item.sql", "", accepts=[("plan.blocking_scan", "no such finding here")])
    judge.accept([found], [])
    assert found.notes == ["the acceptance of plan.blocking_scan covers nothing here"]


def test_access_that_widens_is_refused_and_shown(naive: Report) -> None:
    layer = verdict(naive, LAYER)
    found = {(f.place, f.message) for f in layer.refused if f.rule == "plan.access_widened"}
    assert ("table core.item", "partner may SELECT") in found
    assert ("table core.item", "policy item_partner is new: permissive r {partner} using (true)") in found
    assert ("function core.item_all()", "is new and runs with the rights of owner") in found
    accepted = copy.deepcopy(naive.verdicts)
    judge.accept(accepted, [("plan.access_widened", "partners see all items from now on")])
    assert not [f for v in accepted for f in v.refused if f.rule == "plan.access_widened"]


def test_a_hot_query_that_loses_its_index_is_found(naive: Report) -> None:
    (found,) = (f for f in verdict(naive, LAYER).refused if f.rule == "plan.lost_index")
    assert_matches("reads core.item from end to end, without core.item_name_idx", found.message)
    assert verdict(naive, "unindexed").statements[0].locks[0].mode == "SHARE UPDATE EXCLUSIVE"


def test_data_checks_run_on_the_live_rows(naive: Report) -> None:
    found = {what: verdict(naive, f"core_{what}.sql") for what in CHECKS}
    assert not any(f.rule == "plan.statement_failed" for v in naive.verdicts for f in v.refused), naive.refused
    assert [f.rule for v in found.values() for f in v.refused] == ["plan.data_check"] * 3
    assert found["found"].refused[0].message == "the live data stand against it: code=A, times=2"
    assert_matches("did not end within 100ms", found["slow"].refused[0].message)
    assert_matches("read-only transaction", found["writes"].refused[0].message)
    assert_matches("found no row in", found["passes"].notes[0])
    assert_matches("needs what an earlier pending migration makes", found["later"].notes[0])


def test_a_statement_that_fails_is_refused_where_it_stands(base: Tree, planned: Planned) -> None:
    """Planned by the login that migrates, which is enough."""
    base.execute("insert into core.partner select n, 'P' || n from generate_series(1, 200) as n")
    base.execute("analyze core.partner")
    add(base, {
        "token": NAIVE["item_token"],
        "wrong": "alter table core.item add column kind text;\nalter table core.nowhere add column a int;",
        "later": "create table core.later (id int);",
    })  # fmt: skip
    report = planned(base, base.dsn, rows={"core.item": 10_000_000})
    assert any("column statistics of" in note and "core.partner" in note for note in report.notes), report.notes
    assert verdict(report, "token").refused[0].rule == "plan.rewrite_under_lock"
    found = verdict(report, "wrong")
    assert [f.rule for f in found.refused] == ["plan.statement_failed"]
    assert found.refused[0].place == "migrations/V0003__core_wrong.sql line 6"
    assert '"core.nowhere" does not exist' in found.refused[0].message
    assert verdict(report, "later").notes == ["not looked at: a statement before it failed"]


def test_files_that_are_not_in_the_tree_are_tried_as_the_next(base: Tree, planned: Planned, tmp_path: Path) -> None:
    """And who is in its way now is named."""
    idea = tmp_path / "My idea.sql"
    idea.write_text(HEADER.format(domain="core") + NAIVE["item_named"])
    work = tmp_path / "work"
    work.mkdir()
    with (
        with_files(base.root, DOMAINS, [idea], work) as (root, names),
        psycopg.connect(base.admin_dsn, application_name="long report") as other,
    ):
        assert names == ["V0002__core_my_idea.sql"]
        other.execute("select count(*) from core.item")
        report = planned(base, root=root, only=names, patience=0.0)
    found = {f.rule: f.message for f in verdict(report, "my_idea").refused}
    assert set(found) == {"plan.blocking_scan", "plan.lock_queue"}
    assert_matches(
        "ACCESS EXCLUSIVE on core.item would wait now for process .* application long report, idle in",
        found["plan.lock_queue"],
    )
    assert "reads and writes wait behind it" in found["plan.lock_queue"]
    assert not list((base.root / "migrations").glob("V0002*"))


def test_the_clone_is_like_the_live_database_and_leaves_nothing(base: Tree, planner: State) -> None:
    base.execute("create role plan_guest")
    try:
        base.execute("grant select on api.items to plan_guest")
        facts = live.look(base.admin_dsn, {"core.item": 3_000_000_000})
        clone = cloning.make(planner, base.admin_dsn, facts, [("ops", "schema_version")])
        with clone.connect() as connection:
            granted = "select has_table_privilege('plan_guest', 'api.items', 'select')"
            assert connection.execute(granted).fetchone() == (True,)
        clone.grow()
        with clone.connect() as connection:
            size, sum_of = connection.execute(
                "select pg_relation_size('core.item'), (select count(*) from core.partner)"
            ).fetchone() or (0, 0)
            assert size > 250_000_000_000 and sum_of == 0  # as long as the live one, and no byte of it written
        clone.shrink()
        with clone.connect() as connection:
            assert connection.execute("select pg_relation_size('core.item')").fetchone() == (0,)
        cloning.drop(planner)
        with psycopg.connect(planner.dsn("postgres", "postgres")) as connection:
            left = connection.execute(
                "select (select count(*) from pg_database where datname = 'plan'),"
                " (select count(*) from pg_roles where rolname = 'plan_guest')"
            ).fetchone()
            assert left == (0, 0)
    finally:
        base.execute("drop owned by plan_guest")
        base.execute("drop role plan_guest")


def test_the_command(base: Tree, planned: Planned) -> None:
    done = CliRunner().invoke(main, ["migrate", "plan", "--help"])
    assert done.exit_code == 0 and "erpgres migrate plan --format markdown" in done.output
    done = CliRunner().invoke(main, ["migrate", "plan", "--rows", "nonsense"])
    assert done.exit_code == 2 and "wanted is schema.table=N" in done.output
    done = CliRunner().invoke(main, ["migrate", "plan", "--accept", "plan.lock_queue:"])
    assert done.exit_code == 2 and "a rule, a colon and a reason" in done.output
    with pytest.raises(CannotRun, match="does not answer"):
        planned(base, "host=127.0.0.1 port=1 user=nobody")
