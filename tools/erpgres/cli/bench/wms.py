"""`erpgres bench wms`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say
from erpgres.cli.bench._common import judge, report, setting


@click.command("wms")
@setting(
    "--documents", click.IntRange(min=4800), 24_000,
    "Documents of the last three years, with five lines and ten ledger rows each.",
)  # fmt: skip
@setting("--items", click.IntRange(min=1000), 20_000, "Items, each in a quarter of the 20 warehouses.")
@setting("--rounds", click.IntRange(min=3), 20, "How often each query is asked, five times each round.")
@setting("--port", click.IntRange(1024, 65000), 8700, "First of the ports that the stack takes.")
@format_option
def command(output: str, documents: int, items: int, rounds: int, port: int) -> None:
    """Measure the hot queries of the warehouse: drafts, by warehouse, product search, inventory.

    In a stack of its own, removed afterwards. The ratio is to the bare query: the same statement without row-level
    security. A million documents take 15 GB of disk. Exit code 1 when the median of a query in SQL is over its target.

    \b
    Example:
      erpgres bench wms --documents 1000000 --items 100000 --format json
    """
    import dataclasses

    from erpgres.bench import wms as bench

    counted, measured = bench.run(documents, items, rounds, say, port)
    report(
        output,
        {
            "documents": documents, "items": items, "rounds": rounds, "counted": counted,
            "results": [dataclasses.asdict(m) for m in measured],
        },
        [
            f"{documents} documents, {items} items, {rounds} rounds, SQL: {counted}, API: time on the clock",
            f"{'query':<26} {'target':>8} {'SQL p50':>9} {'p99':>8} {'API p50':>9} {'p99':>8} {'bare':>8} {'ratio':>6}",
            *(
                f"{m.query:<26} {m.target_ms:>5.0f} ms {m.sql_p50_ms:>6.2f} ms {m.sql_p99_ms:>8.2f}"
                f" {m.api_p50_ms:>6.2f} ms {m.api_p99_ms:>8.2f} {m.bare_ms:>8.2f} {m.ratio:>6.2f}"
                for m in measured
            ),
        ],
    )  # fmt: skip
    over = [m.query for m in measured if m.is_over]
    judge(f"over the target: {', '.join(over)}" if over else None)
