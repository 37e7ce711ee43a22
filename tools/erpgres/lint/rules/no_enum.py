"""Lists of values are checks or tables."""

from __future__ import annotations

from collections.abc import Iterator

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Source


class NoEnum(Rule):
    """a list of values is a check constraint or a table, no enum

    A value of an enum cannot be removed, and a new one cannot be used in the transaction that adds it. Text with a
    named check can change under a weak lock.
    """

    kinds = (MIGRATION, FUNCTION)
    hint = "status text not null, constraint status_known check (status in (…))"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look for CREATE TYPE … AS ENUM."""
        for node, line, _ in source.spans:
            if isinstance(node, ast.CreateEnumStmt):
                yield Problem(line, "makes an enum", ".".join(part.sval for part in node.typeName))
