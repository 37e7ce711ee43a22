"""The command line: each module here is one command, imported only when it is called."""

from __future__ import annotations

import click

from erpgres.cli._lazy import LazyGroup
from erpgres.settings import VERSION


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
