"""`erpgres migrate backfill`: work on back-fills, show, pause, resume and cancel them."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager

import click

from erpgres.cli._options import database_url_option, format_option, say, state_option
from erpgres.migrate.session import Session
from erpgres.stack.state import State


@click.group("backfill", invoke_without_command=True)
@click.option("--name", metavar="NAME", help="This one only; otherwise all that are pending, in their order.")
@click.option("--share", type=click.FloatRange(0.01, 1), default=0.5, show_default=True,
              help="Of the time that is worked; the rest is paused.")  # fmt: skip
@click.option(
    "--lag-seconds", type=float, default=10.0, show_default=True, help="Wait while a replica is further behind."
)
@click.option("--transactions", type=int, default=20, show_default=True, help="Wait while more of them are open.")
@database_url_option
@state_option
@click.pass_context
def command(
    context: click.Context,
    state: State,
    database_url: str | None,
    name: str | None,
    share: float,
    lag_seconds: float,
    transactions: int,
) -> None:
    """Bring rows to a new form, in small batches, as migrations ordered it, and tell how far it is.

    The worker does the same, a part of each minute. While it is at a back-fill its progress is told; then this goes on,
    with its own share of the time. It may be stopped at any time: the worker carries on where it was. `erpgres migrate`
    brings a back-fill to its end before a migration that needs it.

    \b
    Examples:
      erpgres migrate backfill
      erpgres migrate backfill --name document_memo --share 0.2
      erpgres migrate backfill status
    """
    context.obj = url_of(context, state, database_url)
    if context.invoked_subcommand is not None:
        return
    from erpgres.migrate import backfill, runner

    throttle = dataclasses.replace(backfill.Throttle(), share=share, lag_seconds=lag_seconds, transactions=transactions)
    with Session(context.obj, application_name="erpgres backfill") as session:
        runner.settle(session)
        names = [name] if name else [row.name for row in backfill.pending(session)]
        for each in names:
            backfill.run(session, each, throttle, say, wait=math.inf)
    if not names:
        click.echo("nothing to do")


def url_of(context: click.Context, state: State, database_url: str | None) -> str:
    """Return the DSN: of the options here, else of those of the command above."""
    outer = context.parent.obj if context.parent is not None else None
    if database_url:
        return database_url
    default = context.get_parameter_source("state_path") == click.core.ParameterSource.DEFAULT
    if outer and default:
        return str(outer[1] or outer[0].dsn("migrator"))
    return state.dsn("migrator")


@contextmanager
def owned(session: Session) -> Iterator[None]:
    """A transaction of the owner."""
    from erpgres.migrate import bookkeeping

    with session.transaction():
        bookkeeping.become_owner(session)
        yield


@command.command("status")
@format_option
@click.pass_context
def status(context: click.Context, output: str) -> None:
    """Say which back-fills there are and how far each is.

    \b
    Example:
      erpgres migrate backfill status
    """
    from erpgres.migrate import backfill

    with Session(context.obj) as session, owned(session):
        rows = backfill.listing(session)
    if output == "json":
        click.echo(json.dumps([{**dataclasses.asdict(row), "percent": row.percent} for row in rows], indent=2))
        return
    for row in rows:
        more = "; somebody is at it" if row.at_work else ""
        more += f"; {row.error.splitlines()[0]}" if row.error else ""
        click.echo(f"{row.name}: {row.state.lower()}, {row.rows_done} rows, {row.percent} %{more}")
    if not rows:
        click.echo("no migration ordered one")


def _change(name: str, summary: str, state: str) -> None:
    @command.command(name, help=f"{summary}\n\n\b\nExample:\n  erpgres migrate backfill {name} document_memo")
    @click.argument("backfill_name", metavar="NAME")
    @click.pass_context
    def change(context: click.Context, backfill_name: str) -> None:
        from erpgres.migrate import backfill

        with Session(context.obj) as session, owned(session):
            if state == "AGAIN":
                backfill.again(session, backfill_name)
            else:
                backfill.set_state(session, backfill_name, state)
            row = backfill.get(session, backfill_name)
        click.echo(f"{row.name}: {row.state.lower()}")


_change("pause", "Let it rest after the batch that it is at.", "PAUSED")
_change("resume", "Let it go on where it was: by the worker, or by this command. Also after it failed.", "PENDING")
_change("cancel", "Give it up; what is done stays, and the migration that needs it is refused.", "CANCELLED")
_change("again", "Let it begin anew, over all rows.", "AGAIN")
