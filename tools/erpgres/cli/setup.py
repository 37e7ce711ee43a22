"""`erpgres setup`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say, state_option
from erpgres.stack.state import State


@click.command("setup")
@click.option(
    "--org", required=True, metavar="CODE", envvar="ERPGRES_ORG", show_envvar=True, help="Short code, upper case."
)
@click.option("--name", required=True, envvar="ERPGRES_ORG_NAME", show_envvar=True, help="Name of the organisation.")
@click.option(
    "--country", required=True, metavar="CC", envvar="ERPGRES_COUNTRY", show_envvar=True, help="ISO 3166-1, BD."
)
@click.option(
    "--currency", required=True, metavar="CCC", envvar="ERPGRES_CURRENCY", show_envvar=True, help="ISO 4217, USD."
)
@click.option(
    "--time-zone", default="UTC", show_default=True, envvar="ERPGRES_TIME_ZONE", show_envvar=True, help="IANA name."
)
@click.option(
    "--admin-email",
    required=True,
    metavar="EMAIL",
    envvar="ERPGRES_ADMIN_EMAIL",
    show_envvar=True,
    help="First administrator: the address that he signs in with.",
)
@click.option(
    "--admin-name",
    default="Administrator",
    show_default=True,
    envvar="ERPGRES_ADMIN_NAME",
    show_envvar=True,
    help="His name.",
)
@format_option
@state_option
def command(
    state: State, output: str, org: str, name: str, country: str, currency: str, time_zone: str, admin_email: str,
    admin_name: str,
) -> None:  # fmt: skip
    """Make an organisation with roles, sample units and places, and its first administrator.

    The administrator's password is generated and shown once, on standard output; nobody can show it again. What is
    there already is left as it is, so it can be run again. It asks nothing.

    \b
    Example:
      erpgres setup --org ACME --name "Acme Ltd" --country BD --currency USD --time-zone Asia/Dhaka \\
        --admin-email anna@example.com
    """
    from erpgres.setup import Asked, setup

    asked = Asked(org, name, country, currency, admin_email, admin_name, time_zone)
    report = setup(state.dsn("migrator"), asked, say)
    if output == "json":
        import dataclasses
        import json

        click.echo(json.dumps(dataclasses.asdict(report), indent=2))
        return
    click.echo(f"organisation   {report.organization}  {report.organization_id}")
    click.echo(f"administrator  {report.administrator}  {report.administrator_id}")
    if report.password:
        click.echo(f"password       {report.password}")
        say("the password is shown this once: change it after the first sign-in")
