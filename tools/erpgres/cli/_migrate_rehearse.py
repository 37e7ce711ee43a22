"""`erpgres migrate rehearse`."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
from pathlib import Path

import click

from erpgres.cli._options import database_url_option, say, state_option
from erpgres.stack.state import State

_UNITS = {"ms": 1.0, "s": 1000.0, "": 1.0}


def _milliseconds(_: click.Context, __: click.Parameter, value: str) -> float | None:
    """Read a time as 500ms or 2s; `none` is no limit."""
    if value == "none":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|)", value)
    if match is None:
        raise click.BadParameter("a time is written as 500ms, 2s or none")
    return float(match[1]) * _UNITS[match[2]]


@click.command("rehearse")
@click.option(
    "--backup",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Rehearse on a copy of this base backup (pg_basebackup).",
)
@click.option(
    "--dump",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Rehearse on this dump (pg_dump), restored.",
)
@click.option(
    "--scale", type=float, metavar="N", help="Rehearse on the live schema with generated rows; 1 is 6 million lines."
)
@click.option("--database", metavar="NAME", help="Name of the database in the backup (default: erpgres).")
@click.option("--rate", type=float, default=100.0, show_default=True, help="Requests a second, at most.")
@click.option(
    "--replay",
    "log",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Repeat the reading requests of this access log of a gateway instead of generated ones.",
)
@click.option("--seconds", type=float, default=5.0, show_default=True, help="How long to load before and after.")
@click.option("--attempts", type=click.IntRange(min=1), default=8, show_default=True, help="How often to try in all.")
@click.option("--replica", "with_replica", is_flag=True, help="With a streaming standby that is read from.")
@click.option(
    "--budget", default="500ms", show_default=True, callback=_milliseconds, metavar="TIME", help="Longest wait allowed."
)
@click.option("--budget-failed", type=int, default=0, show_default=True, help="Failed requests allowed; -1: any.")
@click.option("--budget-lag", type=float, metavar="SECONDS", help="Lag of the standby allowed.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    envvar="ERPGRES_FORMAT",
    show_envvar=True,
    help="How to write the result on standard output.",
)
@database_url_option
@state_option
@click.pass_context
def rehearse(
    context: click.Context,
    state: State,
    database_url: str | None,
    output: str,
    backup: Path | None,
    dump: Path | None,
    scale: float | None,
    database: str | None,
    rate: float,
    log: Path | None,
    seconds: float,
    attempts: int,
    budget: float | None,
    budget_failed: int,
    budget_lag: float | None,
    *,
    with_replica: bool,
) -> None:
    """Apply the pending migrations to a copy while its API is under load, and say who waited how long.

    The copy has PostgreSQL, PostgREST and a gateway of its own, which are removed afterwards. Reported are the longest
    wait at each endpoint, failed requests, the time it took, and how a standby fared. Exit code 1 when a limit is
    broken or a migration fails.

    \b
    Examples:
      erpgres migrate rehearse --scale 0.1
      erpgres migrate rehearse --backup /backups/monday --replica --budget 300ms --format markdown
      erpgres migrate rehearse --dump live.dump --replay gateway-access.log --rate 500
    """
    from erpgres.errors import DONE, REFUSED
    from erpgres.migrate import rehearse as library

    run = library.Rehearse(
        backup=backup, dump=dump, scale=scale, database=database, rate=rate, log=log, seconds=seconds,
        attempts=attempts,
        live=database_url or (state.dsn("postgres", state.database) if scale is not None else None),
        with_replica=with_replica, progress=say,
        budget=library.Budget(budget, None if budget_failed < 0 else budget_failed, budget_lag),
    )  # fmt: skip
    signal.signal(signal.SIGTERM, _interrupt)
    found = run()
    if output == "json":
        click.echo(json.dumps({**dataclasses.asdict(found), "within_budget": not found.broken}, indent=2))
    else:
        click.echo(library.markdown(found) if output == "markdown" else library.text(found))
    context.exit(REFUSED if found.broken else DONE)


def _interrupt(*_: object) -> None:
    """End as Ctrl-C does, so that the throw-away stack is taken down."""
    raise KeyboardInterrupt
