"""`erpgres bench events`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say, state_option
from erpgres.cli.bench._common import judge, report, setting
from erpgres.stack.state import State


@click.command("events")
@setting("--rows", click.IntRange(min=100), 10_000, "Rows of a bulk change.")
@setting(
    "--rounds", click.IntRange(min=3, max=8), 8,
    "How many bulk changes; four times as many blocks of 40 single-row changes.",
)  # fmt: skip
@setting("--seconds", click.IntRange(min=0), 5, "How long documents are posted each of four turns; 0: not at all.")
@format_option
@state_option
def command(state: State, output: str, rows: int, rounds: int, seconds: int) -> None:
    """Compare writes that are recorded as events with the same writes that are not.

    In two scratch databases on the stack's PostgreSQL, dropped afterwards. Exit code 1 when a bulk change takes more
    than 1.6 times, or a single-row change more than 1.25 times as long as without; postings are shown and not judged.

    \b
    Example:
      erpgres bench events --format json
    """
    import dataclasses

    from erpgres.bench import events as bench

    counted, measured = bench.run(state, rows, rounds, seconds, say)
    lines = [
        f"{rows} rows a bulk change, {counted}; postings on the clock",
        f"{'write':<10} {'with events':>14} {'without':>14} {'ratio':>7} {'target':>7}",
    ]
    for m in measured:
        target = "" if m.target is None else f"{m.target:.2f}"
        lines.append(f"{m.name:<10} {m.with_ms:>11.3f} ms {m.without_ms:>11.3f} ms {m.ratio:>7.2f} {target:>7}")
    report(
        output,
        {
            "rows": rows, "counted": counted, "targets": bench.TARGETS,
            "results": [dataclasses.asdict(m) for m in measured],
        },
        lines,
    )  # fmt: skip
    over = [m.name for m in measured if m.is_over]
    judge(f"over the target: {', '.join(over)}" if over else None)
