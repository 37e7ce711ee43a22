"""A stack that lives as long as the command that started it."""

from __future__ import annotations

import signal
from types import FrameType

import click

from erpgres.stack import lifecycle, logs
from erpgres.stack.state import State
from erpgres.stack.supervise import Supervisor


def run(state: State, asked: lifecycle.Asked, progress: lifecycle.Progress) -> None:
    """Bring the stack up, show its logs, and take it down at Ctrl-C, SIGTERM or SIGHUP, or when it was stopped."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        lifecycle.up(state, asked, progress)
        click.echo(f"{state.url}  (state in {state.path})")
        progress("Ctrl-C stops it")
        supervisor = Supervisor(state)
        for line in logs.read(
            logs.files(state), 0, follow=True, label=True, goes_on=lambda: supervisor.pid() is not None
        ):
            click.echo(line)
        progress("the supervisor ended")
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        progress("stopping")
    lifecycle.down(state)
    progress("down")
