"""`erpgres migrate indexes`."""

from __future__ import annotations

import dataclasses
import json

import click

from erpgres.cli._migrate_backfill import owned, url_of
from erpgres.cli._options import database_url_option, format_option, say, state_option
from erpgres.stack.state import State


@click.command("indexes")
@click.option("--rebuild", is_flag=True, help="Build them again, concurrently, and drop what was left over.")
@format_option
@database_url_option
@state_option
@click.pass_context
def command(context: click.Context, state: State, database_url: str | None, output: str, *, rebuild: bool) -> None:
    """List the invalid indexes: what a build leaves that failed or was cut off.

    No query uses an invalid index, every write maintains it. Readers and writers go on while it is built again; the
    parts that partitions lack of a partitioned index are built and attached. What a duplicate or a broken row stands
    against stays invalid, and the reason is told. Exit code 1 when an index is invalid, with --rebuild afterwards.

    \b
    Examples:
      erpgres migrate indexes
      erpgres migrate indexes --rebuild
    """
    from erpgres.errors import DONE, REFUSED
    from erpgres.migrate import indexes, runner
    from erpgres.migrate.session import Session
    from erpgres.settings import DOMAINS

    failed: dict[str, str | None] = {}
    with Session(url_of(context, state, database_url), application_name="erpgres indexes") as session:
        runner.settle(session)
        if rebuild:
            failed = indexes.repair(session, DOMAINS, say)
        with owned(session):
            left = indexes.invalid(session, DOMAINS)
    mended = [name for name in failed if name not in {index.name for index in left}]
    if output == "json":
        found = [{**dataclasses.asdict(index), "why": index.why, "error": failed.get(index.name)} for index in left]
        click.echo(json.dumps({"invalid": found, "mended": mended}, indent=2))
    else:
        for name in mended:
            click.echo(f"{name}: mended")
        for index in left:
            click.echo(f"{index.name} of {index.table}: {failed.get(index.name) or index.why}")
        if not left and not mended:
            click.echo("every index is valid")
        elif left and not rebuild:
            click.echo("erpgres migrate indexes --rebuild builds them again")
    context.exit(REFUSED if left else DONE)
