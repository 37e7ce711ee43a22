"""`erpgres verify`."""

from __future__ import annotations

import dataclasses
import json

import click

from erpgres.cli._options import database_url_option, format_option, say, state_option
from erpgres.stack.state import State


@click.command("verify")
@click.argument("domains", nargs=-1, metavar="[DOMAIN]...")
@click.option(
    "--timeout",
    default="10min",
    show_default=True,
    envvar="ERPGRES_VERIFY_TIMEOUT",
    show_envvar=True,
    help="Longest time for one query.",
)
@format_option
@database_url_option
@state_option
@click.pass_context
def command(
    context: click.Context, state: State, database_url: str | None, output: str, timeout: str, domains: tuple[str, ...]
) -> None:
    """Check the business invariants of all or some domains: queries of sql/invariants that must return no row.

    Only reads, one query after the other, each in one process with little memory and without waiting for locks: safe
    on a live system. --database-url may name a replica. Exit code 1 when one does not hold.

    \b
    Examples:
      erpgres verify
      erpgres verify wms --format json
    """
    from erpgres import verify
    from erpgres.errors import DONE, REFUSED

    findings = verify.run(database_url or state.dsn("migrator"), list(domains) or None, timeout=timeout, progress=say)
    if output == "json":
        click.echo(
            json.dumps([{**dataclasses.asdict(finding), "holds": finding.holds} for finding in findings], indent=2)
        )
    else:
        for finding in findings:
            if finding.error:
                verdict = "could not be checked"
            elif finding.violations:
                verdict = f"{finding.violations} violation{'s' if finding.violations > 1 else ''}"
            else:
                verdict = "ok"
            click.echo(f"{finding.domain} {finding.name}: {finding.title}: {verdict}")
            if finding.error:
                click.echo(f"    {finding.error}")
            if finding.violations:
                if finding.why:
                    click.echo(f"    why: {finding.why}")
                click.echo(f"    {' | '.join(finding.columns)}")
                for row in finding.rows:
                    click.echo(f"    {' | '.join('' if value is None else value for value in row)}")
        if not findings:
            click.echo("there is no invariant to check")
    context.exit(DONE if all(finding.holds for finding in findings) else REFUSED)
