"""No error is swallowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Source


class SwallowedError(Rule):
    """`when others` passes on what it catches

    It catches everything: a cancelled statement's cause, a broken constraint, a typing error. Name the conditions
    that are expected; whoever must see them all raises again at the end.
    """

    kinds = (FUNCTION, MIGRATION)
    hint = "name the conditions, or end the handler with raise;"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at exception handlers."""
        for function in source.functions:
            for step in function.steps:
                if step.kind != "PLpgSQL_exception":
                    continue
                names = [item.get("PLpgSQL_condition", {}).get("condname") for item in step.data.get("conditions", ())]
                if "others" in names and not _raises(step.data.get("action", [])):
                    yield Problem(step.line, "catches every error and goes on", function.shown)


def _raises(actions: list[dict[str, Any]]) -> bool:
    for action in actions:
        for kind, data in action.items():
            if kind == "PLpgSQL_stmt_raise":
                return True
            if kind == "PLpgSQL_stmt_perform" and "raise_error" in str(data):
                return True
    return False
