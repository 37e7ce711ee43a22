"""No loop opens a subtransaction each time round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Source

_LOOPS = {
    "PLpgSQL_stmt_loop", "PLpgSQL_stmt_while", "PLpgSQL_stmt_fori", "PLpgSQL_stmt_fors", "PLpgSQL_stmt_forc",
    "PLpgSQL_stmt_foreach_a", "PLpgSQL_stmt_dynfors",
}  # fmt: skip


class ExceptionInLoop(Rule):
    """a loop catches no error each time round

    A block with an exception handler is a subtransaction. More than 64 of one transaction that write do not fit into
    shared memory: then every snapshot of every session looks them up on disk, and the whole server slows down.
    """

    kinds = (FUNCTION, MIGRATION)
    hint = "ask before (on conflict do nothing, a join), or catch the error outside the loop"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at the bodies of loops."""
        for function in source.functions:
            for step in function.steps:
                if step.kind in _LOOPS and _catches(step.data.get("body", [])):
                    yield Problem(step.line, "catches an error each time round", function.shown)


def _catches(item: Any) -> bool:
    """Say whether a block with a handler stands anywhere within."""
    if isinstance(item, list):
        return any(_catches(part) for part in item)
    if isinstance(item, dict):
        return any(kind == "exceptions" or _catches(data) for kind, data in item.items())
    return False
