"""`erpgres bench posting`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say
from erpgres.errors import REFUSED


@click.command("posting")
@click.option(
    "--clients",
    type=click.IntRange(1, 90),
    default=20,
    show_default=True,
    envvar="ERPGRES_BENCH_CLIENTS",
    show_envvar=True,
    help="How many post at once.",
)
@click.option(
    "--documents",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    envvar="ERPGRES_BENCH_DOCUMENTS",
    show_envvar=True,
    help="How many are posted in each way and round, by all clients together.",
)
@click.option(
    "--batch",
    type=click.IntRange(2, 100),
    default=25,
    show_default=True,
    envvar="ERPGRES_BENCH_BATCH",
    show_envvar=True,
    help="How many are posted by one call where many are posted at once.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    envvar="ERPGRES_BENCH_ROUNDS",
    show_envvar=True,
    help="How often each way takes its turn; medians are shown.",
)
@format_option
def posting(output: str, clients: int, documents: int, batch: int, rounds: int) -> None:
    """Post documents of five lines over the same 200 items, one by one and many at once, in SQL and through the API.

    Starts a stack of its own and removes it. The same beside bare tables, which say what the machine can do. Exit
    code 1 when posting in SQL stays below 1,500 documents a second.

    \b
    Example:
      erpgres bench posting --clients 20
    """
    import dataclasses
    import json

    from erpgres.bench import posting as bench

    measured = bench.run(clients, documents, batch, rounds, say)
    if output == "json":
        click.echo(json.dumps([{**dataclasses.asdict(m), "is_short": m.is_short} for m in measured], indent=2))
    else:
        click.echo(f"{'way':<10} {'documents/s':>12} {'to bare':>8}")
        for m in measured:
            short = f"  short of {bench.AIM:,}" if m.is_short else ""
            click.echo(f"{m.way:<10} {m.per_second:>12,.0f} {m.ratio:>8.2f}{short}")
    if any(m.is_short for m in measured):
        raise click.exceptions.Exit(REFUSED)
