"""Nothing fails with 40001."""

from __future__ import annotations

import re
from collections.abc import Iterator

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import ANALYTICS, API, CLUSTER, FUNCTION, MIGRATION, POLICY, Source

_RAISED = re.compile(r"\b40001\b|\bserialization_failure\b", re.IGNORECASE)
_LEVEL = re.compile(
    r"\bisolation\s+level\s+(serializable|repeatable\s+read)\b"
    r"|transaction_isolation'?\s*(=|to|,|\bis)\s*'?(serializable|repeatable)",
    re.IGNORECASE,
)
_CAUGHT = re.compile(r"^\s*when\b.*\bthen\s*$", re.IGNORECASE)


class NoSerialization(Rule):
    """nothing raises SQLSTATE 40001 or asks for serializable or repeatable read

    PostgREST 12 repeats a request that fails with 40001 without end, long after its client has gone. What must
    not run side by side locks rows, in key order; a conflict is raised as a business error.
    """

    kinds = (FUNCTION, MIGRATION, API, ANALYTICS, POLICY, CLUSTER)
    hint = "lock rows in key order, and raise a code of the catalogue (409)"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at the text, bodies included, without comments."""
        for number, row in enumerate(source.lines, start=1):
            code = row.partition("--")[0]
            if _RAISED.search(code) and not _CAUGHT.match(code):
                yield Problem(number, "raises or makes a serialization failure")
            if _LEVEL.search(code):
                yield Problem(number, "asks for another isolation level than read committed")
