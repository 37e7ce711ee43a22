"""`erpgres bench posting`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say
from erpgres.cli.bench._common import judge, report, setting


@click.command("posting")
@setting("--clients", click.IntRange(1, 90), 20, "How many post at once.")
@setting(
    "--documents", click.IntRange(min=1), 4000,
    "How many are posted in each way and round, by all clients together.",
)  # fmt: skip
@setting("--batch", click.IntRange(2, 100), 100, "How many are posted by one call where many are posted at once.")
@setting("--pairs", click.IntRange(1, 20), 1, "How many pairs of warehouses; clients of a pair meet at its balances.")
@setting("--rounds", click.IntRange(min=1), 3, "How often each way takes its turn; medians are shown.")
@format_option
def command(output: str, clients: int, documents: int, batch: int, pairs: int, rounds: int) -> None:
    """Post documents of five lines over the same 200 items, one by one and many at once, in SQL and through the API.

    Starts a stack of its own and removes it. The same beside bare tables, which say what the machine can do. Exit
    code 1 when no way of posting in SQL reaches 1,500 documents a second.

    \b
    Example:
      erpgres bench posting
      erpgres bench posting --pairs 2 --batch 25
    """
    import dataclasses

    from erpgres.bench import posting as bench

    measured = bench.run(clients, documents, batch, pairs, rounds, say)
    lines = [f"{'way':<10} {'documents/s':>12} {'to bare':>8} {'CPU ms':>8}"]
    for m in measured:
        short = f"  short of {bench.AIM:,}" if m.is_short else ""
        lines.append(f"{m.way:<10} {m.per_second:>12,.0f} {m.ratio:>8.2f} {m.cpu_ms:>8.2f}{short}")
    report(output, {"results": [{**dataclasses.asdict(m), "is_short": m.is_short} for m in measured]}, lines)
    judge("" if all(m.is_short for m in measured if m.way in bench.JUDGED) else None)
