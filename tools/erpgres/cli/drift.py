"""`erpgres drift`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from erpgres.cli._options import database_url_option, format_option, say, state_option
from erpgres.stack.state import State


@click.command("drift")
@click.option(
    "--except",
    "exceptions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    envvar="ERPGRES_DRIFT_EXCEPT",
    show_envvar=True,
    help="CSV file kind,object,reason of differences that are meant.",
)
@format_option
@database_url_option
@state_option
@click.pass_context
def command(
    context: click.Context, state: State, database_url: str | None, output: str, exceptions: Path | None
) -> None:
    """Say how a live database differs from what this checkout builds.

    Everything that the repository decides is compared: tables, functions, policies, grants, roles and their timeouts,
    settings, reference data and more. What it should be is built in a database beside; the live one is only read.
    Each difference comes with the file that makes it and what mends it. Exit code 1 when there is one.

    \b
    Examples:
      erpgres drift
      erpgres drift --format json
      erpgres drift --database-url postgresql://migrator@db.example.com/erp --except meant.csv
    """
    from erpgres.drift import run
    from erpgres.errors import DONE, REFUSED
    from erpgres.lint import scratch

    live = database_url or state.dsn("postgres", state.database)
    own = None if database_url else state
    report = run.run(live, cache=scratch.cache_folder(), state=own, exceptions=exceptions, progress=say)
    if output == "json":
        click.echo(json.dumps({**dataclasses.asdict(report), "equal": not report.findings}, indent=2))
    else:
        click.echo(run.text(report))
    context.exit(REFUSED if report.findings else DONE)
