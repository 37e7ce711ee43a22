"""`erpgres bench search`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say, state_option
from erpgres.errors import REFUSED
from erpgres.stack.state import State


@click.command("search")
@click.option(
    "--rows",
    type=click.IntRange(min=1000),
    default=100_000,
    show_default=True,
    envvar="ERPGRES_BENCH_ROWS",
    show_envvar=True,
    help="Items of the measured organisation; another has a tenth as many.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=3),
    default=20,
    show_default=True,
    envvar="ERPGRES_BENCH_ROUNDS",
    show_envvar=True,
    help="How often each question is asked, five times each round.",
)
@format_option
@state_option
def command(state: State, output: str, rows: int, rounds: int) -> None:
    """Measure api.search on many items: exact, prefix, typo, accent, several words, nothing.

    In a scratch database on the stack's PostgreSQL, dropped afterwards. The ratio is to the bare query: one that knows
    which index to ask, without row-level security. Exit code 1 when the median of a question is over 10 ms.

    \b
    Example:
      erpgres bench search --rows 1000000 --format json
    """
    import dataclasses
    import json

    from erpgres.bench import search as bench

    counted, measured = bench.run(state, rows, rounds, say)
    if output == "json":
        click.echo(json.dumps({
            "rows": rows, "rounds": rounds, "counted": counted, "target_ms": bench.TARGET_MS,
            "results": [dataclasses.asdict(m) for m in measured],
        }, indent=2))  # fmt: skip
    else:
        click.echo(f"{rows} items, {rounds} rounds, {counted}")
        click.echo(f"{'question':<18} {'hits':>4} {'p50':>10} {'p99':>10} {'bare':>10} {'ratio':>7}")
        for m in measured:
            click.echo(
                f"{m.name:<18} {m.hits:>4} {m.p50_ms:>7.2f} ms {m.p99_ms:>7.2f} ms {m.bare_ms:>7.3f} ms {m.ratio:>7.1f}"
            )
    over = [m.name for m in measured if m.is_over]
    if over:
        say(f"over {bench.TARGET_MS:g} ms: " + ", ".join(over))
        raise click.exceptions.Exit(REFUSED)
