"""Views list their columns."""

from __future__ import annotations

from collections.abc import Iterator

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import ANALYTICS, API, Source


class ViewColumnsListed(Rule):
    """a view lists its columns

    With `*` a new column of a table would be shown to clients the day it is made, without a comment and without a
    decision.
    """

    kinds = (API, ANALYTICS)
    hint = "name the columns"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look for stars in the select lists of views."""
        for statement, line, nodes in source.nodes:
            if not isinstance(statement, (ast.ViewStmt, ast.CreateTableAsStmt)):
                continue
            for node in nodes:
                if not isinstance(node, ast.ResTarget) or not isinstance(node.val, ast.ColumnRef):
                    continue
                if isinstance(node.val.fields[-1], ast.A_Star):
                    yield Problem(source.line(node.location) if node.location > 0 else line, "selects *")
