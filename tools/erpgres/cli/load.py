"""`erpgres load`: data sets to measure and to try things out with."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from erpgres.cli._options import database_url_option, format_option, state_option
from erpgres.stack.state import State

if TYPE_CHECKING:
    from erpgres.data.tpch import Advance, Loaded, Progress


@click.group("load")
def command() -> None:
    """Load a data set."""


@command.command("tpch")
@click.option(
    "--scale",
    type=float,
    default=0.1,
    show_default=True,
    envvar="ERPGRES_TPCH_SCALE",
    show_envvar=True,
    help="Size: 1 is 6 million order lines. From 0.001 to 10.",
)
@click.option(
    "--org",
    "code",
    metavar="CODE",
    default="TPCH",
    show_default=True,
    envvar="ERPGRES_TPCH_ORG",
    show_envvar=True,
    help="Code of the organisation that is made for it.",
)
@format_option
@database_url_option
@state_option
@click.pass_context
def tpch(context: click.Context, state: State, database_url: str | None, output: str, scale: float, code: str) -> None:
    """Load the TPC-H data set: partners, items, and every order a posted sale with its stock movements.

    It is generated here, without a network, and is the same every time. All or nothing: an interrupted load leaves
    nothing behind. The invariants of wms are checked at the end; exit code 1 when one does not hold, or when the
    organisation is there already. Sign in as admin@<code>.example.

    \b
    Examples:
      erpgres load tpch --scale 0.01
      erpgres load tpch --scale 1 --org BIG --format json
    """
    from erpgres.data.tpch import load
    from erpgres.errors import DONE, REFUSED

    signal.signal(signal.SIGTERM, _interrupt)
    with _progress() as progress:
        loaded = load(database_url or state.dsn("migrator"), scale, code, progress)
    click.echo(_json(loaded) if output == "json" else _text(loaded))
    context.exit(REFUSED if loaded.violated else DONE)


def _interrupt(*_: object) -> None:
    """End as Ctrl-C does, so that everything is cleared away."""
    raise KeyboardInterrupt


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show a line a phase on standard error: rows, rows a second, time."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
    from rich.text import Text

    class Rows(ProgressColumn):
        def render(self, task: Task) -> Text:
            rows, seconds = task.completed, task.finished_time or task.elapsed or 0.0
            if task.fields["counted"] and rows:
                return Text(f"{rows:>11,.0f} {rows / max(seconds, 0.001):>9,.0f}/s {seconds:6.1f} s")
            return Text(f"{seconds:30.1f} s")

    console = Console(file=sys.stderr)
    bar = Progress(
        SpinnerColumn(finished_text=" "), TextColumn("{task.description}"), BarColumn(12), Rows(), console=console
    )

    @contextmanager
    def phase(name: str, rows: int | None) -> Iterator[Advance]:
        task = bar.add_task(name, total=rows, counted=rows is not None)
        yield lambda done: bar.advance(task, done)
        done = bar.tasks[task].completed or 1
        bar.update(task, total=done, completed=done)

    with bar:
        yield phase


def _text(loaded: Loaded) -> str:
    rows = ", ".join(f"{rows:,} {kind.replace('_', ' ')}" for kind, rows in loaded.rows.items())
    lines = [
        f"{loaded.organization}: {rows}",
        f"{loaded.rows['lines']:,} lines in {loaded.load_seconds:.1f} s, {loaded.lines_per_second:,} lines/s;"
        f" {loaded.seconds:.1f} s with generating and checking",
    ]
    for finding in loaded.violated:
        lines.append(
            f"{finding.domain} {finding.name}: {finding.title}: {finding.error or f'{finding.violations} violations'}"
        )
    if not loaded.violated:
        lines.append(f"{len(loaded.findings)} invariants hold")
    return "\n".join(lines)


def _json(loaded: Loaded) -> str:
    value: dict[str, Any] = {
        "organization": loaded.organization,
        "org_id": str(loaded.org_id),
        "administrator": loaded.administrator,
        "scale": loaded.scale,
        **loaded.rows,
        "load_seconds": loaded.load_seconds,
        "lines_per_second": loaded.lines_per_second,
        "seconds": loaded.seconds,
        "phases": loaded.phases,
        "invariants": len(loaded.findings),
        "violated": [f"{finding.domain} {finding.name}" for finding in loaded.violated],
    }
    return json.dumps(value, indent=2)
