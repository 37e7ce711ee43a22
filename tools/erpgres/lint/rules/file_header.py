"""Files open with what they are for."""

from __future__ import annotations

from collections.abc import Iterator

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import ANALYTICS, API, CLUSTER, FUNCTION, INVARIANT, POLICY, Source

_SHORTEST = 10


class FileHeader(Rule):
    """a file opens with one comment line: what it is for

    The first line is what somebody reads who looks for the place where a thing is done. An invariant
    opens with `-- title:`, which `erpgres verify` shows.
    """

    kinds = (FUNCTION, API, ANALYTICS, POLICY, CLUSTER, INVARIANT)
    hint = "begin with a comment line"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at the first line."""
        first = source.lines[0] if source.lines else ""
        if source.kind == INVARIANT:
            if not first.startswith("-- title: "):
                yield Problem(1, "does not open with `-- title: …`")
        elif not first.startswith("-- ") or len(first) < _SHORTEST:
            yield Problem(1, "does not open with a comment that says what it is for")
