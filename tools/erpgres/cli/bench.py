"""`erpgres bench`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say, state_option
from erpgres.errors import REFUSED
from erpgres.stack.state import State


@click.group("bench")
def command() -> None:
    """Measure, always two ways in one run; an absolute figure says little about another machine.

    \b
    Example:
      erpgres bench rls
    """


@command.command("rls")
@click.option(
    "--rows",
    type=click.IntRange(min=1000),
    default=100_000,
    show_default=True,
    envvar="ERPGRES_BENCH_ROWS",
    show_envvar=True,
    help="Partners, items and documents of the measured organisation; another has half as many.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=3),
    default=21,
    show_default=True,
    envvar="ERPGRES_BENCH_ROUNDS",
    show_envvar=True,
    help="How often each form is measured, short queries up to six times as often; medians are shown.",
)
@format_option
@state_option
def rls(state: State, output: str, rows: int, rounds: int) -> None:
    """Compare lists under row-level security with the same lists with the filter written by hand.

    In a scratch database on the stack's PostgreSQL, dropped afterwards. Exit code 1 when a list's ratio is over
    1.1; sums, which analysts ask for and the API does not offer, are shown and not judged.

    \b
    Example:
      erpgres bench rls --format json
    """
    import dataclasses
    import json

    from erpgres.bench import rls as bench

    counted, measured = bench.run(state, rows, rounds, say)
    if output == "json":
        click.echo(json.dumps({
            "rows": rows, "rounds": rounds, "counted": counted, "target": bench.TARGET,
            "results": [dataclasses.asdict(m) for m in measured],
        }, indent=2))  # fmt: skip
    else:
        click.echo(f"{rows} rows, {rounds} rounds, {counted}")
        click.echo(f"{'query':<24} {'mode':<18} {'under RLS':>12} {'by hand':>12} {'ratio':>7}")
        for m in measured:
            click.echo(f"{m.query:<24} {m.mode:<18} {m.rls_us:>9.1f} us {m.by_hand_us:>9.1f} us {m.ratio:>7.3f}")
    over = [m for m in measured if m.is_over]
    if over:
        say(f"over {bench.TARGET}: " + ", ".join(f"{m.query} ({m.mode})" for m in over))
        raise click.exceptions.Exit(REFUSED)


@command.command("api")
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=7,
    show_default=True,
    envvar="ERPGRES_BENCH_ROUNDS",
    show_envvar=True,
    help="How often each system is measured in each case, in turns.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.2),
    default=2.0,
    show_default=True,
    envvar="ERPGRES_BENCH_SECONDS",
    show_envvar=True,
    help="How long each time, except for postings.",
)
@click.option(
    "--clients",
    type=click.IntRange(1, 64),
    default=16,
    show_default=True,
    envvar="ERPGRES_BENCH_CLIENTS",
    show_envvar=True,
    help="Connections that ask at once, each waiting for its answer.",
)
@click.option(
    "--posts",
    type=click.IntRange(min=1),
    default=208,
    show_default=True,
    envvar="ERPGRES_BENCH_POSTS",
    show_envvar=True,
    help="Documents that are posted each time, of five lines; a multiple of the clients.",
)
@click.option(
    "--scale",
    type=click.FloatRange(0.001, 1),
    default=0.01,
    show_default=True,
    envvar="ERPGRES_BENCH_SCALE",
    show_envvar=True,
    help="Size of the TPC-H data set that is asked about: 0.01 has 15,000 documents.",
)
@click.option(
    "--port",
    type=click.IntRange(1024, 65000),
    default=8700,
    show_default=True,
    envvar="ERPGRES_BENCH_PORT",
    show_envvar=True,
    help="The first of eight free ports.",
)
@click.option(
    "--plot",
    "drawing",
    type=click.Path(dir_okay=False),
    envvar="ERPGRES_BENCH_PLOT",
    show_envvar=True,
    help="A file to draw the figures into: .svg, .png or .pdf.",
)
@format_option
def api(
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
    import json
    from pathlib import Path

    from erpgres.bench import api as bench
    from erpgres.bench import report

    posts = max(posts // clients, 1) * clients
    found = bench.run(bench.Options(rounds, seconds, clients, posts, scale), say, port)
    if drawing:
        report.plot(found, Path(drawing))
    click.echo(json.dumps(found.public(), indent=2) if output == "json" else report.text(found))
    if any(ratio.is_short for ratio in found.ratios):
        raise click.exceptions.Exit(REFUSED)
