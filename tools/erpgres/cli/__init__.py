"""The command line: each module here is one command, imported only when it is called."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from erpgres.errors import CannotRun
from erpgres.settings import VERSION

_HERE = Path(__file__).parent


class LazyGroup(click.Group):
    """A group whose commands are the modules of this package; `some_name.py` is the command `some-name`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        names = (path.stem for path in _HERE.glob("*.py") if not path.stem.startswith("_"))
        return sorted(name.replace("_", "-") for name in names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None if there is no module of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"erpgres.cli.{cmd_name.replace('-', '_')}")
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
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1) if args else []
            if near and self.get_command(ctx, args[0]) is None:
                raise click.UsageError(f"No such command '{args[0]}'. Did you mean '{near[0]}'?", ctx) from None
            raise


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, prog_name="erpgres")
def main() -> None:
    """Erpgres: an ERP backend that is a PostgreSQL database.

    \b
    First steps:
      erpgres up -d        start PostgreSQL, PostgREST and the gateway, migrated
      erpgres status       see how they are
      erpgres down         stop them; the data stay

    Exit codes: 0 done, 1 found something wrong or refused, 2 could not run. Options can also be given as environment
    variables, named in each command's help.
    """
