"""Every template of `migrate new --kind` passes the plan on tables of ten million rows."""

from __future__ import annotations

import pytest

from erpgres.lint import scratch
from erpgres.migrate import kinds
from erpgres.migrate.plan.model import LAYER, Report
from erpgres.migrate.plan.run import Options, plan
from erpgres.stack.state import State

from .conftest import Tree

BASE = """
  create schema core;
  create schema api;
  create table core.partner (id int constraint partner_pkey primary key, code text);
  create table core.item (
    id int constraint item_pkey primary key, name text, price int, weight int, note text, size int, color text,
    partner_id int
  );
  create index item_size_idx on core.item (size);
  create table core.movement (id int not null, item_id int, constraint movement_pkey primary key (id))
    partition by range (id);
  create table core.movement_1 partition of core.movement for values from (0) to (100);
  create table core.movement_2 partition of core.movement for values from (100) to (200);
  create table core.old_log (id int not null, text text);
  create table core.book (id int not null, text text) partition by range (id);
  create table core.unused (id int constraint unused_pkey primary key);
"""
ROWS: dict[str, float] = {
    "core.item": 10_000_000, "core.partner": 10_000_000, "core.movement": 10_000_000, "core.old_log": 10_000_000,
    "core.unused": 10_000_000,
}  # fmt: skip
# Those that say in their header why what they drop is not needed.
DROPS = {"drop-column", "drop-table", "change-type.contract", "rename-column.contract", "split-table.contract"}
CALLS: list[tuple[str, str, dict[str, str]]] = [
    ("add-check", "core.item", {"constraint": "price_not_negative", "check": "price >= 0"}),
    ("add-column", "core.item", {"column": "mail", "type": "text", "meaning": "Mail"}),
    ("add-column-default", "core.item", {"column": "kind", "type": "text", "default": "'A'", "meaning": "Kind"}),
    (
        "add-column-computed", "core.item",
        {"column": "token", "type": "uuid", "value": "gen_random_uuid()", "meaning": "Token"},
    ),
    ("add-column-computed.contract", "core.item", {"column": "token"}),
    (
        "add-foreign-key", "core.item",
        {"constraint": "item_partner", "columns": "partner_id", "references": "core.partner", "key": "id"},
    ),
    ("add-index", "core.movement", {"columns": "item_id"}),
    ("add-index", "core.item", {"columns": "name"}),
    ("add-partition", "core.book", {"partition": "core.old_log", "key": "id", "from": "0", "to": "100"}),
    ("add-unique-index", "core.partner", {"constraint": "one_code", "columns": "code"}),
    ("add-unique", "core.item", {"constraint": "one_price", "columns": "price, id"}),
    (
        "change-type", "core.item",
        {"column": "weight", "new": "weight_g", "type": "bigint", "forth": "new.weight", "back": "new.weight_g"},
    ),
    ("change-type.contract", "core.item", {"column": "weight", "new": "weight_g"}),
    ("rename-column", "core.item", {"column": "color", "new": "shade", "type": "text"}),
    ("rename-column.contract", "core.item", {"column": "color", "new": "shade"}),
    ("set-not-null", "core.item", {"column": "name"}),
    (
        "split-table", "core.item",
        {"new": "item_text", "columns": "note", "types": "text", "meaning": "Texts", "key": "id", "key_types": "int"},
    ),
    ("split-table.contract", "core.item", {"new": "item_text", "columns": "note"}),
    ("detach-partition", "core.movement", {"partition": "core.movement_2"}),
    ("drop-constraint", "core.item", {"constraint": "price_not_negative"}),
    ("drop-index", "core.item", {"index": "item_size_idx"}),
    ("drop-column", "core.item", {"column": "size", "reason": "nobody reads it"}),
    ("drop-table", "core.unused", {"reason": "nobody reads it"}),
    ("create-trigger", "core.partner", {"task": "stamp"}),
]  # fmt: skip


def test_every_kind_is_tried_here() -> None:
    tried = {kind for kind, _, _ in CALLS}
    # Policies are no migration; the proof of access judges them.
    assert tried == kinds.read().keys() - {"enable-rls"}


def planned(
    planner: State,
    tree: Tree,
    subtests: pytest.Subtests,
    calls: list[tuple[str, str, dict[str, str]]],
    rows: dict[str, float],
) -> Report:
    """Plan a file of each kind, and ask that it passes."""
    made: dict[str, str] = {}
    for number, (kind, table, values) in enumerate(calls):
        path = kinds.new(kind, table, f"{kind.replace('.', ' ')} {number}", values, tree.root)
        made[path.name] = kind
    report = plan(planner, scratch.cache_folder(), tree.admin_dsn, Options(root=tree.root, rows=rows))
    for verdict in report.verdicts:
        kind = made.get(verdict.name, "layer")
        with subtests.test(kind):
            assert not verdict.refused, verdict.refused
            accepted = {finding.rule for finding in verdict.findings if finding.accepted}
            assert accepted == ({"plan.data_dropped"} if kind in DROPS else set())
            assert not any("covers nothing" in note for note in verdict.notes), verdict.notes
            assert all(held.estimate.high <= report.budget for held in verdict.held), verdict.held
    return report


def test_every_template_passes(tree: Tree, planner: State, subtests: pytest.Subtests) -> None:
    tree.migration(1, "core_base", BASE)
    tree.write("sql/api/core.sql", "create view api.items with (security_invoker) as select id, name from core.item;\n")
    grants = "grant select, insert, update, delete on core.{} to migrator;\n"  # back-fills are done by the login
    tree.write("policies/core/_schema.sql", "grant usage on schema core to migrator;\n")
    tree.write("policies/core/item.sql", grants.format("item"))
    tree.migrate()
    first = planned(planner, tree, subtests, [call for call in CALLS if not call[0].endswith(kinds.CONTRACT)], ROWS)
    partitions = next(v for v in first.verdicts if "add_index" in v.name)
    built = [each.text.lower() for each in partitions.statements if each.builds]
    assert any("concurrently" in text and "movement_1" in text for text in built), built
    assert any(each.estimate.high > 1 for each in partitions.statements)
    tree.write("policies/core/item_text.sql", grants.format("item_text"))
    tree.migrate()
    tree.execute("update ops.backfill set state = 'DONE', finished_at = now()")
    second = planned(
        planner, tree, subtests, [call for call in CALLS if call[0].endswith(kinds.CONTRACT)], {"core.item": 1e7}
    )
    assert len([v for v in second.verdicts if v.name != LAYER]) == 4
