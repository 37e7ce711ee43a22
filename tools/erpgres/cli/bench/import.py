"""`erpgres bench import`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say, state_option
from erpgres.cli.bench._common import judge, report, setting
from erpgres.stack.state import State


@click.command("import")
@setting("--rows", click.IntRange(min=1000), 200_000, "Items in the file.")
@setting("--rounds", click.IntRange(min=1), 3, "How often each way is measured; medians are shown.")
@format_option
@state_option
def command(state: State, output: str, rows: int, rounds: int) -> None:
    """Compare `erpgres import items` with a bare COPY of the same rows into a table like that of the items.

    In a scratch database on the stack's PostgreSQL, dropped afterwards. Exit code 1 when the import has less than half
    the speed.

    \b
    Examples:
      erpgres bench import
      erpgres bench import --rows 1000000 --rounds 1
    """
    import dataclasses

    from erpgres.bench import imports as bench

    m = bench.run(state, rows, rounds, say)
    lines = [f"{'':<10} {m.counted:>28} {'clock':>10}"]
    for name, seconds, clock in (
        ("import", m.import_seconds, m.clock_import_seconds),
        ("bare COPY", m.copy_seconds, m.clock_copy_seconds),
    ):
        lines.append(f"{name:<10} {seconds:>19.1f} s {rows / seconds:>6,.0f}/s {clock:>8.1f} s {rows / clock:,.0f}/s")
    lines += [
        f"import : bare COPY = {m.ratio:.2f} (target {bench.TARGET}), {m.clock_ratio:.2f} by the clock",
        f"into the search, after the commit: {m.search_seconds:.1f} s, {m.search_seconds / rows * 1e6:.0f} us a row;"
        f" with it {m.ratio_with_search:.2f}",
        f"memory of the importing process grew by {m.memory_mb:.0f} MB",
    ]
    report(output, {**dataclasses.asdict(m), "target": bench.TARGET}, lines)
    judge("" if m.is_under else None)
