"""`erpgres bench wms`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say
from erpgres.errors import REFUSED


@click.command("wms")
@click.option(
    "--documents",
    type=click.IntRange(min=4800),
    default=24_000,
    show_default=True,
    envvar="ERPGRES_BENCH_DOCUMENTS",
    show_envvar=True,
    help="Documents of the last three years, with five lines and ten ledger rows each.",
)
@click.option(
    "--items",
    type=click.IntRange(min=1000),
    default=20_000,
    show_default=True,
    envvar="ERPGRES_BENCH_ITEMS",
    show_envvar=True,
    help="Items, each in a quarter of the 20 warehouses.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=3),
    default=20,
    show_default=True,
    envvar="ERPGRES_BENCH_ROUNDS",
    show_envvar=True,
    help="How often each query is asked, five times each round.",
)
@click.option(
    "--port",
    type=click.IntRange(1024, 65000),
    default=8700,
    show_default=True,
    envvar="ERPGRES_BENCH_PORT",
    show_envvar=True,
    help="First of the ports that the stack takes.",
)
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
    import json

    from erpgres.bench import wms as bench

    counted, measured = bench.run(documents, items, rounds, say, port)
    if output == "json":
        click.echo(json.dumps({
            "documents": documents, "items": items, "rounds": rounds, "counted": counted,
            "results": [dataclasses.asdict(m) for m in measured],
        }, indent=2))  # fmt: skip
    else:
        click.echo(f"{documents} documents, {items} items, {rounds} rounds, SQL: {counted}, API: time on the clock")
        click.echo(
            f"{'query':<26} {'target':>8} {'SQL p50':>9} {'p99':>8} {'API p50':>9} {'p99':>8} {'bare':>8} {'ratio':>6}"
        )
        for m in measured:
            click.echo(
                f"{m.query:<26} {m.target_ms:>5.0f} ms {m.sql_p50_ms:>6.2f} ms {m.sql_p99_ms:>8.2f}"
                f" {m.api_p50_ms:>6.2f} ms {m.api_p99_ms:>8.2f} {m.bare_ms:>8.2f} {m.ratio:>6.2f}"
            )
    over = [m.query for m in measured if m.is_over]
    if over:
        say("over the target: " + ", ".join(over))
        raise click.exceptions.Exit(REFUSED)
