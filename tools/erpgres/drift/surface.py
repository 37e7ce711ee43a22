"""The surface of a database: everything in it that the repository decides, as facts that can be compared.

A kind of object is a query in `surface/<kind>.sql` with the columns identity (qualified, quoted by the catalog),
part_of (`kind identity` of what it cannot exist without, a line each, or null) and properties (a JSON object). A
property whose name begins with an underscore serves to mend and is not compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from erpgres import settings
from erpgres.data import reference

QUERIES = Path(__file__).with_name("surface")
REFERENCE_ROW = "reference_row"
# Queries over tables that a database need not have.
_NEEDS = {
    "applied_migration": ("ops.schema_version", "ops.migration_file"),
    "applied_file": ("ops.repeatable_file",),
    "partition_policy": ("ops.partition_policy",),
}
# What every query may use: our schemas (all but those of PostgreSQL) and what belongs to an extension.
_PRELUDE = """
with ours as (
  select n.oid, n.nspname from pg_namespace as n where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
),
extension_member as materialized (
  select d.classid, d.objid from pg_depend as d where d.deptype = 'e'
)
"""
# What decides how the catalog's functions write values.
_SESSION = {
    "search_path": "pg_catalog", "timezone": "UTC", "datestyle": "ISO, YMD", "intervalstyle": "postgres",
    "bytea_output": "hex", "extra_float_digits": "1", "quote_all_identifiers": "off", "lock_timeout": "10s",
    "statement_timeout": "120s",
}  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """One object: its kind, its name in the catalog, what it is part of, and its properties."""

    kind: str
    identity: str
    part_of: str | None
    properties: dict[str, Any] = field(compare=False)

    @property
    def key(self) -> str:
        """Return the name under which others say that they are part of it."""
        return f"{self.kind} {self.identity}"

    @property
    def parents(self) -> list[str]:
        """Return the keys of what it is part of."""
        return self.part_of.split("\n") if self.part_of else []


Surface = dict[str, Fact]


@cache
def kinds() -> dict[str, str]:
    """Return the query of each kind of object."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(QUERIES.glob("*.sql"))}


def roles(connection: psycopg.Connection[Any]) -> list[str]:
    """Return the roles of a cluster in which nobody but the repository makes any."""
    rows = connection.execute("select rolname from pg_roles where not rolsuper and rolname !~ '^pg_' order by 1")
    return [str(row[0]) for row in rows.fetchall()]


def prepare(connection: psycopg.Connection[Any], ours: list[str]) -> None:
    """Make the transaction write values as `read` expects them, and act as `owner` if it may: it sees every row."""
    for name, value in _SESSION.items():
        connection.execute("select set_config(%s, %s, true)", [name, value])
    connection.execute("select set_config('drift.roles', %s::text[]::text, true)", [ours])
    member = connection.execute(
        "select coalesce(bool_or(pg_has_role(r.oid, 'SET')), false) from pg_roles as r where r.rolname = 'owner'"
    ).fetchone()
    if member == (True,):
        connection.execute("set local role owner")


def read(connection: psycopg.Connection[Any], only: Iterable[str] | None = None) -> Surface:
    """Return the facts of a database, all or those of some kinds. Needs a transaction that `prepare` was called for."""
    found: Surface = {}
    for kind, query in kinds().items():
        if only is not None and kind not in only:
            continue
        if not all(_exists(connection, name) for name in _NEEDS.get(kind, ())):
            continue
        for identity, part_of, properties in connection.execute((_PRELUDE + query).encode()).fetchall():
            fact = Fact(kind, identity, part_of, properties)
            found[fact.key] = fact
    return found


def _exists(connection: psycopg.Connection[Any], name: str) -> bool:
    return connection.execute("select to_regclass(%s) is not null", [name]).fetchone() == (True,)


def reference_files(root: Path, domains: list[str]) -> dict[tuple[str, str], list[Path]]:
    """Return the files of each table that is filled from sql/reference."""
    found: dict[tuple[str, str], list[Path]] = {}
    for path in sorted((root / "sql" / "reference").glob("*/*.csv")):
        found.setdefault(reference.table_of(path, domains), []).append(path)
    return found


def reference_rows(
    connection: psycopg.Connection[Any], root: Path = settings.ROOT, domains: list[str] | None = None
) -> Surface:
    """Return a fact for each row of the tables that sql/reference fills, with the columns that its files have."""
    found: Surface = {}
    for (schema, table), paths in reference_files(root, settings.DOMAINS if domains is None else domains).items():
        name = sql.Identifier(schema, table)
        if not _exists(connection, name.as_string(None)):
            continue
        header = paths[0].read_text(encoding="utf-8").splitlines()[0].split(",")
        rows = connection.execute(
            "select a.attname, a.attnum = any (i.indkey::int2[]) from pg_attribute as a"
            " join pg_index as i on i.indrelid = a.attrelid and i.indisprimary"
            " where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped",
            [name.as_string(None)],
        ).fetchall()
        keys = [column for column in header if (column, True) in rows]
        columns = [column for column in header if column in {row[0] for row in rows}]
        if not keys:
            continue
        query = sql.SQL("select {}, {} from {} as r").format(
            sql.SQL("concat_ws(' ', {})").format(sql.SQL(", ").join(map(sql.Identifier, keys))),
            sql.SQL("json_build_array({})").format(
                sql.SQL(", ").join(sql.SQL("r.{}::text").format(sql.Identifier(column)) for column in columns)
            ),
            name,
        )
        for key, values in connection.execute(query).fetchall():
            properties = dict(zip(columns, values, strict=True))
            properties["_where"] = {column: properties[column] for column in keys}
            properties["_table"] = f"{schema}.{table}"
            fact = Fact(REFERENCE_ROW, f"{schema}.{table} {key}", f"table {schema}.{table}", properties)
            found[fact.key] = fact
    return found
