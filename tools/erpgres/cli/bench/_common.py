"""What the commands of `erpgres bench` share: options by one pattern, a report, a verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from erpgres.cli._options import say
from erpgres.errors import REFUSED


def setting(flag: str, kind: click.ParamType[Any], default: float, text: str) -> Callable[[Any], Any]:
    """Return an option with a default and a variable of its own, `ERPGRES_BENCH_` and its name."""
    return click.option(
        flag,
        type=kind,
        default=default,
        show_default=True,
        envvar="ERPGRES_BENCH_" + flag.lstrip("-").replace("-", "_").upper(),
        show_envvar=True,
        help=text,
    )


def report(output: str, figures: dict[str, Any], lines: list[str]) -> None:
    """Write the figures as JSON, or the lines, on standard output."""
    click.echo(json.dumps(figures, indent=2) if output == "json" else "\n".join(lines))


def judge(*problems: str | None) -> None:
    """Say each problem that there is, and end with exit code 1 if there is one; an empty one is said already."""
    found = [problem for problem in problems if problem is not None]
    for problem in filter(None, found):
        say(problem)
    if found:
        raise click.exceptions.Exit(REFUSED)
