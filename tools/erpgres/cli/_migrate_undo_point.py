"""`erpgres migrate undo-point create` and `erpgres migrate undo-point list`."""

from __future__ import annotations

import dataclasses
import json

import click

from erpgres.cli._options import database_url_option, format_option, say, state_option
from erpgres.stack.state import State


@click.group("undo-point")
def undo_point() -> None:
    """Mark a moment that a restored backup can be brought to, and say what going back to it would cost.

    \b
    Examples:
      erpgres migrate undo-point create before-split
      erpgres migrate undo-point list
    """


@undo_point.command("create")
@click.argument("name")
@click.option("--note", metavar="TEXT", help="Why it is made.")
@format_option
@database_url_option
@state_option
def create(state: State, database_url: str | None, output: str, name: str, note: str | None) -> None:
    """Mark this moment under a name.

    A restore point in the write-ahead log takes a superuser, or one whom pg_create_restore_point was granted to; for
    others the place in the log is kept, which recovery can stop at, too. Docs: docs/migrations/drift.md.

    \b
    Example:
      erpgres migrate undo-point create before-V0042 --note "splits the addresses"
    """
    from erpgres.migrate import undo

    point = undo.create(database_url or state.dsn("postgres", state.database), name, note)
    if output == "json":
        click.echo(json.dumps(dataclasses.asdict(point), indent=2))
        return
    click.echo(f"{point.name} at LSN {point.lsn} of timeline {point.timeline}, schema {point.schema_version}")
    click.echo(point.recovery_target)
    if point.archived == "unknown":
        say("this server archives no log: without a base backup and the log since, nobody gets back to this point")


@undo_point.command("list")
@format_option
@database_url_option
@state_option
def show(state: State, database_url: str | None, output: str) -> None:
    """Show the undo points, the newest first: what was applied and written since, and whether they can be reached.

    \b
    Example:
      erpgres migrate undo-point list --format json
    """
    from erpgres.migrate import undo

    points = undo.every(database_url or state.dsn("postgres", state.database))
    if output == "json":
        click.echo(
            json.dumps([{**dataclasses.asdict(p), "recovery_target": p.recovery_target} for p in points], indent=2)
        )
    else:
        click.echo(undo.text(points))
