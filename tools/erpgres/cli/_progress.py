"""Progress of long work on standard error: done, how fast, how long still."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Advance = Callable[[int], None]


@contextmanager
def phases(unit: str = "rows") -> Iterator[Callable[[str, int | None], Any]]:
    """Give a function that shows a phase: `with phase(name, total) as advance: advance(done)`; total may be None.

    The total of a phase called "reading" is shown in percent, since it may be bytes.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """How much of how much, so many a second, and the time that remains."""

        def render(self, task: Task) -> Text:
            if not task.completed:
                return Text("")
            seconds = max(task.finished_time or task.elapsed or 0.0, 0.001)
            if task.description == "reading":
                shown = f"{task.percentage:5.0f} %"
            else:
                shown = f"{task.completed:>11,.0f} {unit} {task.completed / seconds:>9,.0f}/s"
            if not task.finished and task.total and task.time_remaining is not None:
                shown += f", {task.time_remaining:.0f} s to go"
            return Text(shown)

    bar = Progress(
        SpinnerColumn(finished_text=" "), TextColumn("{task.description}"), BarColumn(16), TimeElapsedColumn(), Rate(),
        console=Console(file=sys.stderr),
    )  # fmt: skip

    @contextmanager
    def phase(name: str, total: int | None) -> Iterator[Advance]:
        task = bar.add_task(name, total=total)
        yield lambda done: bar.advance(task, done)
        done = bar.tasks[task].completed or total or 1
        bar.update(task, total=done, completed=done)

    with bar:
        yield phase
