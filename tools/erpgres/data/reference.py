"""Reference data: tables whose rows are CSV files of the repository, kept equal to them by `erpgres migrate`.

`sql/reference/<schema>/<table>.csv` holds a whole table; `sql/reference/<table>/<domain>.csv` is the part that a domain
has of a table of the first domain (the error catalogue). The header names columns, those of the primary key first. An
unquoted empty field is NULL. Columns with a default, or that may be null, can be left out by a file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from psycopg import sql

from erpgres.errors import Refused
from erpgres.migrate.session import Session, StatementFailed

FOREIGN_KEY = "23503"
Table = tuple[str, str]


@dataclass
class Loaded:
    """What was done to one table."""

    table: str
    upserted: int
    deleted: int


def table_of(path: Path, domains: list[str]) -> Table:
    """Return (schema, table) of a file in sql/reference."""
    folder = path.parent.name
    if folder in domains:
        return folder, path.stem
    if path.stem not in domains:
        raise Refused(f"{_shown(path)}: neither {folder} nor {path.stem} is a domain", f"one of {', '.join(domains)}")
    return domains[0], folder


def apply(session: Session, changed: Iterable[Path], every: Iterable[Path], domains: list[str]) -> list[Loaded]:
    """Make the tables of the changed files equal to all their files; `every` is all files there are.

    Parents are filled before children, and rows that are gone are deleted from children first. Raises Refused for a
    table that is not there, a wrong header, a row that PostgreSQL refuses, or a removed row that is still referenced.
    """
    tables = {table_of(path, domains) for path in changed}
    files: dict[Table, list[Path]] = {table: [] for table in tables}
    for path in sorted(every):
        if table_of(path, domains) in tables:
            files[table_of(path, domains)].append(path)
    order = _order(session, {table for table in tables if files[table]})
    loaded = {table: Loaded(".".join(table), _upsert(session, table, files[table]), 0) for table in order}
    for table in reversed(order):
        loaded[table].deleted = _delete(session, table)
    return list(loaded.values())


def _order(session: Session, tables: set[Table]) -> list[Table]:
    """Sort tables so that a table comes after those it references."""
    sorter: TopologicalSorter[Table] = TopologicalSorter({table: set() for table in sorted(tables)})
    for child_schema, child, parent_schema, parent in session.rows(
        "select cn.nspname, c.relname, pn.nspname, p.relname from pg_constraint k"
        " join pg_class c on c.oid = k.conrelid join pg_namespace cn on cn.oid = c.relnamespace"
        " join pg_class p on p.oid = k.confrelid join pg_namespace pn on pn.oid = p.relnamespace"
        " where k.contype = 'f' and k.conrelid <> k.confrelid"
    ):
        if (child_schema, child) in tables and (parent_schema, parent) in tables:
            sorter.add((child_schema, child), (parent_schema, parent))
    try:
        return list(sorter.static_order())
    except CycleError as error:
        names = " -> ".join(".".join(table) for table in error.args[1])
        raise Refused(f"sql/reference: the tables reference each other in a circle: {names}") from None


def _shown(path: Path) -> str:
    return f"sql/reference/{path.parent.name}/{path.name}"


def _staged(table: Table) -> sql.Identifier:
    return sql.Identifier("pg_temp", f"staged_{'_'.join(table)}"[:63])


def _columns(session: Session, table: Table, path: Path) -> tuple[list[str], list[str]]:
    """Return the columns of a file and those of the table's primary key."""
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file), [])
    rows = session.rows(
        "select a.attname, coalesce(array_position(i.indkey::int2[], a.attnum), -1) from pg_attribute a"
        " join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
        " left join pg_index i on i.indrelid = c.oid and i.indisprimary"
        " where n.nspname = %s and c.relname = %s and a.attnum > 0 and not a.attisdropped",
        list(table),
    )
    if not rows:
        raise Refused(f"{_shown(path)}: there is no table {'.'.join(table)}", "is its migration missing?")
    key = [name for name, position in sorted(rows, key=lambda row: int(row[1])) if position >= 0]
    if not key:
        raise Refused(f"{_shown(path)}: {'.'.join(table)} has no primary key")
    unknown = [column for column in header if column not in {name for name, _ in rows}]
    if unknown:
        raise Refused(f"{_shown(path)}: {'.'.join(table)} has no column {', '.join(unknown)}")
    if set(header[: len(key)]) != set(key):
        raise Refused(f"{_shown(path)}: the header must begin with the primary key: {', '.join(key)}")
    return header, key


def _upsert(session: Session, table: Table, files: list[Path]) -> int:
    """Stage the files of a table and upsert them; returns the number of rows that were new or different."""
    target, staged = sql.Identifier(*table), _staged(table)
    headers = {path: _columns(session, table, path) for path in files}
    key = headers[files[0]][1]
    # What one file leaves out has its default there, as if the row had been inserted by hand.
    columns = list(dict.fromkeys(column for header, _ in headers.values() for column in header))
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    session.execute(sql.SQL("drop table if exists {}").format(staged))
    session.execute(
        sql.SQL("create temporary table {} (like {} including defaults) on commit drop").format(
            sql.Identifier(f"staged_{'_'.join(table)}"[:63]), target
        )
    )
    for path, (header, _) in headers.items():
        copy = sql.SQL("copy {} ({}) from stdin with (format csv, header match, encoding 'utf8')").format(
            staged, sql.SQL(", ").join(map(sql.Identifier, header))
        )
        try:
            session.copy_in(copy, io.StringIO(path.read_text(encoding="utf-8")))
        except StatementFailed as error:
            raise Refused(f"{_shown(path)}: {error.message}", error.hint) from None
    keys = sql.SQL(", ").join(map(sql.Identifier, key))
    twice = session.rows(
        sql.SQL("select {} from {} group by {} having count(*) > 1 limit 5").format(keys, staged, keys)
    )
    if twice:
        shown = "; ".join(", ".join(map(str, row)) for row in twice)
        raise Refused(f"{', '.join(map(_shown, files))}: more than one row for {', '.join(key)} = {shown}")
    others = [column for column in columns if column not in key]
    action: sql.Composable = sql.SQL("nothing")
    if others:
        pairs = [sql.SQL("{c} = excluded.{c}").format(c=sql.Identifier(column)) for column in others]
        old = sql.SQL(", ").join(sql.Identifier("target", column) for column in others)
        new = sql.SQL(", ").join(sql.Identifier("excluded", column) for column in others)
        action = sql.SQL("update set {} where row ({}) is distinct from row ({})").format(
            sql.SQL(", ").join(pairs), old, new
        )
    statement = sql.SQL("insert into {} as target ({}) select {} from {} order by {} on conflict ({}) do {}")
    try:
        return session.execute(statement.format(target, names, names, staged, keys, keys, action))
    except StatementFailed as error:
        raise Refused(f"{', '.join(map(_shown, files))}: {error.message}", error.hint) from None


def _delete(session: Session, table: Table) -> int:
    """Delete the rows that no file has."""
    target, staged = sql.Identifier(*table), _staged(table)
    columns = session.rows(
        "select a.attname from pg_index i join pg_class c on c.oid = i.indrelid"
        " join pg_namespace n on n.oid = c.relnamespace"
        " join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey::int2[])"
        " where i.indisprimary and n.nspname = %s and c.relname = %s",
        list(table),
    )
    same = sql.SQL(" and ").join(sql.SQL("t.{c} = s.{c}").format(c=sql.Identifier(name)) for (name,) in columns)
    statement = sql.SQL("delete from {} t where not exists (select from {} s where {})").format(target, staged, same)
    try:
        return session.execute(statement)
    except StatementFailed as error:
        if error.sqlstate != FOREIGN_KEY:
            raise
        raise Refused(
            f"sql/reference: a row removed from {'.'.join(table)} is still used: {error.message}",
            "keep the row, or move what uses it in a migration",
        ) from None
