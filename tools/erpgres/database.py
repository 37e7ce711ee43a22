"""Connections to the database."""

from __future__ import annotations

from typing import Any

import psycopg

from erpgres.errors import CannotRun

CONNECT_TIMEOUT = 10


def connect(dsn: str, **options: Any) -> psycopg.Connection[Any]:
    """Connect with psycopg; `options` are those of `psycopg.connect` (autocommit, row_factory, application_name, ...).

    Raises CannotRun, with the server's reason on one line, when there is no connection to be had.
    """
    options.setdefault("connect_timeout", CONNECT_TIMEOUT)
    try:
        return psycopg.connect(dsn, **options)
    except psycopg.OperationalError as error:
        raise CannotRun(
            f"the database does not answer: {reason(error)}",
            "is it running? `erpgres status` tells, `erpgres up -d` starts it",
        ) from error


def reason(error: psycopg.Error) -> str:
    """Return the last line of what the server or libpq said."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
