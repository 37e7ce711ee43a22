"""Runs the catalog rules: each is a query of sql/lint with the columns rule, object, detail, hint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg

from erpgres.errors import CannotRun, Refused
from erpgres.lint.finding import Finding
from erpgres.lint.locate import Locator
from erpgres.lint.rule import CATALOG_FOLDER, CatalogRule

COLUMNS = ["rule", "object", "detail", "hint"]


def query(connection: psycopg.Connection[Any], rules: Iterable[CatalogRule]) -> list[Finding]:
    """Run the rules in the connection's transaction and return findings without a place.

    Names come out qualified, since search_path is pg_catalog alone. Raises Refused for a rule that is no such query.
    """
    found = []
    connection.execute("select set_config('search_path', 'pg_catalog', true)")
    for rule in rules:
        shown = f"{CATALOG_FOLDER.as_posix()}/{rule.name}.sql"
        try:
            with connection.transaction():
                cursor = connection.execute(rule.query.encode())
        except psycopg.Error as error:
            raise Refused(f"{shown}: {error.diag.message_primary or error} ({error.sqlstate})") from None
        if [column.name for column in cursor.description or ()] != COLUMNS:
            raise Refused(f"{shown}: its columns are not {', '.join(COLUMNS)}")
        for name, item, detail, hint in cursor.fetchall():
            if name != rule.name:
                raise Refused(f"{shown}: it calls itself {name}")
            found.append(Finding(None, 0, name, item, detail, hint))
    return sorted(found, key=lambda finding: (finding.rule, finding.object, finding.detail))


def run(dsn: str, rules: Iterable[CatalogRule]) -> list[Finding]:
    """Run the rules on a database, in a transaction that only reads. Raises CannotRun without a connection."""
    try:
        connection = psycopg.connect(dsn, application_name="erpgres lint", connect_timeout=10)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        raise CannotRun(f"cannot connect: {str(error).strip()}", "is the database running? erpgres status") from None
    with connection:
        connection.execute("set transaction read only")
        connection.execute("select set_config('statement_timeout', '60s', true)")
        found = query(connection, rules)
        connection.rollback()
    return found


def located(findings: Iterable[Finding], locator: Locator) -> list[Finding]:
    """Return the findings with the file and line that make their objects."""
    placed = []
    for finding in findings:
        file, line = locator.find(finding.object)
        placed.append(Finding(file, line, finding.rule, finding.object, finding.detail, finding.hint))
    return placed
