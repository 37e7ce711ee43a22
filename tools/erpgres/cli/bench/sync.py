"""`erpgres bench sync`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say
from erpgres.cli.bench._common import judge, report, setting


@click.command("sync")
@setting("--runs", click.IntRange(min=1), 20, "How many schedules, each in an organisation of its own.")
@setting("--steps", click.IntRange(min=1), 60, "Steps of each.")
@setting("--seed", click.IntRange(min=0), 1, "The same seed makes the same choices.")
@click.option(
    "--bug",
    type=click.Choice(["cursor"]),
    help="Break the devices on purpose: go on from an answer that was lost.",
)
@format_option
def command(output: str, runs: int, steps: int, seed: int, bug: str | None) -> None:
    """Check that devices that work without a network end equal to the server.

    Real WatermelonDB databases in Node.js, two in each run, in a stack of its own that is deleted afterwards: edits on
    both sides, conflicts, lost answers, late commits, rights that come and go, wrong clocks. Exit code 1 when a device
    differs from what its user sees, or a command was not executed exactly once.

    \b
    Example:
      erpgres bench sync
      erpgres bench sync --runs 500 --seed 7
      erpgres bench sync --runs 5 --bug cursor
    """
    from erpgres.bench import sync as bench
    from erpgres.bench.feed import throw_away
    from erpgres.bench.posting import unlimited

    with unlimited(), throw_away(say) as state:
        say(f"{runs} runs of {steps} steps")
        outcome = bench.check(state, runs, seed, steps, bug, say)
    lines = [
        f"{outcome.runs} runs with seed {outcome.seed}: {outcome.calls['sync_pull']} pulls, "
        f"{outcome.calls['sync_push']} pushes, {outcome.rows} rows compared",
        ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(outcome.did.items())),
        f"problems: {len(outcome.problems)}",
        *(f"    {line}" for line in outcome.problems[:20]),
    ]
    report(output, outcome.public(), lines)
    judge("" if outcome.problems else None)
