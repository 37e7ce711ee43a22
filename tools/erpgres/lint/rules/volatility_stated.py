"""Volatility and parallel safety are said."""

from __future__ import annotations

from collections.abc import Iterator

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Source


class VolatilityStated(Rule):
    """a function says whether it is volatile, stable or immutable, and whether it is parallel safe

    PostgREST calls a stable function in a READ ONLY transaction, and allows GET for it; what is left out is
    volatile and parallel unsafe, which is seldom what a function that reads should be. A trigger or a
    function that writes is volatile and parallel unsafe.
    """

    kinds = (FUNCTION, MIGRATION)
    hint = "volatile | stable | immutable, and parallel safe | restricted | unsafe"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look for the clauses."""
        for function in source.functions:
            if function.node.is_procedure:
                continue
            for clause, name in (("volatility", "volatility"), ("parallel", "parallel safety")):
                if clause not in function.options:
                    yield Problem(function.line, f"does not state its {name}", function.shown)
