"""`erpgres migrate`, and `migrate status`, `migrate new`, `migrate release`."""

from __future__ import annotations

import dataclasses
import json

import click

from erpgres.cli import (
    _migrate_backfill,
    _migrate_drill,
    _migrate_indexes,
    _migrate_locks,
    _migrate_plan,
    _migrate_rehearse,
    _migrate_undo_point,
)
from erpgres.cli._options import database_url_option, format_option, say, state_option
from erpgres.stack.state import State


@click.group("migrate", invoke_without_command=True)
@click.option(
    "--target", type=int, metavar="N", help="Stop after this migration; functions, views and policies stay as they are."
)
@click.option("--dry-run", is_flag=True, help="Do everything, locks included, and roll it back.")
@click.option(
    "--lock-timeout",
    default="400ms",
    show_default=True,
    envvar="ERPGRES_LOCK_TIMEOUT",
    show_envvar=True,
    help="Longest wait for a lock, a quarter of it at first: requests wait behind it.",
)
@click.option(
    "--attempts",
    default=20,
    show_default=True,
    envvar="ERPGRES_ATTEMPTS",
    show_envvar=True,
    type=click.IntRange(min=1),
    help="How often to try in all.",
)
@click.option(
    "--wait",
    default=60.0,
    show_default=True,
    envvar="ERPGRES_WAIT",
    show_envvar=True,
    metavar="SECONDS",
    help="How long to wait for another migration to end.",
)
@format_option
@database_url_option
@state_option
@click.pass_context
def command(
    context: click.Context,
    state: State,
    database_url: str | None,
    output: str,
    target: int | None,
    dry_run: bool,
    lock_timeout: str,
    attempts: int,
    wait: float,
) -> None:
    """Bring the database to the state of this checkout.

    Migrations, functions, views, reference data, policies and grants are applied in one transaction, as the role
    owner: it all happens or nothing does. Migrations that say so are applied before, ahead or in steps, and go on
    where they were when they were cut off. --database-url names the database as migrator (or as a member of owner).

    \b
    Examples:
      erpgres migrate
      erpgres migrate --dry-run
      erpgres migrate --database-url postgresql://migrator@db.example.com/erp
    """
    context.obj = (state, database_url)
    if context.invoked_subcommand is not None:
        return
    from erpgres import keys
    from erpgres.migrate import runner

    result = runner.migrate(
        database_url or state.dsn("migrator"), target=target, dry_run=dry_run, progress=say,
        lock_timeout=lock_timeout, attempts=attempts, wait=wait,
    )  # fmt: skip
    if not dry_run and not database_url:
        keys.sync(state.dsn("migrator"), keys.load(state))
    if output == "json":
        click.echo(json.dumps(dataclasses.asdict(result), indent=2))
        return
    would = "would have been " if dry_run else ""
    for label, names in (
        (f"{would}applied", result.applied), (f"{would}made", result.repeatable), (f"{would}dropped", result.dropped),
        (f"{would}loaded", result.reference), ("left", result.left),
    ):  # fmt: skip
        for name in names:
            click.echo(f"{label} {name}")
    new = [name for name in result.applied if name in result.unreleased]
    if new:
        say(f"not in migrations/LEDGER yet: {', '.join(new)} (erpgres migrate release adds them)")
    click.echo(f"{'done' if result.changed else 'nothing to do'} in {result.seconds:.1f} s")


@command.command("status")
@format_option
@database_url_option
@state_option
@click.pass_context
def status(context: click.Context, state: State, database_url: str | None, output: str) -> None:
    """Say what is applied, what is pending, and what was changed by hand.

    Exit code 1 when `erpgres migrate` would do something.

    \b
    Example:
      erpgres migrate status --format json
    """
    from erpgres.errors import DONE, REFUSED
    from erpgres.migrate import runner

    outer_state, outer_url = context.obj
    url = database_url or outer_url
    chosen = outer_state if context.get_parameter_source("state_path") == click.core.ParameterSource.DEFAULT else state
    found = runner.status(url or chosen.dsn("migrator"))
    if output == "json":
        click.echo(json.dumps({**dataclasses.asdict(found), "current": found.is_current}, indent=2))
    else:
        click.echo(f"version {found.version}, {len(found.applied)} migrations applied")
        for label, names in (
            ("pending", found.pending), ("changed", found.changed), ("file is gone", found.gone),
            ("changed by hand", found.drift), ("unreleased", found.unreleased),
        ):  # fmt: skip
            for name in names:
                click.echo(f"{label}: {name}")
        click.echo("nothing to do" if found.is_current else "erpgres migrate brings it up to date")
    context.exit(DONE if found.is_current else REFUSED)


@command.command("new")
@click.argument("domain")
@click.argument("what", nargs=-1, required=True)
@click.option("--kind", metavar="KIND", help="What it does; migrate kinds lists them.")
@click.option("--table", metavar="TABLE", help="The table, with its domain.")
@click.option("--set", "values", metavar="NAME=VALUE", multiple=True, help="What the kind wants to know; repeatable.")
def new(domain: str, what: tuple[str, ...], kind: str | None, table: str | None, values: tuple[str, ...]) -> None:
    """Write the next migration: with a header to fill in, or of a kind, in its safe form.

    \b
    Examples:
      erpgres migrate new core partner email
      erpgres migrate new core partner email --kind add-column --table core.partner --set column=email
        --set type=text --set 'meaning=Where orders are sent'
    """
    from erpgres.errors import Refused
    from erpgres.migrate import files, kinds
    from erpgres.settings import ROOT

    if kind is None:
        if table or values:
            raise Refused("--table and --set belong to a --kind", "erpgres migrate kinds lists them")
        click.echo(files.new(domain, " ".join(what)).relative_to(ROOT))
        return
    if table is None or table.partition(".")[0] != domain:
        raise Refused(f"{kind} wants --table {domain}.NAME")
    said = dict(value.partition("=")[::2] for value in values)
    click.echo(kinds.new(kind, table, " ".join(what), said).relative_to(ROOT))


@command.command("kinds")
@format_option
def list_kinds(output: str) -> None:
    """List the kinds of `migrate new --kind`, and what each wants to know.

    A `.contract` is the second half of a change in two releases: it is for when nothing uses the old form any more.

    \b
    Example:
      erpgres migrate kinds
    """
    from erpgres.migrate import kinds

    found = kinds.read().values()
    if output == "json":
        listed = [{"kind": kind.name, "summary": kind.summary, "values": kind.values} for kind in found]
        click.echo(json.dumps(listed, indent=2))
        return
    for kind in found:
        wants = ", ".join(name if default is None else f"{name}={default}" for name, default in kind.values.items())
        click.echo(f"{kind.name}: {kind.summary}\n    {wants or '(nothing)'}")


@command.command("release")
def release() -> None:
    """Add the migrations that are not released yet to migrations/LEDGER; they may not change from then on.

    \b
    Example:
      erpgres migrate release
    """
    from erpgres.migrate import files

    names = files.release()
    for name in names:
        click.echo(f"released {name}")
    if not names:
        click.echo("nothing to release")


command.add_command(_migrate_backfill.command)
command.add_command(_migrate_drill.command)
command.add_command(_migrate_indexes.command)
command.add_command(_migrate_locks.locks)
command.add_command(_migrate_plan.plan)
command.add_command(_migrate_rehearse.rehearse)
command.add_command(_migrate_undo_point.undo_point)
