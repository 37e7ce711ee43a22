"""`erpgres up`."""

from __future__ import annotations

import click

from erpgres.cli._options import database_url_option, say, state_option
from erpgres.stack.state import State


@click.command("up")
@click.option(
    "-d",
    "--detach",
    is_flag=True,
    envvar="ERPGRES_DETACH",
    show_envvar=True,
    help="Return when all is up, and let it run.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65532),
    envvar="ERPGRES_PORT",
    show_envvar=True,
    help="First of four ports: gateway, PostgreSQL, PostgREST's admin server, https (default 8400; remembered).",
)
@click.option(
    "--api-pool",
    type=int,
    envvar="ERPGRES_API_POOL",
    show_envvar=True,
    help="Database connections PostgREST may hold (default 20; remembered).",
)
@click.option(
    "--jwks",
    metavar="FILE",
    envvar="ERPGRES_JWKS",
    show_envvar=True,
    help="Public keys (JWKS) of an outside identity provider whose tokens are taken too; '' for none (remembered).",
)
@database_url_option
@state_option
def command(
    state: State, detach: bool, port: int | None, api_pool: int | None, jwks: str | None, database_url: str | None
) -> None:
    """Start PostgreSQL, PostgREST, the gateway and the worker, migrated, and wait until all is healthy.

    What runs already is left alone, what is down is repaired, pending migrations are applied. Without -d the logs are
    shown until Ctrl-C, which stops the stack.

    With --database-url no PostgreSQL is started. The URL's user must be allowed to create roles, and either to create
    the database or to own the one that the URL names (a URL without a database name, or naming postgres, means a
    database called erpgres).

    ERPGRES_CORS_ORIGINS, ERPGRES_TRUSTED_PROXIES, ERPGRES_RATE_…, ERPGRES_SMTP_…, ERPGRES_APP_URL and
    ERPGRES_BACKFILL_SHARE are remembered, too; empty they are forgotten.

    \b
    Examples:
      erpgres up -d
      erpgres up -d --port 8500 --state /tmp/second
      erpgres up -d --database-url postgresql://dba:secret@db.example/erp
    """
    from erpgres.stack import lifecycle

    asked = lifecycle.Asked(port=port, database_url=database_url, api_pool=api_pool, jwks=jwks)
    if not detach:
        from erpgres.stack.foreground import run

        run(state, asked, say)
        return
    running = lifecycle.up(state, asked, say)
    if running:
        say("it was running already")
    click.echo(f"{state.url}  (state in {state.path})")
    say(f"try: curl {state.url}/health")
