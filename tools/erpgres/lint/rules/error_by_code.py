"""Errors come from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

from erpgres.lint.rule import Problem, Rule
from erpgres.lint.source import FUNCTION, MIGRATION, Source

_ERROR_LEVEL = 21  # elog_level of RAISE EXCEPTION in PostgreSQL 18 (ERROR)


class ErrorByCode(Rule):
    """a function raises errors of the catalogue, by core.raise_error

    A client learns a stable code, an HTTP status and a hint from core.error; a bare RAISE EXCEPTION is a 400 with a
    text that it cannot tell from others. Free are RAISE without anything, which passes an error on, and RAISE with an
    ERRCODE and no text of its own, which a caller in SQL waits for. What says that the calling program is wrong may
    be suppressed with that reason.
    """

    kinds = (FUNCTION, MIGRATION)
    hint = "perform core.raise_error('domain.code', jsonb_build_object(…)), and a row in sql/reference/error"

    def check(self, source: Source) -> Iterator[Problem]:
        """Look for RAISE EXCEPTION and for errors that go without the catalogue."""
        for function in source.functions:
            if function.shown == "core.raise_error":
                continue
            for step in function.steps:
                if step.kind != "PLpgSQL_stmt_raise" or step.data.get("elog_level", _ERROR_LEVEL) < _ERROR_LEVEL:
                    continue
                if any(step.data.get(key) for key in ("message", "condname")):
                    yield Problem(step.line, "raises an error that is not of the catalogue", function.shown)
