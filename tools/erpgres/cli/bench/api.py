"""`erpgres bench api`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say
from erpgres.cli.bench._common import judge, report, setting


@click.command("api")
@setting("--rounds", click.IntRange(min=1), 7, "How often each system is measured in each case, in turns.")
@setting("--seconds", click.FloatRange(min=0.2), 2.0, "How long each time, except for postings.")
@setting("--clients", click.IntRange(1, 64), 16, "Connections that ask at once, each waiting for its answer.")
@setting(
    "--posts", click.IntRange(min=1), 208,
    "Documents that are posted each time, of five lines; a multiple of the clients.",
)  # fmt: skip
@setting(
    "--scale", click.FloatRange(0.001, 1), 0.01,
    "Size of the TPC-H data set that is asked about: 0.01 has 15,000 documents.",
)  # fmt: skip
@setting("--port", click.IntRange(1024, 65000), 8700, "The first of eight free ports.")
@click.option(
    "--plot",
    "drawing",
    type=click.Path(dir_okay=False),
    envvar="ERPGRES_BENCH_PLOT",
    show_envvar=True,
    help="A file to draw the figures into: .svg, .png or .pdf.",
)
@format_option
def command(
    output: str, rounds: int, seconds: float, clients: int, posts: int, scale: float, port: int, drawing: str | None
) -> None:
    """Compare the API with bare PostgREST, with a FastAPI application, and with the query alone.

    Starts a stack of its own and removes it. Four cases: a document by its key, a filtered list, a page deep down, a
    posting. Exit code 1 when Erpgres is below 0.8 of bare PostgREST, below three times the application, or its p99
    above 1.5 times that of bare PostgREST. Needs the development packages.

    \b
    Example:
      erpgres bench api --plot api.svg
    """
    from pathlib import Path

    from erpgres.bench import api as bench
    from erpgres.bench import report as drawn

    posts = max(posts // clients, 1) * clients
    found = bench.run(bench.Options(rounds, seconds, clients, posts, scale), say, port)
    if drawing:
        drawn.plot(found, Path(drawing))
    report(output, found.public(), [drawn.text(found)])
    judge("" if any(ratio.is_short for ratio in found.ratios) else None)
