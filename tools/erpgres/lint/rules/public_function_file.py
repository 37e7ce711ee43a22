"""One public function a file."""

from __future__ import annotations

from collections.abc import Iterator

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, Source


class PublicFunctionFile(Rule):
    """a file makes one function of the API at the most, and is called after it

    So `functions/wms/wms_document_post.sql` is found by the name that a client calls, and its history is
    that of the function. Two that do and undo the same thing (user_disable, user_enable) may stand together.
    """

    kinds = (FUNCTION,)
    hint = "one file for each function of the API, with its private helpers"

    def check(self, source: Source) -> Iterator[Problem]:
        """Count the functions in api, and compare names."""
        public = [function for function in source.functions if function.schema == "api"]
        for function in public[1:]:
            if not _is_opposite(public[0].name, function.name):
                detail = f"makes a second function of the API, after api.{public[0].name}"
                yield Problem(function.line, detail, function.shown)
        names = [function.name for function in source.functions]
        if public and source.stem not in names:
            yield Problem(1, f"makes {', '.join(names)}, and is called {source.stem}.sql")


def _is_opposite(first: str, second: str) -> bool:
    """Say whether two functions do and undo the same thing: they are read together."""
    pairs = (("disable", "enable"), ("hold", "release"), ("lock", "unlock"))
    stems = (first.rpartition("_"), second.rpartition("_"))
    return stems[0][0] == stems[1][0] and any({stems[0][2], stems[1][2]} == set(pair) for pair in pairs)
