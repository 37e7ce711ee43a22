"""`erpgres bench cache`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say
from erpgres.cli.bench._common import judge, report, setting


@click.command("cache")
@setting("--rounds", click.IntRange(min=1), 5, "How often each way is measured, in turns.")
@setting("--seconds", click.FloatRange(min=0.2), 1.5, "How long each time.")
@setting("--clients", click.IntRange(1, 64), 16, "Connections, each waiting for its answer.")
@setting("--histories", click.IntRange(min=1), 500, "Random histories of changes and reads through the cache.")
@setting(
    "--users", click.IntRange(1, 1000), 250, "Users of the mix of reads, who wait 2 to 5 seconds between requests."
)
@setting("--mix-seconds", click.FloatRange(min=1), 20.0, "How long the mix lasts.")
@setting("--port", click.IntRange(1024, 65000), 8700, "The first of six free ports.")
@format_option
def command(
    output: str, rounds: int, seconds: float, clients: int, histories: int, users: int, mix_seconds: float, port: int
) -> None:
    """Compare the gateway's kept answers with bare PostgREST, and see that none is too old.

    Starts a stack of its own and removes it. The same list is read from the cache, past the cache and from PostgREST
    alone; then users do what requirement 002-31 says, and the hit rate is told; then random histories of changes and
    reads (as `erpgres bench histories`). Exit code 1 when the cache gives less than 10 times the answers of bare
    PostgREST, or an answer was too old.

    \b
    Example:
      erpgres bench cache --rounds 3 --seconds 1
    """
    from erpgres.bench import cache as bench

    found = bench.run(bench.Options(rounds, seconds, clients, histories, users, mix_seconds), say, port)
    report(output, found.public(), [bench.text(found)])
    judge("" if found.is_short else None)
