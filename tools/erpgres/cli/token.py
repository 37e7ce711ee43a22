"""`erpgres token`."""

from __future__ import annotations

import click

from erpgres.cli._options import state_option
from erpgres.stack.state import State


@click.command("token")
@click.option("--user", required=True, metavar="EMAIL|ID", envvar="ERPGRES_USER", show_envvar=True, help="Whose token.")
@click.option(
    "--org",
    metavar="CODE",
    envvar="ERPGRES_ORG",
    show_envvar=True,
    help="Organisation, for a user who is a member of several.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=15,
    show_default=True,
    envvar="ERPGRES_MINUTES",
    show_envvar=True,
    help="How long it is valid.",
)
@state_option
def command(state: State, user: str, org: str | None, minutes: float) -> None:
    """Print a signed token for trying the API as somebody.

    It belongs to a session of its own, which /sessions lists and /rpc/session_revoke ends.

    \b
    Example:
      curl -H "Authorization: Bearer $(erpgres token --user anna@example.com)" http://127.0.0.1:8400/api/partners
    """
    from erpgres import database, tokens

    with database.connect(state.dsn("migrator"), autocommit=True) as connection:
        claims = tokens.claims_of(connection, user, org)
        claims["sid"] = tokens.open_session(connection, claims, minutes)
    click.echo(tokens.sign(claims, state.secret("jwt.key"), minutes))
