"""`erpgres migrate`, and `migrate status`, `migrate new`, `migrate release`."""

from __future__ import annotations

import dataclasses
import json

import click

from erpgres.cli._migrate_rehearse import rehearse
from erpgres.cli._migrate_undo_point import undo_point
from erpgres.cli._options import database_url_option, format_option, say, state_option
from erpgres.stack.state import State


@click.group("migrate", invoke_without_command=True)
@click.option(
    "--target", type=int, metavar="N", help="Stop after this migration; functions, views and policies stay as they are."
)
@click.option("--dry-run", is_flag=True, help="Do everything, locks included, and roll it back.")
@click.option(
    "--lock-timeout",
    default="5s",
    show_default=True,
    envvar="ERPGRES_LOCK_TIMEOUT",
    show_envvar=True,
    help="Longest wait for one lock before all is rolled back and tried again.",
)
@click.option(
    "--attempts",
    default=8,
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
    owner: it all happens or nothing does. --database-url names the database as migrator (or as a member of owner).

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
def new(domain: str, what: tuple[str, ...]) -> None:
    """Write the next migration as a file with a header to fill in.

    \b
    Example:
      erpgres migrate new core partner email
    """
    from erpgres.migrate import files
    from erpgres.settings import ROOT

    click.echo(files.new(domain, " ".join(what)).relative_to(ROOT))


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


command.add_command(undo_point)
command.add_command(rehearse)
