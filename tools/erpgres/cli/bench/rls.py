"""`erpgres bench rls`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say, state_option
from erpgres.cli.bench._common import judge, report, setting
from erpgres.stack.state import State


@click.command("rls")
@setting(
    "--rows", click.IntRange(min=1000), 100_000,
    "Partners, items and documents of the measured organisation; another has half as many.",
)  # fmt: skip
@setting(
    "--rounds", click.IntRange(min=3), 21,
    "How often each form is measured, short queries up to six times as often; medians are shown.",
)  # fmt: skip
@format_option
@state_option
def command(state: State, output: str, rows: int, rounds: int) -> None:
    """Compare lists under row-level security with the same lists with the filter written by hand.

    In a scratch database on the stack's PostgreSQL, dropped afterwards. Exit code 1 when the ratio of a list
    that the API sends, prepared, is over 1.1; sums and statements that are planned each time are shown and not judged.

    \b
    Example:
      erpgres bench rls --format json
    """
    import dataclasses

    from erpgres.bench import rls as bench

    counted, measured = bench.run(state, rows, rounds, say)
    report(
        output,
        {
            "rows": rows, "rounds": rounds, "counted": counted, "target": bench.TARGET,
            "results": [dataclasses.asdict(m) for m in measured],
        },
        [
            f"{rows} rows, {rounds} rounds, {counted}",
            f"{'query':<24} {'mode':<18} {'under RLS':>12} {'by hand':>12} {'ratio':>7}",
            *(
                f"{m.query:<24} {m.mode:<18} {m.rls_us:>9.1f} us {m.by_hand_us:>9.1f} us {m.ratio:>7.3f}"
                for m in measured
            ),
        ],
    )  # fmt: skip
    over = [f"{m.query} ({m.mode})" for m in measured if m.is_over]
    judge(f"over {bench.TARGET}: {', '.join(over)}" if over else None)
