"""Each house rule finds its failing case and lets its passing one through."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from erpgres import settings
from erpgres.lint import catalog, runner
from erpgres.lint.finding import Finding
from erpgres.lint.rule import catalog_rules, text_rules
from erpgres.lint.source import Source, Tree

CASES = Path(__file__).parent / "cases"


def files_of(text: str) -> list[tuple[str, str]]:
    """The files in a case: each begins with a line `-- path: …`."""
    parts = re.split(r"^-- path: (\S+)\n", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def found_in_text(rule: str, case: str, root: Path) -> list[Finding]:
    sources = []
    for shown, text in files_of((CASES / rule / f"{case}.sql").read_text(encoding="utf-8")):
        (root / shown).parent.mkdir(parents=True, exist_ok=True)
        (root / shown).write_text(text, encoding="utf-8")
        sources.append(Source.of(shown, text))
    assert sources
    tree = Tree(root, sources, settings.DOMAINS)
    return runner.check_text(sources, {rule}) + runner.check_tree(tree, {rule})


@pytest.mark.parametrize("rule", text_rules())
def test_a_rule_on_text_tells_its_cases_apart(rule: str, tmp_path: Path) -> None:
    found = found_in_text(rule, "fail", tmp_path / "fail")
    assert found
    assert {item.rule for item in found} == {rule}
    assert all(item.line >= 1 and item.detail for item in found)
    assert found_in_text(rule, "pass", tmp_path / "pass") == []


def found_in_catalog(connection: psycopg.Connection[Any], rule: str, case: str) -> list[Finding]:
    """What the rule finds that it did not find before the case."""
    rules = [catalog_rules()[rule]]
    text = (CASES / rule / f"{case}.sql").read_text(encoding="utf-8")
    source = Source.of("case.sql", text)
    before = set(catalog.query(connection, rules))
    if text.startswith("-- committed"):  # in a database of the test's own, which goes away with it
        connection.rollback()
        connection.autocommit = True
        for statement in source.statements:
            connection.execute(statement.encode())
        connection.autocommit = False
    else:
        if not text.startswith("-- as: superuser"):
            connection.execute("set local role owner")
        for statement in source.statements:
            connection.execute(statement.encode())
        connection.execute("reset role")
    found = catalog.query(connection, rules)
    connection.rollback()
    if text.startswith("-- committed"):
        connection.execute("drop table core.careless")
        connection.commit()
    return [item for item in found if item not in before]


def test_the_rules_on_the_catalog_tell_their_cases_apart(clone: str) -> None:
    wrong = []
    with psycopg.connect(clone) as connection:
        for rule in catalog_rules():
            found = found_in_catalog(connection, rule, "fail")
            if {item.rule for item in found} != {rule} or not all(item.object and item.detail for item in found):
                wrong.append(f"{rule}/fail.sql: {found}")
            found = found_in_catalog(connection, rule, "pass")
            if found:
                wrong.append(f"{rule}/pass.sql: {found}")
    assert wrong == []


def test_every_rule_has_its_cases_and_every_case_its_rule() -> None:
    assert {path.name for path in CASES.iterdir()} == {*text_rules(), *catalog_rules()}


@pytest.fixture
def tree() -> Iterator[Tree]:
    yield runner.read_tree()[0]


def test_bodies_are_looked_into(tree: Tree) -> None:
    """A negative control of the parser: PL/pgSQL bodies give up their queries, at the lines where they stand."""
    source = next(source for source in tree.sources if source.shown == "functions/wms/wms_document_cancel.sql")
    function = source.functions[0]
    assert {name for name, _ in function.declared} == {"v_document", "v_row"}
    line = next(query.line for query in function.queries if query.text.lstrip().startswith("update wms.document"))
    assert source.lines[line - 1].strip() == "update wms.document as d"
