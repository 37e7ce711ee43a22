"""`erpgres lint`, and `lint explain`, `lint rules`, `lint new-rule`."""

from __future__ import annotations

from pathlib import Path

import click

from erpgres.cli._options import database_url_option, format_option, say, state_option
from erpgres.stack.state import State


class PathsOrCommand(click.Group):
    """A group that takes paths: what is no command of it goes to `check`, with all options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `check` in front unless a command is named or help is asked for."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["check", *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the options of `check` as those of the group."""
        click.Command.format_options(self.commands["check"], ctx, formatter)
        self.format_commands(ctx, formatter)


@click.group("lint", cls=PathsOrCommand, subcommand_metavar="[PATHS]... | COMMAND [ARGS]...")
def command() -> None:
    """Check that the SQL of the tree, and the schema it makes, keep the rules of the house.

    Text rules, sqlfluff and squawk look at files; catalog rules look at a database: one of the lint's own, migrated
    from this checkout, unless --database-url or --live names another. PATHS limits it to files and folders of the
    tree. A file that is not in the tree is judged as if it were the next migration: it is applied to the lint's own
    database, the catalog rules are asked, and it is undone.

    Exit codes: 0 nothing found, 1 something found, 2 could not run.

    \b
    Examples:
      erpgres lint
      erpgres lint functions/wms migrations --format ci-annotations
      erpgres lint --live --rule unused_index
      erpgres lint explain tenant_key_first
    """


@command.command("check", hidden=True)
@click.argument("paths", nargs=-1, metavar="[PATHS]...", type=click.Path(path_type=Path))
@click.option("--rule", "rules", multiple=True, metavar="R", help="Run this rule only; may be given several times.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json", "ci-annotations"]),
    default="text",
    show_default=True,
    envvar="ERPGRES_FORMAT",
    show_envvar=True,
    help="How to write the findings on standard output; ci-annotations are those of GitHub Actions.",
)
@click.option("--no-catalog", is_flag=True, help="Look at files only: no database is needed.")
@click.option("--no-cache", is_flag=True, help="Judge the style of every file anew.")
@click.option("--live", is_flag=True, help="Ask the catalog rules of the database of the running stack.")
@database_url_option
@state_option
@click.pass_context
def check(
    context: click.Context,
    state: State,
    database_url: str | None,
    paths: tuple[Path, ...],
    rules: tuple[str, ...],
    output: str,
    *,
    no_catalog: bool,
    no_cache: bool,
    live: bool,
) -> None:
    """Check files and catalog; `erpgres lint` without a command does this.

    \b
    Example:
      erpgres lint check migrations
    """
    from erpgres.errors import DONE, REFUSED
    from erpgres.lint import report, runner, scratch

    run = runner.Run(
        paths=list(paths), rules=list(rules), with_catalog=not no_catalog, with_cache=not no_cache,
        cache=scratch.cache_folder(), database_url=database_url or (state.dsn("migrator") if live else None),
    )  # fmt: skip
    result = run()
    text = report.write(result, output)
    if text:
        click.echo(text)
    say(report.summary(result))
    context.exit(REFUSED if result.findings else DONE)


@command.command("rules")
@click.option("--write", is_flag=True, help="Write the index of rules in docs/lint.md instead of showing it.")
@format_option
def rules(output: str, *, write: bool) -> None:
    """List the rules: name, kind and what they ask.

    \b
    Examples:
      erpgres lint rules
      erpgres lint rules --write
    """
    import dataclasses
    import json

    from erpgres.lint import docs, runner

    found = runner.describe()
    if write:
        click.echo(f"{'changed' if docs.write() else 'up to date'}: {docs.PAGE.as_posix()}")
    elif output == "json":
        click.echo(json.dumps([dataclasses.asdict(rule) for rule in found], indent=2))
    else:
        width = max(len(rule.name) for rule in found)
        for rule in found:
            click.echo(f"{rule.name:<{width}}  {rule.kind:<8}  {rule.title}")


@command.command("explain")
@click.argument("rule")
def explain(rule: str) -> None:
    """Say what a rule asks, why, what to do, and where its exceptions stand.

    \b
    Example:
      erpgres lint explain tenant_key_first
    """
    from erpgres.lint import docs

    click.echo(docs.explain(rule))


@command.command("new-rule")
@click.argument("name")
@click.option("--catalog", is_flag=True, help="A rule on the catalog (an SQL query) instead of one on text.")
def new_rule(name: str, *, catalog: bool) -> None:
    """Write the files of a new rule: the rule, a case that fails and one that passes.

    \b
    Examples:
      erpgres lint new-rule sequence_near_end --catalog
      erpgres lint new-rule no_recursive_view
    """
    from erpgres.lint import docs
    from erpgres.settings import ROOT

    for path in docs.new_rule(name, catalog=catalog):
        click.echo(path.relative_to(ROOT).as_posix())
