"""`erpgres bench histories`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say, state_option
from erpgres.cli.bench._common import judge, report, setting
from erpgres.stack.state import State


@click.command("histories")
@state_option
@setting("--histories", click.IntRange(min=1), 100_000, "How many; about 100 a second.")
@setting("--users", click.IntRange(1, 50), 3, "Users of each of the two organisations, reading all the time.")
@setting("--writers", click.IntRange(1, 20), 2, "Writers by SQL of each organisation.")
@setting("--rate", click.FloatRange(min=0.1), 25.0, "Changes a second of each writer.")
@setting("--seed", click.IntRange(min=0), 1, "Of the random choices.")
@format_option
def command(state: State, output: str, histories: int, users: int, writers: int, rate: float, seed: int) -> None:
    """Run random histories through the gateway's cache of a running stack, and judge every answer.

    In two new organisations of that stack, whose limits must be high (ERPGRES_RATE_USER). Exit code 1 when somebody got
    an answer older than the last commit that was acknowledged to him, or older than 100 ms after anybody's, or one that
    was never true; or when nothing came from the cache.

    \b
    Example:
      ERPGRES_RATE_USER='100000r/s burst 10000' erpgres up -d && erpgres bench histories
    """
    from erpgres.bench import cache
    from erpgres.bench.histories import run

    found = run(state, histories, say, users=users, writers=writers, rate=rate, seed=seed)
    report(output, found.public(), [cache.staleness_text(found)])
    judge("" if not found.is_good else None)
