"""`erpgres bench search`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say, state_option
from erpgres.cli.bench._common import judge, report, setting
from erpgres.stack.state import State


@click.command("search")
@setting(
    "--rows", click.IntRange(min=1000), 100_000, "Items of the measured organisation; another has a tenth as many."
)
@setting("--rounds", click.IntRange(min=3), 20, "How often each question is asked, five times each round.")
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

    from erpgres.bench import search as bench

    counted, measured = bench.run(state, rows, rounds, say)
    report(
        output,
        {
            "rows": rows, "rounds": rounds, "counted": counted, "target_ms": bench.TARGET_MS,
            "results": [dataclasses.asdict(m) for m in measured],
        },
        [
            f"{rows} items, {rounds} rounds, {counted}",
            f"{'question':<18} {'hits':>4} {'p50':>10} {'p99':>10} {'bare':>10} {'ratio':>7}",
            *(
                f"{m.name:<18} {m.hits:>4} {m.p50_ms:>7.2f} ms {m.p99_ms:>7.2f} ms {m.bare_ms:>7.3f} ms {m.ratio:>7.1f}"
                for m in measured
            ),
        ],
    )  # fmt: skip
    over = [m.name for m in measured if m.is_over]
    judge(f"over {bench.TARGET_MS:g} ms: {', '.join(over)}" if over else None)
