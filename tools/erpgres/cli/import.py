"""`erpgres import`: rows of files into the database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from erpgres.cli._options import database_url_option, format_option, say, state_option
from erpgres.stack.state import State

if TYPE_CHECKING:
    from erpgres.files.importing import Imported

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}


@click.command("import")
@click.argument("entity")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--org", required=True, metavar="CODE", envvar="ERPGRES_ORG", show_envvar=True, help="Organisation to import into."
)
@click.option(
    "--user", metavar="EMAIL", envvar="ERPGRES_USER", show_envvar=True,
    help="Act with the permissions of this user (default: the tools, whom nothing is denied).",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Do everything, say what happened, and leave nothing behind.")
@click.option("--skip-invalid", is_flag=True, help="Load the good rows although others are refused.")
@click.option(
    "--map", "mapping", multiple=True, metavar="HEADER=COLUMN",
    help="What a header means where its name does not tell; an empty COLUMN ignores it. May be given again.",
)  # fmt: skip
@click.option("--encoding", metavar="NAME", help="Encoding of a CSV file (default: found out).")
@click.option(
    "--delimiter",
    type=click.Choice(sorted(DELIMITERS)),
    help="What parts the cells of a CSV file (default: found out).",
)
@click.option("--decimal", type=click.Choice(["point", "comma"]), help="Decimal mark of numbers (default: found out).")
@click.option("--date-format", metavar="FORMAT", help="Such as DD.MM.YYYY or MM/DD/YYYY; YYYY-MM-DD always works.")
@click.option("--sheet", metavar="NAME", help="Sheet of an XLSX file (default: the first).")
@click.option(
    "--refused", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Where refused rows go (default: beside the file, as NAME.refused.csv or .xlsx; nothing is overwritten).",
)  # fmt: skip
@format_option
@database_url_option
@state_option
@click.pass_context
def command(
    context: click.Context, state: State, database_url: str | None, output: str, entity: str, file: Path, org: str,
    user: str | None, dry_run: bool, skip_invalid: bool, mapping: tuple[str, ...], encoding: str | None,
    delimiter: str | None, decimal: str | None, date_format: str | None, sheet: str | None, refused: Path | None,
) -> None:  # fmt: skip
    """Import the rows of a CSV or XLSX file.

    The first line names the columns; docs/import.md lists them. All or nothing, unless --skip-invalid. Refused rows
    are written to a file with their reasons, to be corrected and imported again. The same rows again change nothing.
    Exit code 1 when rows were refused.

    \b
    Examples:
      erpgres import items articles.csv --org ACME --dry-run
      erpgres import partners suppliers.xlsx --org ACME --map "Vendor=code" --skip-invalid
    """
    from erpgres.cli._progress import phases
    from erpgres.errors import DONE, REFUSED
    from erpgres.files.importing import Options, run

    pairs = {}
    for pair in mapping:
        header, equals, column = pair.rpartition("=")
        if not equals or not header:
            raise click.UsageError(f"--map {pair}: it must be HEADER=COLUMN")
        pairs[header] = column.strip()
    options = Options(
        dry_run=dry_run, skip_invalid=skip_invalid, mapping=pairs, encoding=encoding,
        delimiter=DELIMITERS[delimiter] if delimiter else None,
        decimal={"point": ".", "comma": ","}[decimal] if decimal else None,
        date_format=date_format, sheet=sheet, refused=refused,
    )  # fmt: skip
    with phases() as progress:
        done = run(database_url or state.dsn("migrator"), entity, file, org, user, options, progress)
    if output == "json":
        click.echo(_json(done))
    else:
        _warn(done)
        click.echo(_text(done))
        for line in done.first_problems:
            say(f"  {line}")
    context.exit(REFUSED if done.refused else DONE)


def _warn(done: Imported) -> None:
    if done.duplicate_of:
        say(f"warning: the same file was imported before, on {done.duplicate_of}")
    if done.source.is_guessed:
        say(f"warning: {done.source.path.name} is not UTF-8 and was read as {done.source.encoding} (--encoding)")
    if done.ignored:
        say(f"ignored: {', '.join(done.ignored)}")


def _text(done: Imported) -> str:
    counts = f"{done.inserted:,} inserted, {done.updated:,} updated, {done.unchanged:,} unchanged"
    if done.is_dry_run:
        head = (
            f"dry run of {done.entity}: of {done.rows:,} rows {counts}, {done.refused:,} refused; nothing was changed"
        )
    elif done.is_loaded:
        head = f"{done.entity}: {done.rows:,} rows: {counts}, {done.refused:,} refused"
    else:
        head = f"{done.entity}: {done.refused:,} of {done.rows:,} rows refused; nothing was loaded"
    lines = [head]
    if done.search_pending:
        lines.append(
            f"the worker brings {done.search_pending:,} rows into the search, some thousands a second;"
            f" /imports?id=eq.{done.id} says in search_pending_count how many are left"
        )
    if done.refused_path:
        lines.append(f"refused rows with reasons: {done.refused_path}")
        if not done.is_loaded and not done.is_dry_run:
            lines.append(
                "correct the file itself, or load the good rows with --skip-invalid and the corrected ones after"
            )
    return "\n".join(lines)


def _json(done: Imported) -> str:
    return json.dumps(
        {
            "id": None if done.is_dry_run else str(done.id), "entity": done.entity, "rows": done.rows,
            "inserted": done.inserted, "updated": done.updated, "unchanged": done.unchanged, "refused": done.refused,
            "search_pending": done.search_pending,
            "loaded": done.is_loaded and not done.is_dry_run, "dry_run": done.is_dry_run,
            "refused_file": str(done.refused_path) if done.refused_path else None, "problems": done.first_problems,
            "headers": done.headers, "ignored": done.ignored, "duplicate_of": done.duplicate_of,
            "encoding": done.source.encoding, "encoding_guessed": done.source.is_guessed,
            "delimiter": done.source.delimiter, "decimal": done.decimal,
        },
        indent=2,
    )  # fmt: skip
