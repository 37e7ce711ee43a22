"""`migrate new --kind`: each template is clean, runs on a table with rows, with partitions and without, and does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from erpgres.cli import main
from erpgres.errors import Refused
from erpgres.migrate import backfill, files, kinds, sqlfile

from .conftest import Original, Tree

QUICK = backfill.Throttle(share=1.0, transactions=1000)
TABLES = {"one table": "core.plain", "partitions": "core.part"}


@dataclass
class Case:
    """Values for a kind, a query that is true afterwards, and the halves of a change: kinds after the first."""

    kind: str
    values: dict[str, str]
    proof: str
    then: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    only: str | None = None
    before: str = ""

    def __str__(self) -> str:
        return self.kind


NOT_NULL = "select attnotnull and (select bool_and(convalidated) from pg_constraint where contype = 'n' and conrelid = attrelid) from pg_attribute where attrelid = '{t}'::regclass and attname = '{c}'"  # noqa: E501
VALID = "select bool_and(convalidated) and count(*) = 1 from pg_constraint where conname = '{0}' and conrelid = '{{t}}'::regclass"  # noqa: E501
EXPANDED = "select bool_and(fresh = qty::text) from {t}"
CASES = [
    Case("add-column", {"column": "note", "type": "text", "meaning": "It's a note"}, "select count(note) = 0 from {t}"),
    Case(
        "add-column-default", {"column": "size", "type": "int", "default": "7", "meaning": "Size"},
        "select bool_and(size = 7) from {t}",
    ),
    Case(
        "add-column-computed", {"column": "token", "type": "uuid", "value": "uuidv7()", "meaning": "Token"},
        "select count(token) < 2 from {t}",
        [("add-column-computed.contract", {"column": "token"}, "select count(distinct token) > 100 from {t}")],
    ),
    Case("set-not-null", {"column": "tag"}, NOT_NULL.replace("{c}", "tag")),
    Case("add-check", {"constraint": "qty_not_negative", "check": "qty >= 0"}, VALID.format("qty_not_negative")),
    Case(
        "add-foreign-key",
        {"constraint": "place_exists", "columns": "org_id, place_id", "references": "core.place"},
        VALID.format("place_exists"),
    ),
    Case(
        "add-unique", {"constraint": "once", "columns": "org_id, id, qty"}, VALID.format("once"), only="one table",
    ),
    Case(
        "add-unique-index", {"constraint": "once", "columns": "org_id, id, qty"},
        "select indisunique and indisvalid from pg_index where indexrelid = 'core.once'::regclass",
    ),
    Case(
        "add-index", {"columns": "org_id, qty"},
        "select indisvalid from pg_index where indrelid = '{t}'::regclass and indexrelid::regclass::text ~ '_org_id'",
    ),
    Case("drop-index", {"index": "old_idx"}, "select to_regclass('core.old_idx') is null",
         before="create index old_idx on {t} (tag);"),
    Case("drop-column", {"column": "tag", "reason": "nobody reads it"},
         "select not exists (select from pg_attribute where attrelid = '{t}'::regclass and attname = 'tag')"),
    Case("drop-constraint", {"constraint": "bad"},
         "select not exists (select from pg_constraint where conname = 'bad')",
         before="alter table {t} add constraint bad check (qty < 1000000);"),
    Case("drop-table", {"reason": "nobody reads it"}, "select to_regclass('{t}') is null"),
    Case(
        "change-type", {"column": "qty", "new": "fresh", "type": "text", "forth": "new.qty::text",
                        "back": "new.fresh::integer"},
        "select count(fresh) = 0 from {t}",
        [("change-type.contract", {"column": "qty", "new": "fresh"}, "select count(fresh) = count(*) from {t}")],
    ),
    Case(
        "rename-column", {"column": "tag", "new": "label", "type": "text"}, "select count(label) = 0 from {t}",
        [("rename-column.contract", {"column": "tag", "new": "label"}, "select bool_and(label = 'x') from {t}")],
    ),
    Case(
        "split-table",
        {"new": "detail", "columns": "tag, qty", "types": "text, numeric", "meaning": "Details"},
        "select count(*) = 0 from core.detail",
        [("split-table.contract", {"new": "detail", "columns": "tag, qty"},
          "select count(*) = (select count(*) from {t}) and bool_and(tag = 'x') from core.detail")],
    ),
    Case(
        "add-partition",
        {"partition": "core.later", "key": "id", "from": "'a0000000-0000-0000-0000-000000000000'",
         "to": "'b0000000-0000-0000-0000-000000000000'"},
        "select count(*) = 3 from pg_inherits where inhparent = '{t}'::regclass", only="partitions",
        before="create table core.later (like {t} including all); insert into core.later"
        " select gen_random_uuid(), 'a0000000-0000-0000-0000-000000000001', 1, 'x', null;",
    ),
    Case("detach-partition", {"partition": "core.part_2"},
         "select count(*) = 1 from pg_inherits where inhparent = '{t}'::regclass", only="partitions"),
    Case(
        "enable-rls", {}, "select relrowsecurity and relforcerowsecurity from pg_class where oid = '{t}'::regclass",
        before="create function core.org_id() returns uuid language sql stable as 'select null::uuid';",
    ),
    Case("create-trigger", {"task": "guard"}, "select count(*) > 0 from pg_trigger where tgrelid = '{t}'::regclass"),
]  # fmt: skip
RUNS = [
    # Each kind once in the ordinary tests, on the table that is harder to change.
    pytest.param(
        case, where, id=f"{case.kind}, {where}",
        marks=() if where == (case.only or "partitions") else pytest.mark.drill,
    )
    for case in CASES
    for where in TABLES
    if case.only in (None, where)
]  # fmt: skip


def test_every_kind_is_tried() -> None:
    tried = {case.kind for case in CASES} | {kind for case in CASES for kind, _, _ in case.then}
    assert tried == set(kinds.read())


def fill(tree: Tree) -> None:
    tree.migration(
        1,
        "core_shelf",
        """
        create schema core;
        create table core.place (org_id uuid, id uuid, constraint place_pkey primary key (org_id, id));
        create table core.plain (
          org_id uuid, id uuid default uuidv7(), qty int, tag text, place_id uuid,
          constraint plain_pkey primary key (org_id, id)
        );
        create table core.part (
          org_id uuid, id uuid default uuidv7(), qty int, tag text, place_id uuid,
          constraint part_pkey primary key (org_id, id)
        ) partition by range (id);
        create table core.part_1 partition of core.part
          for values from ('00000000-0000-0000-0000-000000000000') to ('50000000-0000-0000-0000-000000000000');
        create table core.part_2 partition of core.part
          for values from ('50000000-0000-0000-0000-000000000000') to ('a0000000-0000-0000-0000-000000000000');
        insert into core.plain (org_id, qty, tag) select gen_random_uuid(), i, 'x' from generate_series(1, 300) i;
        insert into core.part select org_id, id, qty, tag from core.plain;
        insert into core.part select org_id, overlay(id::text placing '7' from 1 for 1)::uuid, qty, tag from core.plain;
        """,
    )


@pytest.fixture(scope="module")
def filled(original: Callable[[Callable[[Tree], None]], Original]) -> Original:
    return original(fill)


@pytest.fixture
def shelf(filled: Original) -> Tree:
    """A table and a partitioned one, with rows."""
    return filled.copy()


def test_every_kind_is_clean(tmp_path: Path) -> None:
    """Text rules, squawk and sqlfluff find nothing in what the kinds make."""
    texts = {case.kind: case.values for case in CASES}
    texts |= {kind: values for case in CASES for kind, values, _ in case.then}
    paths = []
    for number, (name, values) in enumerate(texts.items(), 100):
        kind = kinds.read()[name]
        if not kind.file.startswith("migration"):
            continue  # these are judged where they lie, in the tree
        mark = f"{files.NONTRANSACTIONAL}_" if kind.in_steps else ""
        path = tmp_path / f"V0{number}__core_{mark}{name.replace('-', '_').replace('.', '_')}.sql"
        path.write_text(kinds.fill(kind, "core.plain", f"try {name}", values))
        paths.append(str(path))
    done = CliRunner().invoke(main, ["lint", "--no-catalog", *paths])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(("case", "where"), RUNS)
def test_it_runs_and_does_it(shelf: Tree, case: Case, where: str) -> None:
    table = TABLES[where]
    if case.before:
        shelf.migration(2, "core_before", case.before.format(t=table))
        shelf.migrate()
    if case.kind == "enable-rls":
        shelf.write("policies/core/_schema.sql", "grant usage on schema core to member, migrator;\n")
    path = kinds.new(case.kind, table, f"try {case.kind}", case.values, shelf.root)
    assert "{" not in path.read_text().replace("{batch}", "")
    shelf.migrate(throttle=QUICK)
    if not case.then:
        assert shelf.value(case.proof.format(t=table)), path.read_text()
        return
    if case.kind in ("change-type", "split-table", "rename-column"):
        new, old = case.values["new"], case.values.get("column", "tag")
        both_ways(shelf, table, case.kind, old, new)
    for kind, values, proof in case.then:
        path = kinds.new(kind, table, f"end {case.kind}", values, shelf.root)
        shelf.migrate(throttle=QUICK)
        assert shelf.value(proof.format(t=table)), path.read_text()
    assert shelf.value("select state from ops.backfill") == "DONE"
    left = shelf.rows("select tgname from pg_trigger where tgname ~ '^sync' union all select proname from pg_proc"
                      " where proname ~ '__sync_'")  # fmt: skip
    assert left == []


def both_ways(shelf: Tree, table: str, kind: str, old: str, new: str) -> None:
    """What old code writes is seen by new code, and what new code writes by old, before the back-fill and after it."""
    value = "5" if kind == "change-type" else "'x'"
    insert = f"insert into {table} (org_id, id, {old}) values (gen_random_uuid(), "
    shelf.execute(f"{insert}'019aaaaa-0000-7000-8000-000000000001', {value})")
    if kind == "split-table":
        assert shelf.value("select tag from core.detail where id = '019aaaaa-0000-7000-8000-000000000001'") == "x"
        shelf.execute(f"update {table} set tag = 'y' where id = '019aaaaa-0000-7000-8000-000000000001'")
        assert shelf.value("select tag from core.detail where id = '019aaaaa-0000-7000-8000-000000000001'") == "y"
        shelf.execute(f"update {table} set tag = 'x' where id = '019aaaaa-0000-7000-8000-000000000001'")
        return
    where = "where id = '019aaaaa-0000-7000-8000-000000000001'"
    assert shelf.value(f"select {new}::text from {table} {where}") == value.strip("'")
    shelf.execute(f"update {table} set {new} = '6' {where}")
    assert shelf.value(f"select {old}::text from {table} {where}") == "6"
    shelf.execute(f"update {table} set {old} = {value} {where}")
    assert shelf.value(f"select {new}::text from {table} {where}") == value.strip("'")
    other = "019aaaaa-0000-7000-8000-000000000002"
    shelf.execute(f"insert into {table} (org_id, id, {new}) values (gen_random_uuid(), '{other}', {value}::text)")
    assert shelf.value(f"select {old}::text from {table} where id = '{other}'") == value.strip("'")


def test_what_is_wrong_is_refused(shelf: Tree) -> None:
    for kind, table, values, reason in (
        ("no-such", "core.plain", {}, "no such kind: no-such"),
        ("add-column", "plain", {}, "not a table: plain"),
        ("add-column", "nowhere.plain", {}, "not a table: nowhere.plain"),
        ("add-column", "core.plain", {"column": "a"}, "add-column wants type, meaning"),
        ("drop-table", "core.plain", {}, "drop-table wants reason"),
        ("drop-table", "core.plain", {"column": "a", "reason": "b"}, "drop-table does not know column"),
    ):
        with pytest.raises(Refused, match=reason):
            kinds.new(kind, table, "it", values, shelf.root)
    assert [path.name for path in (shelf.root / "migrations").glob("V0002*")] == []
    kinds.new("create-trigger", "core.plain", "it", {"task": "guard"}, shelf.root)
    with pytest.raises(Refused, match=r"tg_plain__guard\.sql is there already"):
        kinds.new("create-trigger", "core.plain", "it", {"task": "guard"}, shelf.root)


def test_the_commands_help() -> None:
    done = CliRunner().invoke(main, ["migrate", "kinds"])
    assert done.exit_code == 0 and "rename-column.contract: nothing uses the old column any more" in done.stdout
    assert CliRunner().invoke(main, ["migrate", "new", "core", "x", "--kind", "drop-table"]).exit_code == 1
    assert CliRunner().invoke(main, ["migrate", "new", "core", "x", "--set", "a=b"]).exit_code == 1


def test_the_statements_of_every_kind_parse() -> None:
    assert all(
        sqlfile.parse(kinds.fill(kinds.read()[case.kind], "core.plain", "it", case.values), "x") for case in CASES
    )
