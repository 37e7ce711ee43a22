"""Variables of PL/pgSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Source


class LocalNamed(Rule):
    """a variable of PL/pgSQL is called v_…, and is used

    The prefix keeps it apart from the columns of the queries around it, which an ambiguous name would turn into an
    error at run time. One that nothing reads is a mistake or a left-over.
    """

    kinds = (FUNCTION, MIGRATION)
    hint = "v_name, or remove it"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look at the declarations, and for a second mention of each."""
        for function in source.functions:
            for name, line in function.declared:
                if not name.startswith("v_"):
                    yield Problem(line, f"the variable {name} is not called v_{name}", function.shown)
                elif len(re.findall(rf"\b{re.escape(name)}\b", function.body)) < 2:
                    yield Problem(line, f"the variable {name} is never used", function.shown)
