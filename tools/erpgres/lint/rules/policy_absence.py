"""What a table's policies leave out is said."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pglast import ast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import POLICY, Source

_COMMANDS = ("select", "insert", "update", "delete")
_NOTHING = re.compile(r"--.*\b(nothing|nobody|no write|no rights?)\b", re.IGNORECASE)


class PolicyAbsence(Rule):
    """a file of policies says what members may not do, and why

    An absence is a decision: `-- no delete: documents are cancelled, never removed`. Who reads the file then knows that
    nothing was forgotten. Judged are the commands of member, whose API it is; `-- nothing for …` and `-- no write …`
    answer for all of them.
    """

    kinds = (POLICY,)
    hint = "-- no delete: why"

    def check(self, source: Source) -> Iterator[Problem]:
        """Compare what members are granted with what comments say."""
        if source.stem.startswith("_"):
            return
        granted = set()
        for node, _, _ in source.spans:
            if isinstance(node, ast.GrantStmt) and node.is_grant and any(g.rolename == "member" for g in node.grantees):
                granted |= {p.priv_name for p in node.privileges or ()}
        comments = [row.strip() for row in source.lines if row.strip().startswith("--")]
        told = " ".join(comments)
        if _NOTHING.search(told):
            return
        for command in _COMMANDS:
            said = re.search(rf"\bno\b[^:]*\b{command}\b", told)
            if command not in granted and not said:
                yield Problem(1, f"members may not {command}, and no comment says why")
