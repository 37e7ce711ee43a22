"""`erpgres bench relay`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say
from erpgres.cli.bench._common import judge, report, setting

_TITLES = (
    *("connections", "subscribers", "writes/s", "delivered", "missing", "repeated", "connect s"),
    *("median ms", "p95 ms", "p99 ms", "longest ms", "relay cpu", "memory MB"),
)


@click.command("relay")
@setting("--seconds", click.FloatRange(min=1), 20, "How long each load lasts.")
@setting("--connections", click.IntRange(min=1, max=4000), 1000, "Connections of the largest load.")
@setting("--subscribers", click.IntRange(min=1), 250, "Clients that want what is written.")
@setting("--writes", click.FloatRange(min=1), 50, "Rows committed a second.")
@format_option
def command(output: str, seconds: float, connections: int, subscribers: int, writes: float) -> None:
    """Measure how long a change takes from its commit to the clients of the relay.

    In a stack of its own that is thrown away. Three loads in one run: the subscribers alone; the same among all the
    connections; and all connections subscribed, with a tenth of the writes. Exit code 1 when something did not arrive
    exactly once, or the median of the first is not below 50 ms.

    \b
    Example:
      erpgres bench relay --seconds 10 --format json
    """
    import dataclasses

    from erpgres.bench import relay as bench

    subscribers = min(subscribers, connections)
    loads = [
        bench.Load(subscribers, subscribers, writes),
        bench.Load(connections, subscribers, writes),
        bench.Load(connections, connections, max(1.0, writes / 10)),
    ]
    measured = bench.run(loads, seconds, say)
    rows = [_TITLES] + [
        (
            m.connections, m.subscribers, f"{m.writes:g}", m.delivered, m.missing, m.repeated,
            *(f"{value:.1f}" for value in (m.connect_s, m.median_ms, m.p95_ms, m.p99_ms, m.longest_ms)),
            f"{m.cpu:.0%}", f"{m.memory_mb:.0f}",
        )
        for m in measured
    ]  # fmt: skip
    report(
        output,
        {"target_ms": bench.TARGET_MS, "results": [dataclasses.asdict(m) for m in measured]},
        [" ".join(f"{cell:>11}" for cell in row) for row in rows],
    )
    broken = sum(not m.is_whole for m in measured)
    judge(
        f"not everything arrived exactly once, or a connection broke, at {broken} of {len(measured)} loads"
        if broken
        else None,
        f"the median of the first load is not below {bench.TARGET_MS:g} ms" if measured[0].is_over else None,
    )
