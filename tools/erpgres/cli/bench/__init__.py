"""`erpgres bench`, a module of this package for each of its commands."""

from __future__ import annotations

import click

from erpgres.cli._lazy import LazyGroup


class _Benchmarks(LazyGroup):
    package = __name__


@click.group("bench", cls=_Benchmarks)
def command() -> None:
    """Measure, always two ways in one run; an absolute figure says little about another machine.

    \b
    Example:
      erpgres bench rls
      erpgres bench relay
    """
