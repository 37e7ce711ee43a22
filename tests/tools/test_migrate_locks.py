"""The lock table: it agrees with PostgreSQL, a wrong one is noticed, and statements are found in it."""

from __future__ import annotations

import pglast
import pytest
from click.testing import CliRunner

from erpgres.cli import main
from erpgres.migrate.locks import measure, table
from erpgres.migrate.locks.classify import classify, concurrent_tables
from erpgres.migrate.locks.table import Row, blocks, conflict

from .conftest import Tree

SOME = ("add_column", "add_column_volatile", "set_not_null", "set_not_null_proven", "add_foreign_key", "create_index",
        "create_index_concurrently", "attach_partition_beside_default", "validate_check")  # fmt: skip


def test_a_handful_is_as_the_table_says(tree: Tree) -> None:
    rows = measure.measure(tree.admin_dsn, SOME)
    assert [row.kind for row in rows] == [name for name in table.kinds() if name in SOME]
    stored = table.read(measure.major(tree.admin_dsn))
    assert table.difference(stored, rows) == []
    by_kind = {row.kind: row for row in rows}
    assert by_kind["set_not_null"].scan == {"item"} and by_kind["set_not_null_proven"].scan == frozenset()
    assert tree.value("select to_regnamespace('lk')") is None
    wrong = {**stored, "add_column": Row("add_column", "SHARE", {}, frozenset({"item"}), frozenset())}
    assert table.difference(wrong, [by_kind["add_column"]]) == [
        "add_column: lock is ACCESS EXCLUSIVE, the table says SHARE",
        "add_column: rewrite is none, the table says item",
    ]


def test_every_kind_was_measured() -> None:
    for version in table.versions():
        assert list(table.read(version)) == list(table.kinds())


@pytest.mark.parametrize(
    ("one", "other", "excludes"),
    [
        ("ACCESS EXCLUSIVE", "ACCESS SHARE", True), ("SHARE", "ROW EXCLUSIVE", True), ("SHARE", "SHARE", False),
        ("SHARE UPDATE EXCLUSIVE", "ROW EXCLUSIVE", False), ("SHARE UPDATE EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", True),
        ("ROW SHARE", "EXCLUSIVE", True), ("ROW SHARE", "SHARE ROW EXCLUSIVE", False),
    ],
)  # fmt: skip
def test_conflicts(one: str, other: str, excludes: bool) -> None:
    assert conflict(one, other) is excludes and conflict(other, one) is excludes


def test_what_a_lock_keeps_out() -> None:
    found = {mode: blocks(mode) for mode in table.MODES}
    assert [mode for mode, out in found.items() if out == "reads and writes"] == ["ACCESS EXCLUSIVE"]
    assert [mode for mode, out in found.items() if out == "writes"] == ["SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE"]


@pytest.mark.parametrize("name", sorted(table.kinds()))
def test_a_statement_is_found_to_be_of_its_kind(name: str) -> None:
    kind = table.kinds()[name]
    unknown = {"set_access_method", "create_table", "create_table_references", "create_view", "replace_view", "grant",
               "comment", "alter_sequence", "analyze"}  # fmt: skip
    found = classify(pglast.parse_sql(kind.statement)[0].stmt)
    kinds = {each for part in found for each in part.kinds}
    assert (name in kinds) is (name not in unknown)
    assert (concurrent_tables(pglast.parse_sql(kind.statement)[0].stmt) is not None) is kind.alone or name == "analyze"


def test_the_commands() -> None:
    shown = CliRunner().invoke(main, ["migrate", "locks"])
    assert shown.exit_code == 0
    assert "SET NOT NULL                                         ACCESS EXCLUSIVE         no       yes" in shown.stdout
    assert CliRunner().invoke(main, ["migrate", "locks", "--postgres", "9"]).exit_code == 2
    wrong = CliRunner().invoke(main, ["migrate", "locks", "measure", "nonsense"])
    assert wrong.exit_code == 1 and "no such kind: nonsense" in wrong.output
    measured = CliRunner().invoke(main, ["migrate", "locks", "measure", "add_check", "rename_column"])
    assert measured.exit_code == 0 and "2 kinds measured on PostgreSQL 18, 0 differences" in measured.stderr
