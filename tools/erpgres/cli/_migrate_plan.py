"""`erpgres migrate plan`."""

from __future__ import annotations

from pathlib import Path

import click

from erpgres.cli._options import database_url_option, say, state_option
from erpgres.stack.state import State


def _assumptions(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for text in values:
        table, _, number = text.partition("=")
        try:
            found[table] = float(number.replace("_", ""))
        except ValueError:
            raise click.BadParameter(f"{text}: wanted is schema.table=N") from None
    return found


def _acceptances(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, str]]:
    from erpgres.migrate.plan.rules import RULES

    found = []
    for text in values:
        rule, _, reason = text.partition(":")
        if rule not in RULES or not reason.strip():
            raise click.BadParameter(f"{text}: wanted is a rule, a colon and a reason")
        found.append((rule, reason.strip()))
    return found


@click.command("plan")
@click.argument("paths", nargs=-1, metavar="[FILE]...", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format", "output", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True,
    envvar="ERPGRES_FORMAT", show_envvar=True, help="How to write the verdicts on standard output.",
)  # fmt: skip
@click.option("--budget", default=0.5, show_default=True, metavar="SECONDS", help="How long a request may wait.")
@click.option(
    "--patience", default=5.0, show_default=True, metavar="SECONDS",
    help="How old a transaction may be that is in the way of a lock now.",
)  # fmt: skip
@click.option("--check-timeout", default="30s", show_default=True, help="Limit of each data pre-check.")
@click.option(
    "--rows", multiple=True, metavar="TABLE=N", callback=_assumptions,
    help="Judge a table as if it had N rows (schema.table=N); may repeat.",
)  # fmt: skip
@click.option(
    "--accept", multiple=True, metavar="RULE:REASON", callback=_acceptances,
    help="Accept a finding, as a header would; may repeat.",
)  # fmt: skip
@database_url_option
@state_option
@click.pass_context
def plan(
    context: click.Context,
    state: State,
    database_url: str | None,
    paths: tuple[Path, ...],
    output: str,
    budget: float,
    patience: float,
    check_timeout: str,
    rows: dict[str, float],
    accept: list[tuple[str, str]],
) -> None:
    """Say what the pending migrations would do to the live database: locks, waits, access, API, plans.

    They are applied to a clone of its schema, each statement watched; the live database is only read. FILE names
    pending migrations to report on, or files that are not in the tree, which are tried as the next ones. Exit code 1
    when a rule is broken that no header accepts (`-- accept: RULE: reason`).

    \b
    Examples:
      erpgres migrate plan
      erpgres migrate plan --format markdown --rows wms.document=10000000
      erpgres migrate plan /tmp/idea.sql --database-url postgresql://postgres@db.example.com/erp
    """
    import tempfile

    from erpgres.errors import DONE, REFUSED
    from erpgres.lint import scratch
    from erpgres.migrate.plan import clone, report, run
    from erpgres.settings import DOMAINS, ROOT

    outer_state, outer_url = context.obj or (state, None)
    chosen = outer_state if context.get_parameter_source("state_path") == click.core.ParameterSource.DEFAULT else state
    url = database_url or outer_url or chosen.dsn("postgres", chosen.database)
    cache = scratch.cache_folder()
    with (
        tempfile.TemporaryDirectory(prefix="erpgres-plan-") as work,
        run.with_files(ROOT, DOMAINS, paths, Path(work)) as (root, only),
        scratch.server(cache, clone.NAME, clone.SETTINGS) as server,
    ):
        options = run.Options(
            root=root, budget=budget, patience=patience, check_timeout=check_timeout, progress=say, only=only,
            rows=rows, accepts=accept,
        )  # fmt: skip
        found = run.plan(server, cache, url, options)
    click.echo(report.write(found, output))
    context.exit(REFUSED if found.refused else DONE)
