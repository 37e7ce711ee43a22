"""`erpgres down`."""

from __future__ import annotations

import click

from erpgres.cli._options import say, state_option
from erpgres.stack.state import State


@click.command("down")
@state_option
def command(state: State) -> None:
    """Stop every process of the stack; the data stay. Nothing happens if it is down already.

    \b
    Example:
      erpgres down
    """
    from erpgres.stack import lifecycle

    count = lifecycle.down(state)
    say("down" if count else "it was down already")
