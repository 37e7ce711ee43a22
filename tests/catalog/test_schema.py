"""The rules that every table, policy, view and function keeps, whoever adds one: the lint's rules on the catalog."""

from __future__ import annotations

from erpgres.lint import report
from erpgres.lint.rule import catalog_rules
from erpgres.lint.runner import Run
from erpgres.stack.state import State


def test_the_catalog_keeps_the_rules(stack: State) -> None:
    """Asked of the stack's own database, which the other tests of the run have worked on.

    They do not use a database as people do: an index that they do not use is not unused, and the rows that they leave
    dead within the minute that autovacuum sleeps say nothing of how it keeps up.
    """
    rules = [rule for rule in catalog_rules() if rule not in ("unused_index", "table_bloat")]
    result = Run(rules=rules, database_url=stack.dsn("migrator"))()
    assert report.write(result, "text") == ""
    assert result.allowed > 0, "the exceptions show that the rules looked at something"
