"""`erpgres schema dump` and `erpgres schema check`."""

from __future__ import annotations

import json

import click

from erpgres.cli._options import database_url_option, format_option, state_option
from erpgres.stack.state import State


@click.group("schema")
def command() -> None:
    """Write the schema of the database as text, or compare it with what sql/schema says.

    \b
    Examples:
      erpgres schema dump
      erpgres schema check
    """


@command.command("dump")
@database_url_option
@state_option
def dump(state: State, database_url: str | None) -> None:
    """Write sql/schema from the database, which must be freshly migrated.

    \b
    Example:
      erpgres migrate && erpgres schema dump
    """
    from erpgres.migrate import snapshot

    for name in snapshot.write(snapshot.dump(database_url or state.dsn("migrator"), state.bindir)):
        click.echo(f"changed {snapshot.FOLDER.as_posix()}/{name}")


@command.command("check")
@format_option
@database_url_option
@state_option
@click.pass_context
def check(context: click.Context, state: State, database_url: str | None, output: str) -> None:
    """Show how the database differs from sql/schema; exit code 1 when it does.

    \b
    Example:
      erpgres schema check --database-url postgresql://migrator@db.example.com/erp
    """
    from erpgres.errors import DONE, REFUSED
    from erpgres.migrate import snapshot

    found = snapshot.dump(database_url or state.dsn("migrator"), state.bindir)
    difference = snapshot.difference(snapshot.read(), found)
    if output == "json":
        click.echo(json.dumps({"equal": not difference, "difference": difference}, indent=2))
    else:
        click.echo(difference or "the database is as sql/schema says")
    context.exit(REFUSED if difference else DONE)
