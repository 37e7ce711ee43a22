"""`erpgres status`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, state_option
from erpgres.errors import REFUSED
from erpgres.stack.state import State


@click.command("status")
@format_option
@state_option
def command(state: State, output: str) -> None:
    """Show each part of the stack: process, uptime, restarts, port; the database's and the schema's version.

    Exit code 0 when all is well, 1 when something is down.

    \b
    Examples:
      erpgres status
      erpgres status --format json
    """
    from erpgres.stack import status

    report = status.report(state)
    if output == "json":
        import json

        click.echo(json.dumps(report.as_dict(), indent=2))
    else:
        _print(report)
    if report.problems:
        raise click.exceptions.Exit(REFUSED)


def _print(report: object) -> None:
    from datetime import timedelta

    from rich.console import Console
    from rich.table import Table

    from erpgres.stack.status import Report, restarted

    assert isinstance(report, Report)
    console = Console(soft_wrap=True)
    if report.parts:
        table = Table(box=None, pad_edge=False)
        for title in ("part", "state", "pid", "up", "restarts", "last", "port"):
            table.add_column(title, justify="right" if title in ("pid", "up", "restarts", "port") else "left")
        for part in report.parts:
            table.add_row(
                part.name,
                part.state,
                str(part.pid or ""),
                "" if part.uptime is None else str(timedelta(seconds=part.uptime)),
                str(part.restarts),
                restarted(part.restarted_at),
                str(part.port or ""),
            )
        console.print(table)
    version = report.database_version or "not reached"
    migration = "none" if report.migration is None else report.migration
    click.echo(f"\nurl        {report.url} , {report.https_url}")
    click.echo(f"database   {report.database}, PostgreSQL {version}, migration {migration}")
    click.echo(f"state      {report.state}" + (f" (services run as {report.owner})" if report.owner else ""))
    for problem in report.problems:
        click.echo(f"problem    {problem}")
