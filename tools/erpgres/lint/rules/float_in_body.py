"""No computing with floating point."""

from __future__ import annotations

from collections.abc import Iterator

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import API, FUNCTION, MIGRATION, Source

_FLOATS = frozenset({"float4", "float8", "float", "real", "money"})


class FloatInBody(Rule):
    """no function or view computes with floating point or the type money

    A quantity that goes through double precision comes back as another. Columns are the matter of no_float.
    """

    kinds = (FUNCTION, MIGRATION, API)
    hint = "numeric"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at the types of casts and declarations."""
        for statement, line, nodes in source.nodes:
            if isinstance(statement, ast.ViewStmt):
                for node in nodes:
                    if _is_float(node):
                        at = source.line(node.location) if node.location > 0 else line
                        yield Problem(at, "casts to floating point")
        for function in source.functions:
            for query in function.queries:
                for node in query.nodes:
                    if _is_float(node):
                        yield Problem(function.line_in(query, node.location), "casts to floating point", function.shown)
            lines = function.body.splitlines()
            for name, line in function.declared:
                row = lines[line - function.body_line] if 0 <= line - function.body_line < len(lines) else ""
                words = row.replace(name, "", 1).replace(";", " ").split()
                if words and (words[0].lower() in _FLOATS or words[:2] == ["double", "precision"]):
                    yield Problem(line, f"declares {name} as floating point", function.shown)


def _is_float(node: object) -> bool:
    return isinstance(node, ast.TypeName) and bool(node.names) and node.names[-1].sval in _FLOATS
