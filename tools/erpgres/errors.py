"""Exit codes and the two ways in which a command ends early."""

from __future__ import annotations

from typing import IO, Any

import click

DONE = 0
REFUSED = 1
CANNOT_RUN = 2


class ErpgresError(click.ClickException):
    """An expected failure: one line that says what, and a hint that says what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message and the hint on standard error."""
        click.echo(f"error: {self.message}", err=True)
        if self.hint:
            click.echo(f"hint: {self.hint}", err=True)


class Refused(ErpgresError):
    """The command ran and found something wrong, or refused to go on (exit code 1)."""

    exit_code = REFUSED


class CannotRun(ErpgresError):
    """The command could not run at all: something it needs is missing (exit code 2)."""

    exit_code = CANNOT_RUN
