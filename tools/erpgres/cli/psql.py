"""`erpgres psql`."""

from __future__ import annotations

from typing import Any

import click

from erpgres.cli._options import state_option
from erpgres.stack.state import State


@click.command("psql", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "--role",
    default="migrator",
    show_default=True,
    envvar="ERPGRES_ROLE",
    show_envvar=True,
    help="Role to connect as; postgres is the superuser.",
)
@click.option(
    "--database",
    envvar="ERPGRES_DATABASE",
    show_envvar=True,
    help="Database to connect to (default: that of the stack).",
)
@state_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(state: State, role: str, database: str | None, arguments: tuple[str, ...]) -> None:
    """Open psql on the stack's database. What follows the options goes to psql.

    \b
    Examples:
      erpgres psql
      erpgres psql -c 'select count(*) from api.partners'
      erpgres psql --role postgres -f check.sql
    """
    import os

    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    parts: dict[str, Any] = conninfo_to_dict(state.dsn(role, database or state.database))
    environment = dict(os.environ)
    environment["PGPASSWORD"] = str(parts.pop("password", "") or "")
    environment["PGAPPNAME"] = "psql"
    parts.pop("application_name", None)
    program = str(state.bindir / "psql")
    # What psql takes as an operand after the connection string would be a user name; options come first.
    os.execve(program, [program, "--dbname", make_conninfo(**parts), *arguments], environment)
