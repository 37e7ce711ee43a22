"""Claims are read as they are on a pooled connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import API, FUNCTION, MIGRATION, POLICY, Source

_CAST = ("request.jwt", "request.headers", "request.cookies")


class ClaimsWithNullif(Rule):
    """claims, headers and cookies are read as nullif(current_setting('request.…', true), '')

    After a commit on a pooled connection such a setting is '' and not NULL, and a cast of '' to json fails; without
    `true` it is an error where PostgREST is not the caller.
    """

    kinds = (FUNCTION, MIGRATION, POLICY, API)
    hint = "nullif(current_setting('request.jwt.claims', true), '')"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at the calls of current_setting in statements and bodies."""
        for _, line, nodes in source.nodes:
            for detail, location in _bare(nodes):
                yield Problem(source.line(location) if location > 0 else line, detail)
        for function in source.functions:
            for query in function.queries:
                for detail, location in _bare(query.nodes):
                    yield Problem(function.line_in(query, location), detail, function.shown)


def _bare(nodes: list[Any]) -> Iterator[tuple[str, int]]:
    wrapped = set()
    for node in nodes:
        if isinstance(node, ast.A_Expr) and node.kind.name == "AEXPR_NULLIF":
            wrapped.add(id(node.lexpr))
    for node in nodes:
        if not isinstance(node, ast.FuncCall) or node.funcname[-1].sval != "current_setting" or not node.args:
            continue
        name = getattr(getattr(node.args[0], "val", None), "sval", "")
        if not name.startswith(_CAST):
            continue
        if len(node.args) < 2:
            yield f"{name} is read without `true`: an error where there is none", node.location
        elif id(node) not in wrapped:
            yield f"{name} may be '' and is not read with nullif", node.location
