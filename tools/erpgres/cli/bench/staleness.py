"""`erpgres bench staleness`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say, state_option
from erpgres.cli.bench._common import judge, report, setting
from erpgres.stack.state import State


@click.command("staleness")
@setting("--histories", click.IntRange(min=1), 2000, "How many random histories are played.")
@setting("--seed", click.IntRange(min=0), 0, "The same seed plays the same histories.")
@click.option(
    "--bug",
    type=click.Choice(["newest", "rights", "day"]),
    help="Break the tags on purpose: take the newest transaction for all that is visible, forget rights, or the day.",
)
@format_option
@state_option
def command(state: State, output: str, histories: int, seed: int, bug: str | None) -> None:
    """Check that answers with equal tags (ETag) show the same, whatever is written at the same time.

    In a scratch database on the stack's PostgreSQL, dropped afterwards: sessions change the tables behind the views,
    commit in any order, roll back, give and take rights, days pass; readers of each kind ask after each step. Exit
    code 1 when a body had changed under its tag. With --bug it ends with the first that is found.

    \b
    Example:
      erpgres bench staleness --histories 100000
      erpgres bench staleness --bug newest
    """
    import dataclasses

    from erpgres.bench import staleness as bench

    outcome = bench.run(state, histories, seed, bug, say)
    lines = [
        f"{outcome.histories} histories in {outcome.seconds} s, seed {outcome.seed}: {outcome.changes} changes of "
        f"{outcome.tables} tables, {outcome.commits} commits, {outcome.rollbacks} rollbacks, {outcome.savepoints} "
        f"savepoints, {outcome.refused} refused, {outcome.days} days, {outcome.prunings} prunings",
        f"{outcome.reads} answers to {outcome.readers} readers of {outcome.views} views, {outcome.compared} with a tag "
        f"seen before, {outcome.untagged} without a tag",
        f"stale: {len(outcome.stale)}",
        *(f"    {line}" for line in outcome.stale[:5]),
    ]
    report(output, {"violations": len(outcome.stale), **dataclasses.asdict(outcome)}, lines)
    judge("" if outcome.stale else None)
