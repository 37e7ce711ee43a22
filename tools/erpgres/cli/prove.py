"""`erpgres prove`."""

from __future__ import annotations

import json
import secrets
import signal
from pathlib import Path

import click

from erpgres.cli._options import format_option, say, state_option
from erpgres.stack.state import State


@click.command("prove")
@click.option(
    "--update",
    is_flag=True,
    envvar="ERPGRES_PROVE_UPDATE",
    show_envvar=True,
    help="Write what was found to sql/access instead of comparing with it; the rules hold all the same.",
)
@click.option(
    "--full",
    is_flag=True,
    envvar="ERPGRES_PROVE_FULL",
    show_envvar=True,
    help="Try every extra grant on every object, and functions as more users; takes some minutes.",
)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    envvar="ERPGRES_PROVE_EVERY",
    show_envvar=True,
    help="Try one in so many mutants, ways to ask a view, columns, foreign keys, ids and places for a bad token: the "
    "proof in short.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    envvar="ERPGRES_PROVE_SEED",
    show_envvar=True,
    help="Which ones --every tries (default: others each time; the report says which).",
)
@click.option(
    "--template",
    metavar="DATABASE",
    envvar="ERPGRES_PROVE_TEMPLATE",
    show_envvar=True,
    help="A migrated database of the cluster without rows and without sessions, to be copied instead of made anew.",
)
@click.option(
    "--report",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ERPGRES_PROVE_REPORT",
    show_envvar=True,
    help="Where proof.html and proof.txt go (default: proof in the state directory).",
)
@format_option
@state_option
@click.pass_context
def command(
    context: click.Context,
    state: State,
    output: str,
    update: bool,
    full: bool,
    every: int,
    seed: int | None,
    template: str | None,
    folder: Path | None,
) -> None:
    """Prove who can see and do what: every view, column and function, as every kind of user, through a gateway.

    Needs the running stack and touches none of its data: it asks a database of its own on the same cluster, with its
    own PostgREST and gateway, and shows that the running schema is the same. What is found is compared with sql/access.
    Then the schema is broken in every way it can think of, in a clone, to show that each would be noticed. Exit code 1
    when something is wrong, differs, is not covered or goes unnoticed.

    \b
    Examples:
      erpgres prove
      erpgres prove --update        after a change of rights that is meant
      erpgres prove --full --report audit
    """
    from erpgres.errors import DONE, REFUSED
    from erpgres.prove import report, run
    from erpgres.prove.sample import EVERYTHING, Sample

    if update and every > 1:
        raise click.UsageError("--update writes the whole matrix: it goes without --every")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    sample = Sample(every, secrets.randbelow(every) if seed is None else seed) if every > 1 else EVERYTHING
    proof = run.prove(state, say, full=full, sample=sample, update=update, template=template)
    for path in report.write(proof, folder or state.path / "proof"):
        say(f"wrote {path}")
    click.echo(json.dumps(report.summary(proof), indent=2) if output == "json" else report.text(proof), nl=False)
    context.exit(DONE if proof.holds else REFUSED)


def _interrupt(*_: object) -> None:
    """End, but remove the proof's own stack and databases first, undisturbed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
