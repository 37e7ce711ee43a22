"""`erpgres migrate drill`."""

from __future__ import annotations

import json

import click

from erpgres.cli._options import format_option, say


@click.command("drill")
@click.option("--rows", type=click.IntRange(1000), default=500_000, show_default=True, help="Rows of the large table.")
@click.option("--rate", type=float, default=1000.0, show_default=True, help="Requests a second, at the most.")
@click.option("--connections", type=click.IntRange(1, 90), default=16, show_default=True, help="Clients at a time.")
@click.option("--share", type=click.FloatRange(0.01, 1), default=0.9, show_default=True,
              help="Of the time that back-fills work.")  # fmt: skip
@click.option("--alone", type=float, default=5.0, show_default=True, metavar="SECONDS",
              help="How long the load runs alone before each change.")  # fmt: skip
@click.option("--port", type=int, default=8780, show_default=True, help="First of five free ports.")
@format_option
@click.pass_context
def command(
    context: click.Context,
    rows: int,
    rate: float,
    connections: int,
    share: float,
    alone: float,
    port: int,
    output: str,
) -> None:
    """Apply every kind of change to a large table while the API is used, and tell what its clients felt.

    On a stack of its own that is removed afterwards. Beside the longest wait of each change stands that of the load
    alone, just before it. Exit code 1 when a request failed or waited over 500 ms, or the rate was not reached.

    \b
    Examples:
      erpgres migrate drill
      erpgres migrate drill --rows 10000000 --rate 1000 --format json
    """
    from erpgres.errors import DONE, REFUSED
    from erpgres.migrate import drill

    options = drill.Options(rows=rows, rate=rate, connections=connections, share=share, alone_seconds=alone)
    found = drill.run(options, say, port)
    click.echo(json.dumps(found.public(), indent=2) if output == "json" else drill.text(found))
    context.exit(DONE if found.holds else REFUSED)
