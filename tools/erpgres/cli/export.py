"""`erpgres export`: rows of the database into files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from erpgres.cli._options import database_url_option, format_option, state_option
from erpgres.stack.state import State


@click.command("export")
@click.argument("what", metavar="VIEW_OR_QUERY")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--org", metavar="CODE", envvar="ERPGRES_ORG", show_envvar=True,
    help="See this organisation only; without --user as a member without permissions.",
)  # fmt: skip
@click.option("--user", metavar="EMAIL", envvar="ERPGRES_USER", show_envvar=True, help="See what this user sees.")
@format_option
@database_url_option
@state_option
def command(
    state: State, database_url: str | None, output: str, what: str, file: Path, org: str | None, user: str | None
) -> None:
    """Write a view of api or analytics, or the rows of a query, to a .csv, .xlsx or .parquet file.

    Without --org and --user the tools see every organisation. One snapshot, read only, in constant memory; numbers
    keep all their digits, times their zone. FILE is replaced when all of it is written.

    \b
    Examples:
      erpgres export items items.xlsx --org ACME --user anna@example.com
      erpgres export wms_ledger ledger.parquet --org ACME
      erpgres export "select code, name from api.partners where country_code = 'BD'" partners.csv --org ACME
    """
    from erpgres.cli._progress import phases
    from erpgres.files.exporting import run

    with phases() as progress:
        done = run(database_url or state.dsn("migrator"), what, file, org, user, progress)
    if output == "json":
        columns = [{"name": column.name, "type": column.type} for column in done.columns]
        click.echo(json.dumps({"file": str(done.path), "rows": done.rows, "columns": columns}, indent=2))
    else:
        click.echo(f"{done.path}: {done.rows:,} rows, {len(done.columns)} columns")
