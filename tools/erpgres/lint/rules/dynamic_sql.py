"""Dynamic SQL is quoted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pglast
from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Source, walk

_QUOTING = ("quote_ident", "quote_literal", "quote_nullable", "format")


class DynamicSql(Rule):
    """what EXECUTE runs is put together by format with %I and %L

    A value joined to the statement with || or %s is a statement that the value's author writes. Values that
    need no quoting go in with USING.
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
                if _joined(nodes):
                    yield Problem(step.line, "EXECUTE is given text joined with ||", function.shown)
                inner = {id(part) for node in nodes if _is_call(node, "format") for part in walk(node.args)}
                for node in nodes:
                    if id(node) in inner:
                        continue
                    if _is_call(node, "format") and "%s" in _text(node.args[0]) and not _is_safe(node):
                        yield Problem(step.line, "EXECUTE is given a value by %s", function.shown)


def _joined(nodes: list[object]) -> bool:
    for node in nodes:
        if isinstance(node, ast.A_Expr) and node.name and node.name[-1].sval == "||":
            for side in (node.lexpr, node.rexpr):
                if isinstance(side, (ast.ColumnRef, ast.ParamRef)):
                    return True
                if isinstance(side, ast.FuncCall) and side.funcname[-1].sval not in _QUOTING:
                    return True
    return False


def _text(node: Any) -> str:
    return str(getattr(getattr(node, "val", None), "sval", ""))


def _is_call(node: object, name: str) -> bool:
    return isinstance(node, ast.FuncCall) and node.funcname[-1].sval == name and bool(node.args)


def _is_safe(node: ast.FuncCall) -> bool:
    """Say whether what %s takes cannot be a statement: a constant, a choice among constants, a regclass, a number."""
    return all(_is_constant(argument) for argument in node.args[1:])


def _is_constant(node: object) -> bool:
    if isinstance(node, ast.A_Const):
        return True
    if isinstance(node, ast.TypeCast):
        return str(node.typeName.names[-1].sval).startswith(("reg", "int", "numeric"))
    if isinstance(node, ast.CaseExpr):
        return all(_is_constant(item.result) for item in node.args) and (
            node.defresult is None or _is_constant(node.defresult)
        )
    # A plain variable may be a regclass, which quotes itself: only columns and calls are judged.
    return isinstance(node, ast.ColumnRef) or (isinstance(node, ast.FuncCall) and node.funcname[-1].sval in _QUOTING)
