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


@command.command("import")
@click.option(
    "--rows", type=click.IntRange(min=1000), default=200_000, show_default=True,
    envvar="ERPGRES_BENCH_ROWS", show_envvar=True, help="Items in the file.",
)  # fmt: skip
@click.option(
    "--rounds", type=click.IntRange(min=1), default=3, show_default=True,
    envvar="ERPGRES_BENCH_ROUNDS", show_envvar=True, help="How often each way is measured; medians are shown.",
)  # fmt: skip
@format_option
@state_option
def imports(state: State, output: str, rows: int, rounds: int) -> None:
    """Compare `erpgres import items` with a bare COPY of the same rows into a table like that of the items.

    In a scratch database on the stack's PostgreSQL, dropped afterwards. Exit code 1 when the import has less than half
    the speed.

    \b
    Examples:
      erpgres bench import
      erpgres bench import --rows 1000000 --rounds 1
    """
    import dataclasses
    import json

    from erpgres.bench import imports as bench

    measured = bench.run(state, rows, rounds, say)
    if output == "json":
        click.echo(json.dumps({**dataclasses.asdict(measured), "target": bench.TARGET}, indent=2))
    else:
        click.echo(f"{'':<10} {measured.counted:>28} {'clock':>10}")
        for name, seconds, clock in (
            ("import", measured.import_seconds, measured.clock_import_seconds),
            ("bare COPY", measured.copy_seconds, measured.clock_copy_seconds),
        ):
            click.echo(f"{name:<10} {seconds:>19.1f} s {rows / seconds:>6,.0f}/s {clock:>8.1f} s {rows / clock:,.0f}/s")
        click.echo(
            f"import : bare COPY = {measured.ratio:.2f} (target {bench.TARGET}),"
            f" {measured.clock_ratio:.2f} by the clock"
        )
        click.echo(f"memory of the importing process grew by {measured.memory_mb:.0f} MB")
    if measured.is_under:
        raise click.exceptions.Exit(REFUSED)
