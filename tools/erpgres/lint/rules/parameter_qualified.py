"""Parameters in queries."""

from __future__ import annotations

from collections.abc import Iterator

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Source


class ParameterQualified(Rule):
    """in a condition a parameter is qualified by its function

    Parameters are plain names, the JSON keys of the request, and so are columns: `where id = id` is true for every row
    (in SQL functions) or fails at run time (in PL/pgSQL). Judged are comparisons of a name with itself and of a
    qualified column with the bare parameter of its own name.
    """

    kinds = (FUNCTION, MIGRATION)
    hint = "function_name.parameter"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at comparisons."""
        for function in source.functions:
            names = set(function.parameters)
            for query in function.queries:
                nodes = query.nodes
                if not any(isinstance(node, (ast.RangeVar, ast.RangeFunction)) for node in nodes):
                    continue  # no columns that a name could mean
                for node in nodes:
                    if not isinstance(node, ast.A_Expr):
                        continue
                    sides = [_name(node.lexpr), _name(node.rexpr)]
                    if None in sides:
                        continue
                    (left, left_bare), (right, right_bare) = sides  # type: ignore[misc]
                    if left == right and left in names and (left_bare or right_bare):
                        line = function.line_in(query, node.location)
                        yield Problem(line, f"compares {left} with the unqualified {left}", function.shown)


def _name(node: object) -> tuple[str, bool] | None:
    if not isinstance(node, ast.ColumnRef) or not isinstance(node.fields[-1], ast.String):
        return None
    return str(node.fields[-1].sval), len(node.fields) == 1
