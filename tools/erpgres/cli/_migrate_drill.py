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
@click.option("--port", type=int, default=8780, show_default=True, help="First of five free ports.")
@format_option
@click.pass_context
def command(
    context: click.Context, rows: int, rate: float, connections: int, share: float, port: int, output: str
) -> None:
    """Apply every kind of change to a large table while the API is used, and tell what its clients felt.

    On a stack of its own that is removed afterwards. Exit code 1 when a request failed or waited over 500 ms.

    \b
    Examples:
      erpgres migrate drill
      erpgres migrate drill --rows 10000000 --rate 1000 --format json
    """
    from erpgres.errors import DONE, REFUSED
    from erpgres.migrate import drill

    found = drill.run(drill.Options(rows=rows, rate=rate, connections=connections, share=share), say, port)
    if output == "json":
        click.echo(json.dumps(found.public(), indent=2))
    else:
        head = ("applied to " + f"{rows:,} rows", "seconds", "requests/s", "failed", "longest ms", "p99 ms", "lock ms")
        click.echo(f"{head[0]:<46}" + "".join(f"{word:>12}" for word in head[1:]))
        for item in found.items:
            click.echo(
                f"{item.name:<46}{item.seconds:>12.1f}{item.rate:>12.0f}{item.failed:>12}{item.longest_ms:>12.0f}"
                f"{item.p99_ms:>12.0f}{item.lock_ms:>12.0f}"
            )
        for failure in found.failures:
            click.echo(f"failed: {failure}")
    context.exit(DONE if found.holds else REFUSED)
