"""`erpgres docs`."""

from __future__ import annotations

import json

import click

from erpgres.cli._options import database_url_option, format_option, say, state_option
from erpgres.stack.state import State


@click.group("docs")
def command() -> None:
    """Make the documentation from the source: comments, catalog, reference data, commands, migrations, docs/.

    \b
    Examples:
      erpgres docs build
      erpgres docs check
    """


@command.command("build")
@click.option(
    "--out",
    metavar="DIR",
    envvar="ERPGRES_OUT",
    show_envvar=True,
    help="Where to write the site (default: docs/ of the state directory, which the gateway serves as /docs/).",
)
@state_option
def build(state: State, out: str | None) -> None:
    """Write the documentation as a static site: guides, API with examples, data, permissions, errors, commands.

    A throw-away stack is started on free ports and seeded, so that what the examples answer is true and nobody's
    data. The site works from the disk and below /docs/ of the gateway, without the internet. The npm packages that
    draw diagrams are installed the first time.

    \b
    Examples:
      erpgres docs build
      erpgres docs build --out /tmp/site
    """
    from pathlib import Path

    from erpgres.docs import publish

    target = Path(out).expanduser().resolve() if out else publish.served(state)
    built = publish.build(target, say)
    click.echo(f"{built.pages} pages, {built.examples} examples: {target / 'index.html'}")
    if out is None:
        say(f"the gateway shows it at {state.url}/docs/")


@command.command("reference")
@database_url_option
@state_option
def reference(state: State, database_url: str | None) -> None:
    """Write docs/reference from the database, which must be freshly migrated.

    \b
    Example:
      erpgres migrate && erpgres docs reference
    """
    from erpgres.docs import catalog
    from erpgres.docs import reference as pages

    for path in pages.write(pages.render(catalog.read(database_url or state.dsn("migrator")))):
        click.echo(f"changed {pages.FOLDER.as_posix()}/{path}")


@command.command("check")
@format_option
@database_url_option
@state_option
@click.pass_context
def check(context: click.Context, state: State, database_url: str | None, output: str) -> None:
    """Show how docs/reference differs from what the source says now; exit code 1 when it does.

    \b
    Example:
      erpgres docs check
    """
    from erpgres.docs import catalog
    from erpgres.docs import reference as pages
    from erpgres.errors import DONE, REFUSED

    made = pages.render(catalog.read(database_url or state.dsn("migrator")))
    difference = pages.difference(pages.read(), made)
    if output == "json":
        click.echo(json.dumps({"equal": not difference, "difference": difference}, indent=2))
    elif difference:
        click.echo(f"{difference}\n`erpgres docs reference` writes them anew")
    else:
        click.echo("docs/reference is as the source says")
    context.exit(REFUSED if difference else DONE)
