"""Options that many commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click


def state_option[F: Callable[..., Any]](function: F) -> F:
    """Add `--state DIR` and pass `state`, a `State`; the directory need not exist."""

    @click.option(
        "--state",
        "state_path",
        metavar="DIR",
        envvar="ERPGRES_STATE",
        show_envvar=True,
        help="Directory of all that the stack owns (default: .erpgres in the checkout; for root in /var/lib/erpgres).",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, state_path: str | None, **kwargs: Any) -> Any:
        from erpgres.stack.state import State

        return function(*args, state=State(state_path), **kwargs)

    return wrapper  # type: ignore[return-value]


def format_option[F: Callable[..., Any]](function: F) -> F:
    """Add `--format text|json` and pass `output`, one of the two."""
    return click.option(
        "--format",
        "output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        envvar="ERPGRES_FORMAT",
        show_envvar=True,
        help="How to write the result on standard output.",
    )(function)


def database_url_option[F: Callable[..., Any]](function: F) -> F:
    """Add `--database-url URL` and pass `database_url`, a connection string or None."""
    return click.option(
        "--database-url",
        metavar="URL",
        envvar="ERPGRES_DATABASE_URL",
        show_envvar=True,
        help="Use this PostgreSQL (18 or newer) instead of starting one.",
    )(function)


def say(message: str) -> None:
    """Write a line of progress on standard error."""
    click.echo(message, err=True)
