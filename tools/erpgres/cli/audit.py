"""`erpgres audit`."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from pathlib import Path

import click

from erpgres.cli._options import database_url_option, format_option, say, state_option
from erpgres.stack.state import State

_FILE = click.Path(dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group("audit")
def command() -> None:
    """Seal the events, check the seals, move old months into files.

    \b
    Example:
      erpgres audit seal --anchor /mnt/backup/erpgres-anchor.jsonl
      erpgres audit verify --anchor /mnt/backup/erpgres-anchor.jsonl
    """


@command.command("seal")
@click.option(
    "--anchor", type=_FILE, envvar="ERPGRES_AUDIT_ANCHOR", show_envvar=True,
    help="Append the heads of the chains to this file, to be kept where who writes the database cannot write.",
)  # fmt: skip
@format_option
@database_url_option
@state_option
def seal(state: State, database_url: str | None, output: str, anchor: Path | None) -> None:
    """Seal the events up to now, as far as no open transaction may still add to them.

    \b
    Example:
      erpgres audit seal --anchor /mnt/backup/erpgres-anchor.jsonl
    """
    from erpgres import audit

    seals, events, heads = audit.seal(database_url or state.dsn("migrator"), anchor)
    if output == "json":
        click.echo(json.dumps({"seals": seals, "events": events, "heads": [vars(head) for head in heads]}, indent=2))
        return
    click.echo(f"{events} events sealed, {seals} seals")
    for head in heads:
        click.echo(f"{head.org_id}  seal {head.number}  {head.hash}")


@command.command("verify")
@click.option(
    "--anchor", type=_FILE, envvar="ERPGRES_AUDIT_ANCHOR", show_envvar=True,
    help="Compare with the heads that `seal --anchor` wrote: finds a chain that was cut off at its end.",
)  # fmt: skip
@click.option(
    "--archives", type=_DIRECTORY, envvar="ERPGRES_AUDIT_ARCHIVES", show_envvar=True,
    help="Directory of the archived months: read them, too.",
)  # fmt: skip
@format_option
@database_url_option
@state_option
@click.pass_context
def verify(
    context: click.Context,
    state: State,
    database_url: str | None,
    output: str,
    anchor: Path | None,
    archives: Path | None,
) -> None:
    """Check that no sealed event was changed, removed or added, and name those that were.

    Only reads. Exit code 1 when something is not as it was sealed.

    \b
    Example:
      erpgres audit verify --anchor /mnt/backup/erpgres-anchor.jsonl --archives /mnt/archive
    """
    from erpgres import audit
    from erpgres.errors import DONE, REFUSED

    report = audit.verify(database_url or state.dsn("migrator"), anchor, archives)
    if output == "json":
        click.echo(json.dumps(dataclasses.asdict(report), indent=2))
    else:
        click.echo(
            f"{report.organizations} organisations, {report.seals} seals, {report.events} events"
            f" and {report.archived_events} archived ones, sealed up to {report.sealed_until}"
        )
        for problem in report.problems:
            where = [
                f"organisation {problem.org_id}" if problem.org_id else "",
                f"seal {problem.seal}" if problem.seal else "",
                problem.partition or "",
                f"{problem.count} events" if problem.events else "",
            ]
            click.echo(f"{problem.kind}: {problem.detail} ({', '.join(part for part in where if part) or 'all'})")
            for event in problem.events:
                click.echo(f"    {event}")
        click.echo("all is as it was sealed" if not report.problems else f"{len(report.problems)} problems")
    context.exit(REFUSED if report.problems else DONE)


@command.command("archive")
@click.option(
    "--before", type=click.DateTime(["%Y-%m-%d"]), required=True, metavar="DATE",
    help="Months that ended by this day (UTC).",
)  # fmt: skip
@click.option(
    "--into", type=_DIRECTORY, required=True, envvar="ERPGRES_AUDIT_ARCHIVES", show_envvar=True,
    help="Directory for the files.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option
@database_url_option
@state_option
def archive(state: State, database_url: str | None, output: str, before: datetime, into: Path, yes: bool) -> None:
    """Move months of events into compressed files and drop their partitions.

    Refused unless every event of them is sealed and every seal holds. The hash of each file is recorded, and verified
    from then on. Exit code 1 when refused.

    \b
    Example:
      erpgres audit archive --before 2026-01-01 --into /mnt/archive --yes
    """
    from erpgres import audit

    if not yes:
        click.confirm(f"Drop the partitions of events before {before:%Y-%m-%d} once they are in {into}?", abort=True)
    done = audit.archive(database_url or state.dsn("migrator"), before.date(), into, say)
    if output == "json":
        click.echo(json.dumps([dataclasses.asdict(item) for item in done], indent=2))
        return
    for item in done:
        click.echo(f"{item.partition}  {item.events} events  {item.file}  {item.sha256}")
    if not done:
        click.echo("no month to archive")
