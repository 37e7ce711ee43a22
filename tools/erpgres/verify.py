"""Business invariants: queries in sql/invariants that return no row when all is well, on any database, read-only."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from erpgres import settings
from erpgres.errors import CannotRun, Refused
from erpgres.migrate import sqlfile

FOLDER = Path("sql/invariants")
SHOWN = 10
# What a query may take from those who work meanwhile: no second process, memory that does not grow with the tables, no
# wait for a lock in which others would queue behind it.
_MODEST = {
    "default_transaction_read_only": "on",
    "search_path": "pg_catalog, public",
    "max_parallel_workers_per_gather": "0",
    "work_mem": "16MB",
    "hash_mem_multiplier": "1",
    "lock_timeout": "1s",
    "jit": "off",
}
_NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql")


@dataclass
class Finding:
    """One invariant and what became of it: `violations` rows stand against it, of which `rows` are the first.

    `error` is set when the query could not be run (a timeout, a missing table); then it is not known whether it holds.
    """

    domain: str
    name: str
    title: str
    why: str = ""
    violations: int = 0
    columns: list[str] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)
    error: str | None = None

    @property
    def holds(self) -> bool:
        """Whether the invariant was checked and holds."""
        return not self.violations and self.error is None


@dataclass(frozen=True)
class Invariant:
    """A file of sql/invariants: its first comment lines `-- title:` and `-- why:`, and its one query."""

    domain: str
    name: str
    title: str
    why: str
    query: sqlfile.Statement


def read(domains: list[str] | None = None, root: Path = settings.ROOT) -> list[Invariant]:
    """Return the invariants of some or all domains, in order; raises Refused for a file that is none."""
    known = settings.DOMAINS
    for domain in domains or ():
        if domain not in known:
            raise Refused(f"no such domain: {domain}", f"one of {', '.join(known)}")
    found = []
    for path in sorted((root / FOLDER).glob("*/*.sql"), key=lambda p: (_rank(p.parent.name, root), p.name)):
        if domains and path.parent.name not in domains:
            continue
        shown = sqlfile.name_of(path, root)
        if not _NAME.fullmatch(path.name):
            raise Refused(f"{shown}: the name must be NNNN_name.sql")
        first, *others = path.read_text(encoding="utf-8").splitlines() or [""]
        if not first.startswith("-- title: "):
            raise Refused(f"{shown}: the first line must be `-- title: …`")
        why = next((line.removeprefix("-- why:").strip() for line in others if line.startswith("-- why:")), "")
        statements = sqlfile.read(path, root)
        if len(statements) != 1 or type(statements[0].node).__name__ != "SelectStmt":
            raise Refused(f"{shown}: an invariant is one query")
        title = first.removeprefix("-- title: ").strip()
        found.append(Invariant(path.parent.name, path.stem, title, why, statements[0]))
    return found


def _rank(domain: str, root: Path) -> int:
    if domain not in settings.DOMAINS:
        raise Refused(f"{FOLDER.as_posix()}/{domain}: no such domain", f"one of {', '.join(settings.DOMAINS)}")
    return settings.DOMAINS.index(domain)


def run(
    dsn: str,
    domains: list[str] | None = None,
    root: Path = settings.ROOT,
    *,
    timeout: str = "10min",
    progress: Callable[[str], None] = lambda text: None,
) -> list[Finding]:
    """Run the invariants and return a finding for each; `progress` is told the name of each before it runs.

    `dsn` is migrator's, who sees every organisation's rows, on the primary or on a replica; each query has a read-only
    transaction of its own and `timeout` as its statement timeout, runs in one process with bounded memory (more goes to
    disk), and waits for no lock. Raises CannotRun without a connection.
    """
    invariants = read(domains, root)
    try:
        connection = psycopg.connect(make_conninfo(dsn, application_name="erpgres verify"), autocommit=True)
    except psycopg.OperationalError as error:
        raise CannotRun(f"cannot connect: {str(error).strip()}", "is the database running? erpgres status") from None
    except psycopg.ProgrammingError as error:
        raise CannotRun(f"not a connection string: {str(error).strip()}") from None
    with connection:
        try:
            connection.execute("select set_config('statement_timeout', %s, false)", [timeout])
        except psycopg.errors.InvalidParameterValue:
            raise Refused(f"not a time: {timeout}", "for example 30s or 10min") from None
        for name, value in _MODEST.items():
            connection.execute("select set_config(%s, %s, false)", [name, value])
        found = []
        for number, invariant in enumerate(invariants, 1):
            progress(f"{number}/{len(invariants)} {invariant.domain} {invariant.name}")
            found.append(_check(connection, invariant))
        return found


def _check(connection: psycopg.Connection[Any], invariant: Invariant) -> Finding:
    finding = Finding(invariant.domain, invariant.name, invariant.title, invariant.why)
    try:
        with connection.transaction(), connection.cursor() as cursor:
            # A cursor gives the first rows and the number of the others without bringing them here.
            cursor.execute(sql.SQL("declare finding no scroll cursor for ") + sql.SQL(str(invariant.query)))
            cursor.execute(sql.SQL("fetch {} from finding").format(sql.Literal(SHOWN)))
            finding.columns = [column.name for column in cursor.description or []]
            rows = cursor.fetchall()
            finding.rows = [[None if value is None else str(value) for value in row] for row in rows]
            finding.violations = len(rows)
            if len(rows) == SHOWN:
                cursor.execute("move forward all in finding")
                finding.violations += cursor.rowcount
    except psycopg.Error as error:
        if connection.closed:
            raise CannotRun(f"the connection was lost: {str(error).strip()}") from None
        finding.error = f"{invariant.query.path}: {error.diag.message_primary or str(error).strip()} ({error.sqlstate})"
    return finding
