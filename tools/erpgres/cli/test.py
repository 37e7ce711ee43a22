"""`erpgres test`: every test, against a throw-away stack."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from erpgres.settings import ROOT


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run the tests against a throw-away stack of their own.

    ARGUMENTS go to pytest. The stack starts on free ports with the first test that needs it and is gone at the end;
    a stack that is already running is not touched.

    \b
    Examples:
      erpgres test                    all but the slow drills, one worker a core
      erpgres test tests/wms -x       one folder, stop at the first failure
      erpgres test -m drill           the slow drills
    """
    chosen = list(arguments)
    if not any(a == "-m" or a.startswith("-m=") for a in chosen):
        chosen += ["-m", "not drill"]
    if not any(a.startswith(("-n", "--numprocesses")) for a in chosen):
        chosen += ["-n", "auto", "--dist", "worksteal"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    sys.exit(
        subprocess.run([sys.executable, "-m", "pytest", *chosen], cwd=ROOT, env=environment, check=False).returncode
    )
