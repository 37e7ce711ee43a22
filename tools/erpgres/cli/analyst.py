"""`erpgres analyst`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say, state_option
from erpgres.stack.state import State


@click.group("analyst")
def command() -> None:
    """Logins for people who query the database with SQL; each sees one organisation, whatever it sets.

    \b
    Examples:
      erpgres analyst add anna --org ACME
      erpgres analyst list
      erpgres analyst remove anna
    """


@command.command("add")
@click.argument("login")
@click.option(
    "--org", required=True, metavar="CODE", envvar="ERPGRES_ORG", show_envvar=True, help="What the login sees."
)
@format_option
@state_option
def add(state: State, output: str, login: str, org: str) -> None:
    """Make a login that reads one organisation, and show its generated password once.

    \b
    Example:
      erpgres analyst add anna --org ACME
    """
    from psycopg.conninfo import conninfo_to_dict

    from erpgres import analysts

    password = analysts.add(state, login, org)
    where = conninfo_to_dict(state.dsn("migrator"))
    if output == "json":
        import json

        click.echo(json.dumps({"login": login, "organization": org, "password": password}))
        return
    click.echo(f"login     {login}\npassword  {password}")
    say("the password is shown this once")
    host = "127.0.0.1" if state.database_url is None else where.get("host", "")
    say(f"try: psql 'host={host} port={where.get('port', 5432)} dbname={state.database} user={login}'")


@command.command("remove")
@click.argument("login")
@state_option
def remove(state: State, login: str) -> None:
    """End a login's sessions and remove it.

    \b
    Example:
      erpgres analyst remove anna
    """
    from erpgres import analysts

    analysts.remove(state, login)
    click.echo(f"removed {login}")


@command.command("list")
@format_option
@state_option
def list_(state: State, output: str) -> None:
    """Show the logins and which organisation each sees.

    \b
    Example:
      erpgres analyst list --format json
    """
    import dataclasses
    import json

    from erpgres import analysts

    found = analysts.every(state)
    if output == "json":
        click.echo(json.dumps([dataclasses.asdict(entry) for entry in found], indent=2))
        return
    for entry in found:
        click.echo(
            f"{entry.login:<24} {entry.organization or 'no organisation: sees nothing':<16} {entry.created_at or ''}"
        )
    if not found:
        say("there is none; `erpgres analyst add LOGIN --org CODE` makes one")
