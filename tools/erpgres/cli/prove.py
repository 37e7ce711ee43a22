"""`erpgres prove`."""

from __future__ import annotations

import json
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
    help="Try one in so many mutants, columns, foreign keys, ids and places for a bad token: the proof in short.",
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
    context: click.Context, state: State, output: str, update: bool, full: bool, every: int, folder: Path | None
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

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    proof = run.prove(state, say, full=full, every=every, update=update)
    for path in report.write(proof, folder or state.path / "proof"):
        say(f"wrote {path}")
    click.echo(json.dumps(report.summary(proof), indent=2) if output == "json" else report.text(proof), nl=False)
    context.exit(DONE if proof.holds else REFUSED)


def _interrupt(*_: object) -> None:
    """End, but remove the proof's own stack and databases first, undisturbed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
