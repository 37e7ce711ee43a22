"""Nothing that writes notifies."""

from __future__ import annotations

from collections.abc import Iterator

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Source


class NoNotify(Rule):
    """nothing that writes sends NOTIFY

    A transaction that notifies takes a global lock at its commit: 32 writing clients fell from 9,024/s to 3,183/s,
    with a slow commit from 8,751 to 394. Listeners poll the event table; the migration runner tells PostgREST.
    """

    kinds = (FUNCTION, MIGRATION)
    hint = "leave it out: who listens polls the events"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look for NOTIFY and pg_notify in statements and in bodies; a stable function writes nothing."""
        for _, line, nodes in source.nodes:
            for node in nodes:
                if _notifies(node):
                    yield Problem(line, "sends a notification")
        for function in source.functions:
            if function.volatility in ("stable", "immutable"):
                continue
            for query in function.queries:
                for node in query.nodes:
                    if _notifies(node):
                        line = function.line_in(query, getattr(node, "location", None))
                        yield Problem(line, "sends a notification", function.shown)


def _notifies(node: object) -> bool:
    if isinstance(node, ast.NotifyStmt):
        return True
    return isinstance(node, ast.FuncCall) and node.funcname[-1].sval == "pg_notify"
