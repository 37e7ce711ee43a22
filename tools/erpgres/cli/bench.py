"""`erpgres bench`."""

from __future__ import annotations

import click

from erpgres.cli._options import format_option, say, state_option
from erpgres.cli.bench_posting import posting
from erpgres.errors import REFUSED
from erpgres.stack.state import State


@click.group("bench")
def command() -> None:
    """Measure, always two ways in one run; an absolute figure says little about another machine.

    \b
    Example:
      erpgres bench rls
      erpgres bench relay
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


@command.command("events")
@click.option(
    "--rows",
    type=click.IntRange(min=100),
    default=10_000,
    show_default=True,
    envvar="ERPGRES_BENCH_ROWS",
    show_envvar=True,
    help="Rows of a bulk change.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=3, max=8),
    default=8,
    show_default=True,
    envvar="ERPGRES_BENCH_ROUNDS",
    show_envvar=True,
    help="How many bulk changes; four times as many blocks of 40 single-row changes.",
)
@click.option(
    "--seconds",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    envvar="ERPGRES_BENCH_SECONDS",
    show_envvar=True,
    help="How long documents are posted each of four turns; 0: not at all.",
)
@format_option
@state_option
def events(state: State, output: str, rows: int, rounds: int, seconds: int) -> None:
    """Compare writes that are recorded as events with the same writes that are not.

    In two scratch databases on the stack's PostgreSQL, dropped afterwards. Exit code 1 when a bulk change takes more
    than 1.6 times, or a single-row change more than 1.25 times as long as without; postings are shown and not judged.

    \b
    Example:
      erpgres bench events --format json
    """
    import dataclasses
    import json

    from erpgres.bench import events as bench

    counted, measured = bench.run(state, rows, rounds, seconds, say)
    if output == "json":
        click.echo(json.dumps({
            "rows": rows, "counted": counted, "targets": bench.TARGETS,
            "results": [dataclasses.asdict(m) for m in measured],
        }, indent=2))  # fmt: skip
    else:
        click.echo(f"{rows} rows a bulk change, {counted}; postings on the clock")
        click.echo(f"{'write':<10} {'with events':>14} {'without':>14} {'ratio':>7} {'target':>7}")
        for m in measured:
            target = "" if m.target is None else f"{m.target:.2f}"
            click.echo(f"{m.name:<10} {m.with_ms:>11.3f} ms {m.without_ms:>11.3f} ms {m.ratio:>7.2f} {target:>7}")
    over = [m for m in measured if m.is_over]
    if over:
        say("over the target: " + ", ".join(m.name for m in over))
        raise click.exceptions.Exit(REFUSED)


@command.command("feed")
@click.option(
    "--seconds",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    envvar="ERPGRES_BENCH_SECONDS",
    show_envvar=True,
    help="How long the writers write.",
)
@click.option(
    "--writers",
    type=click.IntRange(min=1, max=80),
    default=50,
    show_default=True,
    envvar="ERPGRES_BENCH_WRITERS",
    show_envvar=True,
    help="Sessions that write at once.",
)
@click.option(
    "--bug",
    type=click.Choice(["id", "xid"]),
    help="Break the feed on purpose: read by id alone, or store the transaction alone as position.",
)
@format_option
def feed(output: str, seconds: int, writers: int, bug: str | None) -> None:
    """Check that the feed delivers every committed event once and in the order of each row.

    In a stack of its own that is deleted afterwards: its server is killed (SIGKILL) at a third of the time, among long
    transactions, deadlocks and rollbacks. Exit code 1 when something was lost, repeated or out of order.

    \b
    Example:
      erpgres bench feed
      erpgres bench feed --seconds 10 --bug id
    """
    import dataclasses
    import json

    from erpgres.bench import feed as bench

    with bench.throw_away(say) as state:
        say(f"{writers} writers for {seconds} s")
        outcome = bench.check(
            state.dsn("migrator"), seconds, writers, bug, None if bug else lambda: bench.kill_server(state)
        )
    if output == "json":
        click.echo(json.dumps({"violations": outcome.violations, **dataclasses.asdict(outcome)}, indent=2))
    else:
        click.echo(
            f"{outcome.commits} commits, {outcome.rollbacks} rollbacks, {outcome.failures} failed transactions, "
            f"{outcome.disconnected} cut off, "
            f"the longest {outcome.longest_transaction} s; {outcome.kills} kills; {outcome.polls} polls"
        )
        click.echo(f"{outcome.events} events committed, {outcome.delivered} delivered")
        for kind in ("lost", "repeated", "invented", "disordered", "forgotten"):
            found = getattr(outcome, kind)
            click.echo(f"{kind}: {len(found)}")
            for line in found[:5]:
                click.echo(f"    {line}")
    if outcome.violations:
        raise click.exceptions.Exit(REFUSED)


@command.command("relay")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=20,
    show_default=True,
    envvar="ERPGRES_BENCH_SECONDS",
    show_envvar=True,
    help="How long each load lasts.",
)
@click.option(
    "--connections",
    type=click.IntRange(min=1, max=4000),
    default=1000,
    show_default=True,
    envvar="ERPGRES_BENCH_CONNECTIONS",
    show_envvar=True,
    help="Connections of the largest load.",
)
@click.option(
    "--subscribers",
    type=click.IntRange(min=1),
    default=250,
    show_default=True,
    envvar="ERPGRES_BENCH_SUBSCRIBERS",
    show_envvar=True,
    help="Clients that want what is written.",
)
@click.option(
    "--writes",
    type=click.FloatRange(min=1),
    default=50,
    show_default=True,
    envvar="ERPGRES_BENCH_WRITES",
    show_envvar=True,
    help="Rows committed a second.",
)
@format_option
def relay(output: str, seconds: float, connections: int, subscribers: int, writes: float) -> None:
    """Measure how long a change takes from its commit to the clients of the relay.

    In a stack of its own that is thrown away. Three loads in one run: the subscribers alone; the same among all the
    connections; and all connections subscribed, with a tenth of the writes. Exit code 1 when something did not arrive
    exactly once, or the median of the first is not below 50 ms.

    \b
    Example:
      erpgres bench relay --seconds 10 --format json
    """
    import dataclasses
    import json

    from erpgres.bench import relay as bench

    subscribers = min(subscribers, connections)
    loads = [
        bench.Load(subscribers, subscribers, writes),
        bench.Load(connections, subscribers, writes),
        bench.Load(connections, connections, max(1.0, writes / 10)),
    ]
    measured = bench.run(loads, seconds, say)
    if output == "json":
        click.echo(json.dumps(
            {"target_ms": bench.TARGET_MS, "results": [dataclasses.asdict(m) for m in measured]}, indent=2
        ))  # fmt: skip
    else:
        titles = [
            *("connections", "subscribers", "writes/s", "delivered", "missing", "repeated", "connect s"),
            *("median ms", "p95 ms", "p99 ms", "longest ms", "relay cpu", "memory MB"),
        ]
        click.echo(" ".join(f"{title:>11}" for title in titles))
        for m in measured:
            counts = (m.connections, m.subscribers, f"{m.writes:g}", m.delivered, m.missing, m.repeated)
            times = (m.connect_s, m.median_ms, m.p95_ms, m.p99_ms, m.longest_ms)
            cells = [*counts, *(f"{value:.1f}" for value in times), f"{m.cpu:.0%}", f"{m.memory_mb:.0f}"]
            click.echo(" ".join(f"{cell:>11}" for cell in cells))
    broken = [m for m in measured if not m.is_whole]
    if broken:
        say(f"not everything arrived exactly once, or a connection broke, at {len(broken)} of {len(measured)} loads")
    if measured[0].is_over:
        say(f"the median of the first load is not below {bench.TARGET_MS:g} ms")
    if broken or measured[0].is_over:
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


command.add_command(posting)
