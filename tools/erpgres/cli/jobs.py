"""`erpgres jobs`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import click

from erpgres.cli._options import format_option, state_option
from erpgres.errors import REFUSED, Refused
from erpgres.stack.state import State


@click.group("jobs")
def command() -> None:
    """Work that no request does: what is scheduled, what ran, and the worker that does it.

    \b
    Examples:
      erpgres jobs list
      erpgres jobs run ops.ensure_partitions
      erpgres jobs runs --dead
    """


@command.command("work")
@click.option("--once", is_flag=True, help="Do all that waits now, and end.")
@click.option(
    "--database-url",
    metavar="URL",
    help="Work in this database, as the user that the URL names (role worker), instead of the stack's.",
)
@click.option(
    "--migrator-url",
    metavar="URL",
    envvar="ERPGRES_MIGRATOR_URL",
    show_envvar=True,
    help="With --database-url: do back-fills, too, as the user that this URL names (role migrator).",
)
@state_option
def work(state: State, once: bool, database_url: str | None, migrator_url: str | None) -> None:
    """Do the work: run jobs, deliver messages, notifications and webhooks, until SIGTERM.

    `erpgres up` runs one. There may be several, also on other machines: nothing is done twice. Started by root it
    reads its secrets and then becomes the account that runs the services. Back-fills of migrations are written as
    migrator; ERPGRES_BACKFILL_SHARE says how much of the time (0.5), and 0 that this worker does none.

    \b
    Examples:
      erpgres jobs work
      erpgres jobs work --once
    """
    from erpgres.jobs import service

    if once:
        click.echo(f"{service.once(state, database_url, migrator_url)} done")
    else:
        service.run(state, database_url, migrator_url)


@command.command("list")
@format_option
@state_option
def list_(state: State, output: str) -> None:
    """Show the jobs: when each is due, how many of its runs wait, run or are dead, and how the last one ended.

    Exit code 1 when a job has dead runs or is late by more than five minutes.

    \b
    Example:
      erpgres jobs list --format json
    """
    from erpgres.jobs import operate

    rows = operate.status(state.dsn("migrator"))
    columns = ("job", "schedule", "next_due_at", "waiting", "running", "dead", "last_state", "last_finished_at")
    _show(rows, output, columns)
    if any(row["dead"] or row["late_seconds"] > operate.LATE_SECONDS for row in rows):
        raise click.exceptions.Exit(REFUSED)


@command.command("runs")
@click.argument("name", required=False)
@click.option("--dead", is_flag=True, help="Only runs that were given up.")
@click.option(
    "-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, newest first."
)
@format_option
@state_option
def runs(state: State, name: str | None, dead: bool, limit: int, output: str) -> None:
    """Show runs, the newest first, of all jobs or of the job NAME.

    \b
    Example:
      erpgres jobs runs --dead
    """
    from erpgres.jobs import operate

    rows = operate.runs(state.dsn("migrator"), name, dead=dead, limit=limit)
    _show(rows, output, ("id", "job", "state", "due_at", "attempts", "finished_at", "error"))


@command.command("run")
@click.argument("name")
@click.option("--parameters", default="{}", metavar="JSON", help="What the job is given: a JSON object.")
@click.option("--wait", is_flag=True, help="Wait until it is done or dead, and show how it ended.")
@format_option
@state_option
def run(state: State, name: str, parameters: str, wait: bool, output: str) -> None:
    """Let the worker run the job NAME now. Exit code 1 when --wait sees it die.

    \b
    Examples:
      erpgres jobs run ops.ensure_partitions --wait
      erpgres jobs run core.test_message --parameters '{"to": "anna@example.com"}' --wait
    """
    import json

    from erpgres.jobs import operate

    try:
        given = json.loads(parameters)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--parameters") from error
    if not isinstance(given, dict):
        raise click.BadParameter("not a JSON object", param_hint="--parameters")
    found = operate.enqueue(state.dsn("migrator"), name, given, wait=wait)
    _show([found], output, ("id", "job", "state", "attempts", "result", "error"))
    if found["state"] == "DEAD":
        raise click.exceptions.Exit(REFUSED)


@command.command("retry")
@click.argument("id", type=click.UUID)
@state_option
def retry(state: State, id: Any) -> None:
    """Try a dead run again, with all its attempts.

    \b
    Example:
      erpgres jobs retry 019a8f3c-5f4e-7c3a-9d0e-0123456789ab
    """
    from erpgres.jobs import operate

    if not operate.retry(state.dsn("migrator"), id):
        raise Refused(f"there is no dead run {id}", "`erpgres jobs runs --dead` lists them")
    click.echo(f"{id} waits")


@command.command("pause")
@click.argument("name")
@state_option
def pause(state: State, name: str) -> None:
    """Let the schedule of the job NAME rest; runs on request go on.

    \b
    Example:
      erpgres jobs pause core.purge_sign_in
    """
    from erpgres.jobs import operate

    operate.pause(state.dsn("migrator"), name, paused=True)
    click.echo(f"{name} rests")


@command.command("resume")
@click.argument("name")
@state_option
def resume(state: State, name: str) -> None:
    """Take up the schedule of the job NAME again; what it missed while it rested is not made up.

    \b
    Example:
      erpgres jobs resume core.purge_sign_in
    """
    from erpgres.jobs import operate

    operate.pause(state.dsn("migrator"), name, paused=False)
    click.echo(f"{name} goes on")


def _plain(value: object) -> float | str:
    """Return what JSON has no type for as it is shown: numbers as numbers, all else as text."""
    return float(value) if isinstance(value, Decimal) else str(value)


def _show(rows: list[dict[str, Any]], output: str, columns: tuple[str, ...]) -> None:
    import json
    from datetime import datetime

    if output == "json":
        click.echo(json.dumps(rows, indent=2, default=_plain))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), no_wrap=True)
    for row in rows:
        values = [row[column] for column in columns]
        shown = (f"{value:%Y-%m-%d %H:%M:%SZ}" if isinstance(value, datetime) else value for value in values)
        table.add_row(*("" if value is None else str(value) for value in shown))
    Console(soft_wrap=True, width=200).print(table)
