"""`erpgres reset`."""

from __future__ import annotations

import sys

import click

from erpgres.cli._options import say, state_option
from erpgres.errors import Refused
from erpgres.stack.state import State


@click.command("reset")
@click.option("--yes", is_flag=True, envvar="ERPGRES_YES", show_envvar=True, help="Do not ask.")
@state_option
def command(state: State, yes: bool) -> None:
    """Stop the stack and remove its state directory: database, secrets, logs. This cannot be undone.

    An outside database (--database-url) is left as it is.

    \b
    Example:
      erpgres reset --yes
    """
    from erpgres.stack import lifecycle

    if not state.path.exists():
        say(f"there is no {state.path}")
        return
    if not yes:
        if not sys.stdin.isatty():
            raise Refused(f"this would destroy {state.path}", "say --yes")
        if not click.confirm(f"Destroy {state.path} and all data in it?", err=True):
            raise Refused("nothing was removed")
    lifecycle.reset(state)
    say(f"removed {state.path}")
