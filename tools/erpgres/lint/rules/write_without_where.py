"""No statement writes every row by accident."""

from __future__ import annotations

from collections.abc import Iterator

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Source


class WriteWithoutWhere(Rule):
    """an UPDATE or DELETE has a condition, and no table is truncated

    Without one it writes every organisation's rows, or locks a whole table of a live system. A migration that fills
    a new column does it in batches, or says why all at once is right. TRUNCATE passes by row-level security.
    """

    kinds = (FUNCTION, MIGRATION)
    hint = "add the condition"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at statements and bodies."""
        for _, line, nodes in source.nodes:
            for node in nodes:
                if _writes_all(node):
                    yield Problem(line, _said(node))
        for function in source.functions:
            for query in function.queries:
                for node in query.nodes:
                    if _writes_all(node):
                        relation = getattr(node, "relation", None)
                        line = function.line_in(query, relation.location if relation else None)
                        yield Problem(line, _said(node), function.shown)


def _writes_all(node: object) -> bool:
    if isinstance(node, ast.TruncateStmt):
        return True
    return isinstance(node, (ast.UpdateStmt, ast.DeleteStmt)) and node.whereClause is None


def _said(node: object) -> str:
    kinds = {ast.UpdateStmt: "UPDATE without WHERE", ast.DeleteStmt: "DELETE without WHERE"}
    return kinds.get(type(node), "TRUNCATE")
