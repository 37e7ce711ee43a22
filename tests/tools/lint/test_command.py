"""`erpgres lint` as it is called."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from conftest import erpgres
from erpgres.cli import main
from erpgres.errors import Refused
from erpgres.lint import allow, catalog, docs, report, runner, scratch, suppress
from erpgres.lint.finding import Finding
from erpgres.lint.rule import CatalogRule, catalog_rules, text_rules
from erpgres.lint.runner import Run
from erpgres.lint.source import Source
from erpgres.migrate.session import StatementFailed
from erpgres.settings import ROOT

HERE = Path(__file__).parent


def test_the_repository_is_clean() -> None:
    done = erpgres("lint", "--format", "ci-annotations")
    assert (done.stdout, done.returncode) == ("", 0), done.stdout + done.stderr
    assert "no findings" in done.stderr


def test_a_file_outside_the_tree_is_judged_as_a_migration() -> None:
    bad = HERE / "bad" / "12_price_as_float.sql"
    done = erpgres("lint", str(bad), "--format", "json", "--rule", "no_float", "--rule", "documented")
    assert done.returncode == 1, done.stderr
    findings = json.loads(done.stdout)["findings"]
    assert [(item["rule"], item["object"]) for item in findings] == [("no_float", "core.gadget.price")]
    assert bad.read_text().splitlines()[findings[0]["line"] - 1].strip() == "price double precision,"


def called(*arguments: str) -> Any:
    """Call `erpgres lint` in this process: most of a process of its own would be imports."""
    return CliRunner().invoke(main, ["lint", *arguments])


def test_formats_and_exit_codes(tmp_path: Path) -> None:
    bad = tmp_path / "bad.sql"
    bad.write_text("truncate core.item, core.partner;\n")
    one = ("--no-catalog", "--rule", "write_without_where")
    done = called(*one, str(bad))
    assert done.exit_code == 1
    assert done.stdout.startswith(f"{bad}:1: write_without_where: TRUNCATE")
    done = called(*one, "--format", "ci-annotations", str(bad))
    assert done.stdout.startswith(f"::error file={bad},line=1,title=write_without_where::TRUNCATE%0A")
    done = called(*one, str(ROOT / "policies/wms"))
    assert (done.exit_code, done.stdout) == (0, "")
    count = len([*(ROOT / "policies/wms").glob("*.sql")])
    assert f"no findings in {count} files by 1 rules" in done.stderr
    done = called("--rule", "no_such_rule")
    assert done.exit_code == 1
    assert "there is no rule no_such_rule" in done.stderr
    done = called("--database-url", "postgresql://nobody@127.0.0.1:1/none", "--rule", "documented")
    assert done.exit_code == 2
    assert "cannot connect" in done.stderr
    assert called("--no-such-option").exit_code == 2
    assert called(str(tmp_path / "nothing.sql")).exit_code == 1


def test_annotations_are_escaped() -> None:
    result = runner.Result([Finding("a,b:c.sql", 3, "rule", "x", "100 % wrong", "two\nlines")])
    assert report.write(result, "ci-annotations") == (
        "::error file=a%2Cb%3Ac.sql,line=3,title=rule::x: 100 %25 wrong%0Atwo%0Alines"
    )


def test_rules_are_listed_and_explained() -> None:
    listed = json.loads(called("rules", "--format", "json").stdout)
    names = {rule["name"] for rule in listed}
    assert {*text_rules(), *catalog_rules(), "sqlfluff", "squawk", "suppression", "allow_list", "syntax"} == names
    done = called("explain", "definer_permission")
    assert "sql/lint/definer_permission.sql" in done.stdout
    assert "api.me: what anybody may know of himself" in done.stdout
    assert "squawkhq.com/docs/ban-drop-column" in docs.explain("squawk.ban-drop-column")
    with pytest.raises(Refused, match="there is no rule tenant_key"):
        docs.explain("tenant_key")


def test_every_rule_says_what_and_why() -> None:
    for rule in runner.describe():
        title, _, body = rule.documentation.partition("\n\n")
        assert "\n" not in title, rule.name
        assert len(title) > 15, rule.name
        assert rule.kind != "text" or len(body) > 60, rule.name


def test_the_index_of_rules_is_fresh() -> None:
    assert (ROOT / docs.PAGE).read_text(encoding="utf-8") == docs.page(), "run `erpgres lint rules --write`"


def small_tree(tmp_path: Path) -> Path:
    for name in (".sqlfluff", ".squawk.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "sql/lint").mkdir(parents=True)
    return tmp_path


def text_run(root: Path, *rules: str) -> list[tuple[str, int, str]]:
    found = Run(root=root, rules=list(rules), with_catalog=False, cache=root / "cache")().findings
    return [(item.rule, item.line, item.detail) for item in found]


def test_a_new_rule_has_all_its_files_and_works(tmp_path: Path) -> None:
    root = small_tree(tmp_path)
    for path in docs.new_rule("no_view_of_views", root, catalog=True):
        assert path.exists()
    rule = catalog_rules(root)["no_view_of_views"]
    assert rule.title == "say here in one line what is asked"
    text, *cases = docs.new_rule("no_dropping", root)
    namespace: dict[str, Any] = {}
    exec(compile(text.read_text(), text.name, "exec"), namespace)
    check = namespace["NoDropping"]().check
    findings = [list(check(Source.of("migrations/V1__core_x.sql", path.read_text()))) for path in cases]
    assert [len(item) for item in findings] == [1, 0]
    with pytest.raises(Refused, match="there is a rule documented"):
        docs.new_rule("documented")
    with pytest.raises(Refused, match="is no name"):
        docs.new_rule("No-Name", root)


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("-- lint: allow no_enum: kept for an old client\n", []),
        ("-- lint: allow no_enum\n", [("suppression", 1), ("no_enum", 2)]),
        ("-- lint: allow no_enums: kept for an old client\n", [("suppression", 1), ("no_enum", 2)]),
        ("-- lint: please be quiet\n", [("suppression", 1), ("no_enum", 2)]),
        ("-- squawk-ignore all\n", [("suppression", 1), ("no_enum", 2)]),
        ("-- noqa\n", [("suppression", 1), ("no_enum", 2)]),
        ("-- lint: allow index_named, no_enum: kept for an old client\n", [("suppression", 1)]),
    ],
)
def test_a_suppression_needs_a_reason_and_an_effect(
    tmp_path: Path, comment: str, expected: list[tuple[str, int]]
) -> None:
    root = small_tree(tmp_path)
    path = root / "functions/core/mood.sql"
    path.parent.mkdir(parents=True)
    path.write_text(f"{comment}create type core.mood as enum ('GOOD');\n")
    (root / "migrations").mkdir()
    path.rename(root / "migrations/V0001__core_mood.sql")
    found = text_run(root, "no_enum", "index_named", suppress.RULE)
    assert [(rule, line) for rule, line, _ in found] == expected


def test_a_suppression_covers_its_line_or_statement_only(tmp_path: Path) -> None:
    root = small_tree(tmp_path)
    (root / "migrations").mkdir()
    (root / "migrations/V0001__core_mood.sql").write_text(
        "create type core.a as enum ('A'); -- lint: allow no_enum: the first of three\n"
        "-- lint: allow no_enum: the second of three\n"
        "create type core.b as enum (\n  'B'\n);\n"
        "create type core.c as enum ('C');\n"
    )
    assert [line for _, line, _ in text_run(root, "no_enum", suppress.RULE)] == [6]


def test_an_exception_needs_a_reason_and_an_effect(tmp_path: Path) -> None:
    root = small_tree(tmp_path)
    (root / "migrations").mkdir()
    (root / "migrations/V0001__core_mood.sql").write_text("create type core.mood as enum ('GOOD');\n")
    (root / "migrations/LEDGER").write_text(f"{'0' * 64}  V0001__core_mood.sql\n")
    (root / "sql/lint/allow.csv").write_text(
        "rule,object,reason\n"
        "no_enum,migrations/V0001__core_mood.sql,part of the first release\n"
        "no_enum,core.elsewhere,there is no such thing here\n"
        "no_enum,core.mood,\n"
        "no_such_rule,core.mood,a rule that was removed\n"
        "no_enum,core.elsewhere,there is no such thing here\n"
    )
    found = text_run(root, "no_enum", allow.RULE)
    assert [(rule, line) for rule, line, _ in found] == [(allow.RULE, line) for line in (3, 4, 5, 6)]


def test_a_file_that_is_no_sql_is_a_finding(tmp_path: Path) -> None:
    root = small_tree(tmp_path)
    (root / "policies/core").mkdir(parents=True)
    (root / "policies/core/item.sql").write_text("-- Items.\n\ngrand select on core.item to member;\n")
    assert [(rule, line) for rule, line, _ in text_run(root, "syntax")] == [("syntax", 3)]


def test_released_migrations_keep_their_style(tmp_path: Path) -> None:
    """They cannot change; what is not released yet can."""
    root = small_tree(tmp_path)
    (root / "migrations").mkdir()
    for version in (1, 2):
        (root / f"migrations/V000{version}__core_x.sql").write_text("COMMENT ON SCHEMA core IS 'x';\n")
    (root / "migrations/LEDGER").write_text(f"{'0' * 64}  V0001__core_x.sql\n")
    found = Run(root=root, rules=["sqlfluff"], with_catalog=False, cache=root / "cache")().findings
    assert {(item.file, item.rule) for item in found} == {("migrations/V0002__core_x.sql", "sqlfluff.CP01")}
    assert len(list((root / "cache/sqlfluff").iterdir())) == 1
    again = Run(root=root, rules=["sqlfluff"], with_catalog=False, cache=root / "cache")().findings
    assert again == found


def test_a_catalog_rule_is_a_query_with_one_interface(clone: str) -> None:
    def ask(name: str, query: str) -> list[Finding]:
        return catalog.run(clone, [CatalogRule(name, "a rule", query)])

    columns = "'x' as object, 'y' as detail, 'z' as hint"
    assert ask("probe", f"select 'probe' as rule, {columns}") == [Finding(None, 0, "probe", "x", "y", "z")]
    with pytest.raises(Refused, match="its columns are not"):
        ask("probe", "select 'probe' as rule")
    with pytest.raises(Refused, match="it calls itself other"):
        ask("probe", f"select 'other' as rule, {columns}")
    with pytest.raises(Refused, match="read-only transaction"):
        ask("probe", f"with w as (delete from core.country returning 1) select 'probe' as rule, {columns} from w")


def test_findings_of_the_catalog_lead_to_their_files(clone: str) -> None:
    with psycopg.connect(clone) as connection:
        connection.execute("alter table core.partner no force row level security")
        connection.execute("alter view api.partners reset (security_invoker)")
    found = Run(rules=["row_security", "view_security_invoker"], database_url=clone)().findings
    places = {item.object: (item.file or "", item.line) for item in found}
    assert set(places) == {"core.partner", "api.partners"}
    for name, kind in (("core.partner", "table"), ("api.partners", "view")):
        file, line = places[name]
        assert (ROOT / file).read_text().splitlines()[line - 1].startswith(f"create {kind} {name}")


def test_the_database_of_the_lint_is_known_by_what_made_it(tmp_path: Path) -> None:
    root = small_tree(tmp_path)
    before = scratch.digest(root)
    (root / "migrations").mkdir()
    (root / "migrations/V0001__core_x.sql").write_text("select 1;\n")
    assert scratch.digest(root) != before


def test_the_database_of_a_checkout_that_is_gone_is_removed(tmp_path: Path) -> None:
    for name, checkout in (("cluster-1", tmp_path), ("cluster-2", tmp_path / "gone")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkout").write_text(str(checkout))
    (tmp_path / "sqlfluff").mkdir()
    scratch.drop_orphans(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cluster-1", "sqlfluff"]


def test_a_variable_that_hides_another_stops_the_migration(shop: Any) -> None:
    shop.write(
        "functions/core/item_count.sql",
        """
        -- Counts items.
        create or replace function core.item_count(item_id int) returns int language plpgsql stable as $$
        declare
          item_id int := 1;
        begin
          return item_id;
        end
        $$;
        """,
    )
    with pytest.raises(StatementFailed, match="shadows a previously defined variable"):
        shop.migrate()
