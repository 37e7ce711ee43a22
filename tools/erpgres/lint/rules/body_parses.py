"""PL/pgSQL and SQL bodies are understood."""

from __future__ import annotations

from collections.abc import Iterator

import pglast

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Source


class BodyParses(Rule):
    """the body of a function is understood by PostgreSQL's parsers, its queries too

    PL/pgSQL looks at a query only when it is run first: a typing error in a branch that is seldom taken would
    wait there for a user.
    """

    kinds = (FUNCTION, MIGRATION)
    hint = "correct the body"

    def check(self, source: Source) -> Iterator[Problem]:
        """Parse bodies, and each query in them."""
        for function in source.functions:
            if function.language not in ("sql", "plpgsql") or function.node.sql_body is not None:
                continue
            try:
                if function.language == "sql":
                    pglast.parser.split(function.body)
                else:
                    assert function.plpgsql is not None
            except pglast.parser.ParseError as error:
                yield Problem(function.body_line, f"the body cannot be parsed: {error.args[0]}", function.shown)
                continue
            for step in function.steps:
                if step.kind == "PLpgSQL_expr":
                    text, mode = step.data["query"], step.data.get("parseMode", 0)
                    text = text.partition("=")[2] if mode in (3, 4, 5) else text
                    try:
                        pglast.parser.split(text if mode == 0 else f"select {text}")
                    except pglast.parser.ParseError as error:
                        yield Problem(step.line, f"{error.args[0]}: {' '.join(text.split())[:60]}", function.shown)
