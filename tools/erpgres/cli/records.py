"""`erpgres records`."""

from __future__ import annotations

import dataclasses
import json

import click

from erpgres.cli._options import database_url_option, format_option, state_option
from erpgres.stack.state import State


@click.group("records")
def command() -> None:
    """Check the proofs of the records: signatures and certificates of destruction.

    \b
    Example:
      erpgres records verify
    """


@command.command("verify")
@click.option("--org", metavar="CODE", help="One organisation instead of all.")
@format_option
@database_url_option
@state_option
@click.pass_context
def verify(context: click.Context, state: State, database_url: str | None, output: str, org: str | None) -> None:
    """Compute the hashes of all signatures and certificates anew, outside the database, and compare.

    Also says which certificate lacks a signature, names another than the one that is there, or tells of documents that
    are not destroyed, and which crate was destroyed without a certificate. Only reads. Exit code 1 when something does
    not agree.

    \b
    Examples:
      erpgres records verify
      erpgres records verify --org MEGHNA --format json
    """
    from erpgres import signatures
    from erpgres.errors import DONE, REFUSED

    verdict = signatures.verify(database_url or state.dsn("migrator"), org)
    if output == "json":
        click.echo(json.dumps(dataclasses.asdict(verdict), indent=2))
    else:
        for one in verdict.findings:
            click.echo(f"{one.organization} {one.what} {one.name}: {one.problem} ({one.id})")
        click.echo(
            f"{verdict.signatures} signatures and {verdict.certificates} certificates of destruction: "
            + (f"{len(verdict.findings)} findings" if verdict.findings else "all agree")
        )
    context.exit(REFUSED if verdict.findings else DONE)
