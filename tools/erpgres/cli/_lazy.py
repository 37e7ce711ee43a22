"""Groups of commands, each in a module of its own that is imported when it is asked for."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path

import click

from erpgres.errors import CannotRun


class LazyGroup(click.Group):
    """A group whose commands are the modules (or packages) of a package, which `package` names.

    `some_name.py` is the command `some-name`, and defines `command`; names that begin with _ are no commands.
    """

    package = "erpgres.cli"

    @property
    def _folder(self) -> Path:
        module = importlib.import_module(self.package)
        assert module.__file__ is not None
        return Path(module.__file__).parent

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        modules = (*self._folder.glob("*.py"), *(path.parent for path in self._folder.glob("*/__init__.py")))
        return sorted(path.stem.replace("_", "-") for path in modules if not path.stem.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None if there is no module of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{self.package}.{cmd_name.replace('-', '_')}")
        command = getattr(module, "command", None)
        if not isinstance(command, click.Command):
            raise CannotRun(f"the module of the command {cmd_name} has no `command`")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and suggest near names when there is none."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1) if args else []
            if near and self.get_command(ctx, args[0]) is None:
                raise click.UsageError(f"No such command '{args[0]}'. Did you mean '{near[0]}'?", ctx) from None
            raise
