"""`erpgres bench idempotency`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say
from erpgres.cli.bench._common import judge, report, setting


@click.command("idempotency")
@setting("--rounds", click.IntRange(min=1), 7, "How often each way is measured.")
@setting("--posts", click.IntRange(min=10), 300, "Requests each way in a round.")
@setting("--step", click.IntRange(min=1), 1, "Cut at every so many bytes.")
@setting("--port", click.IntRange(1024, 65000), 8700, "First of four free ports of the stack that is measured.")
@format_option
def command(output: str, rounds: int, posts: int, step: int, port: int) -> None:
    """Measure what an Idempotency-Key costs, and cut connections at every point.

    On a stack of its own, removed afterwards. Each cut request is sent again with the same key until it is answered:
    there must be one effect and the same answer again. Exit code 1 when that does not hold.

    \b
    Example:
      erpgres bench idempotency --step 7 --format json
    """
    import dataclasses

    from erpgres.bench import idempotency as bench

    found = bench.run(rounds, posts, step, say, port)
    report(
        output,
        {
            "rounds": rounds, "posts": posts, "step": step, "points": found.points,
            "costs": [
                {"way": c.way, "per_second": round(c.per_second, 1), "cpu_ms": round(c.cpu, 3)} for c in found.costs
            ],
            "cpu_ratio": found.ratios, "without_key_extra_us": round(found.extra_us, 2),
            "cuts": [dataclasses.asdict(tried) for tried in found.tried], "wrong": found.wrong,
        },
        [
            f"{'an insert':<10} {'a second':>9} {'server CPU':>12} {'ratio':>6}",
            *(
                f"{c.way:<10} {c.per_second:>9.0f} {c.cpu:>9.2f} ms {found.ratios.get(c.way, 1):>6.2f}"
                for c in found.costs
            ),
            f"a request without a key pays {found.extra_us:.2f} µs in the database",
            "",
            f"{'case':<10} {'cut':<24} {'points':>6} {'sent':>6} {'replayed':>8} {'wrong':>6}",
            *(
                f"{t.case:<10} {t.cut:<24} {t.points:>6} {t.sent:>6} {t.replayed:>8} {len(t.wrong):>6}"
                for t in found.tried
            ),
            f"{found.points} points",
        ],
    )  # fmt: skip
    judge(*found.wrong[:20])
