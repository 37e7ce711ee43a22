"""`erpgres seed`: the example data."""

from __future__ import annotations

import json

import click

from erpgres.cli._options import format_option, state_option
from erpgres.stack.state import State


@click.command()
@state_option
@format_option
def command(state: State, output: str) -> None:
    """Load a small garment group: two organisations with people, partners, places, items and stock.

    The ids and numbers are the same every time. What is there already is left as it is, so it can be run again.

    \b
    Example:
      erpgres seed
    """
    from erpgres.data.seed import seed

    added = seed(state.dsn("migrator")).added
    if output == "json":
        click.echo(json.dumps({"added": added}))
    elif any(added.values()):
        click.echo("added: " + ", ".join(f"{kind} {rows}" for kind, rows in added.items() if rows))
    else:
        click.echo("nothing to add: the example data is there")
