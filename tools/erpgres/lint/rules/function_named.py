"""noun_verb in api, verb_noun inside."""

from __future__ import annotations

import re
from collections.abc import Iterator

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, Source

_VERBS_TEXT = """
    accept activate add allocate amend apply approve assign begin build calc cancel change check clear close
    confirm convert copy count create deactivate delete disable dispatch edit emit enable end ensure explode
    find fix generate get give grant hash hold insert issue load log lock make merge move next open pack plan
    post prepare purge put raise read receive record refresh refuse reject release remove rename replace request
    require reset restore return revoke run save send set sign split start stop store submit suspend take update
    validate verify write
"""
_VERBS = frozenset(_VERBS_TEXT.split())
_NOT_VERBS = frozenset(
    {"sign", "next", "password", "count", "record", "open", "plan", "pack", "log", "lock", "hash", "request"}
)


class FunctionNamed(Rule):
    """a function of the API is called noun_verb, a private one that does something verb_noun

    The API lists by what a thing is (`wms_document_post` stands beside `wms_document_cancel`), the inside
    by what it does (`move_stock`). A function that only tells a value is called by the value (`today`).
    Names are lower case with underscores.
    """

    kinds = (FUNCTION,)
    hint = "api.document_post calls wms.post_document"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look for a verb at the wrong end."""
        for function in source.functions:
            words = function.name.split("_")
            if not re.fullmatch(r"[a-z][a-z0-9]*(_{1,2}[a-z0-9]+)*", function.name):
                yield Problem(function.line, "is not lower case with underscores", function.shown)
            elif len(words) < 2:
                continue
            elif function.schema == "api" and words[0] in _VERBS - _NOT_VERBS:
                yield Problem(function.line, f"begins with the verb {words[0]}", function.shown)
            elif (
                function.schema != "api"
                and function.volatility == "volatile"
                and words[-1] in _VERBS - _NOT_VERBS
                and words[0] not in _VERBS
                and not function.name.startswith("tg_")
            ):
                yield Problem(function.line, f"ends with the verb {words[-1]}", function.shown)
