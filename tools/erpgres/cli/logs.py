"""`erpgres logs`."""

from __future__ import annotations

import click

from erpgres.cli._options import state_option
from erpgres.errors import CannotRun
from erpgres.stack.state import State


@click.command("logs")
@click.argument("part", required=False)
@click.option(
    "-f",
    "--follow",
    is_flag=True,
    envvar="ERPGRES_FOLLOW",
    show_envvar=True,
    help="Go on with what is written from now on.",
)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    envvar="ERPGRES_LINES",
    show_envvar=True,
    help="Lines of each log.",
)
@state_option
def command(state: State, part: str | None, follow: bool, lines: int) -> None:
    """Show the logs of all parts, or of PART: postgres, postgrest, relay, gateway, worker, access, supervisord.

    \b
    Examples:
      erpgres logs postgres -n 200
      erpgres logs -f
    """
    from erpgres.stack import logs

    names = [path.stem for path in logs.files(state)]
    if part is not None and part not in names:
        raise CannotRun(f"there is no log of {part}", f"there is one of: {', '.join(names) or 'nothing yet'}")
    chosen = [path for path in logs.files(state) if part in (None, path.stem)]
    try:
        for line in logs.read(chosen, lines, follow=follow, label=part is None):
            click.echo(line)
    except KeyboardInterrupt:
        pass
