"""Why a function runs with its owner's rights."""

from __future__ import annotations

import re
from collections.abc import Iterator

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Source

_REASON = re.compile(r"--.*\bdefiner\b\s*:", re.IGNORECASE)


class DefinerReason(Rule):
    """a SECURITY DEFINER function says why it is one

    It is the exception: with its owner's rights a forgotten check is a hole. Write `-- Definer: …` above the
    function or beside the clause: what it has to do that its caller may not.
    """

    kinds = (FUNCTION, MIGRATION)
    hint = "-- Definer: members may not write the status of a partner"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look for the comment above the function or in it."""
        for function in source.functions:
            if function.is_definer and not _REASON.search(function.text) and not _REASON.search(
                source.comments_before(function.line)
            ):  # fmt: skip
                yield Problem(function.line, "is SECURITY DEFINER, and no comment says why", function.shown)
