"""`erpgres relay`."""

from __future__ import annotations

import click

from erpgres.cli._options import state_option
from erpgres.stack.state import State


@click.command("relay")
@state_option
def command(state: State) -> None:
    """Push events to clients: WebSocket and server-sent events behind the gateway (/realtime).

    Runs in the foreground until SIGTERM or SIGINT. `erpgres up` keeps one running by itself; this is for a supervisor
    of your own. It reads the database as the role relay and the keys of the tokens from the state directory.

    \b
    Example:
      erpgres relay --state /var/lib/erpgres/main
    """
    from erpgres.relay import server

    server.run(state)
