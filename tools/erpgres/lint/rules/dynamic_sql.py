"""Dynamic SQL is quoted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pglast
from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Function, Source, walk

_QUOTING = ("quote_ident", "quote_literal", "quote_nullable", "format")
_SPECIFIER = re.compile(r"%(?:(?P<number>\d+)\$)?-?\d*(?P<kind>[sIL%])")


class DynamicSql(Rule):
    """what EXECUTE runs is put together by format with %I and %L

    A parameter joined to the statement with || or %s is a statement that the parameter's author writes. Values go in
    with USING.
    """

    kinds = (FUNCTION, MIGRATION)
    hint = "execute format('… %I … $1', name) using value"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at what EXECUTE is given."""
        for function in source.functions:
            for step in function.steps:
                if step.kind not in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"):
                    continue
                text = step.data["query"]["PLpgSQL_expr"]["query"]
                try:
                    nodes = list(walk(pglast.parse_sql(f"select {text}")[0].stmt))
                except pglast.parser.ParseError:
                    continue
                quoted = {id(part) for node in nodes if _is_call(node, _QUOTING) for part in walk(node.args)}
                outside = [node for node in nodes if id(node) not in quoted]
                if _joined(outside):
                    yield Problem(step.line, "EXECUTE is given text joined with ||", function.shown)
                for node in outside:
                    if _is_call(node, ("format",)):
                        for name in _bare(node, function):
                            yield Problem(step.line, f"EXECUTE is given the parameter {name} by %s", function.shown)


def _joined(nodes: list[object]) -> bool:
    for node in nodes:
        if isinstance(node, ast.A_Expr) and node.name and node.name[-1].sval == "||":
            for side in (node.lexpr, node.rexpr):
                if isinstance(side, (ast.ColumnRef, ast.ParamRef)):
                    return True
                if isinstance(side, ast.FuncCall) and side.funcname[-1].sval not in _QUOTING:
                    return True
    return False


def _is_call(node: Any, names: tuple[str, ...]) -> bool:
    return isinstance(node, ast.FuncCall) and node.funcname[-1].sval in names and bool(node.args)


def _bare(call: Any, function: Function) -> Iterator[str]:
    """Yield the function's parameters that a call of format takes by %s; those that quote themselves are free."""
    text = str(getattr(getattr(call.args[0], "val", None), "sval", ""))
    safe = {
        item.name
        for item in function.node.parameters or ()
        if item.argType.names[-1].sval.startswith(("reg", "int", "numeric", "bool"))
    }
    position = 0
    for match in _SPECIFIER.finditer(text):
        if match["kind"] == "%":
            continue
        position = int(match["number"]) if match["number"] else position + 1
        if match["kind"] != "s" or position >= len(call.args):
            continue
        given = call.args[position]
        if isinstance(given, ast.ColumnRef) and isinstance(given.fields[-1], ast.String):
            name = str(given.fields[-1].sval)
            owner = str(given.fields[0].sval) if len(given.fields) > 1 else function.name
            if owner == function.name and name in function.parameters and name not in safe:
                yield name
