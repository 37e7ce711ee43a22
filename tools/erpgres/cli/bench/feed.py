"""`erpgres bench feed`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say
from erpgres.cli.bench._common import judge, report, setting


@click.command("feed")
@setting("--seconds", click.IntRange(min=1), 60, "How long the writers write.")
@setting("--writers", click.IntRange(min=1, max=80), 50, "Sessions that write at once.")
@click.option(
    "--bug",
    type=click.Choice(["id", "xid"]),
    help="Break the feed on purpose: read by id alone, or store the transaction alone as position.",
)
@format_option
def command(output: str, seconds: int, writers: int, bug: str | None) -> None:
    """Check that the feed delivers every committed event once and in the order of each row.

    In a stack of its own that is deleted afterwards: its server is killed (SIGKILL) at a third of the time, among long
    transactions, deadlocks and rollbacks. Exit code 1 when something was lost, repeated or out of order.

    \b
    Example:
      erpgres bench feed
      erpgres bench feed --seconds 10 --bug id
    """
    import dataclasses

    from erpgres.bench import feed as bench

    with bench.throw_away(say) as state:
        say(f"{writers} writers for {seconds} s")
        outcome = bench.check(
            state.dsn("migrator"), seconds, writers, bug, None if bug else lambda: bench.kill_server(state)
        )
    lines = [
        f"{outcome.commits} commits, {outcome.rollbacks} rollbacks, {outcome.failures} failed transactions, "
        f"{outcome.disconnected} cut off, "
        f"the longest {outcome.longest_transaction} s; {outcome.kills} kills; {outcome.polls} polls",
        f"{outcome.events} events committed, {outcome.delivered} delivered",
    ]
    for kind in ("lost", "repeated", "invented", "disordered", "forgotten"):
        found = getattr(outcome, kind)
        lines += [f"{kind}: {len(found)}", *(f"    {line}" for line in found[:5])]
    report(output, {"violations": outcome.violations, **dataclasses.asdict(outcome)}, lines)
    judge("" if outcome.violations else None)
