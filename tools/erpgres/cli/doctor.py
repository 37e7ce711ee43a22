"""`erpgres doctor`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, state_option
from erpgres.errors import REFUSED
from erpgres.stack.state import State


@click.command("doctor")
@format_option
@state_option
def command(state: State, output: str) -> None:
    """Look for what would keep the stack from running here: libraries, ports, accounts, space.

    A missing shared library is named with the package that has it. Exit code 1 when something was found.

    \b
    Example:
      erpgres doctor
    """
    from erpgres.stack import doctor

    findings = list(doctor.examine(state))
    if output == "json":
        import json

        click.echo(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{'ok ' if finding.ok else 'BAD'} {finding.check:<10} {finding.found}")
            if not finding.ok and finding.hint:
                click.echo(f"    hint: {finding.hint}")
    if not all(finding.ok for finding in findings):
        raise click.exceptions.Exit(REFUSED)
