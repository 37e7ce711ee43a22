"""`erpgres types`."""

from __future__ import annotations

from pathlib import Path

import click

from erpgres.cli._options import database_url_option, state_option
from erpgres.stack.state import State


@click.command("types")
@click.argument("language", type=click.Choice(["typescript", "python"]))
@click.option("--out", metavar="FILE", envvar="ERPGRES_OUT", show_envvar=True, help="Write here, not to the output.")
@database_url_option
@state_option
def command(state: State, database_url: str | None, language: str, out: str | None) -> None:
    """Write the types of the API: rows, what may be inserted and updated, arguments and answers of functions.

    TypeScript is one type Database, in the shape that postgrest-js and supabase-js take; Python is a module of
    TypedDicts. Columns with a fixed set of values are unions of these.

    \b
    Examples:
      erpgres types typescript --out src/erpgres.d.ts
      erpgres types python > erpgres_types.py
    """
    from erpgres.apitypes import python, typescript
    from erpgres.docs import catalog
    from erpgres.errors import CannotRun

    render = {"typescript": typescript.render, "python": python.render}[language]
    text = render(catalog.read(database_url or state.dsn("migrator")))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        Path(out).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotRun(f"{out} cannot be written: {error.strerror}") from error
