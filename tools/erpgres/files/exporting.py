"""Export a view or a query to CSV, XLSX or Parquet: as a stream, in constant memory, with the types of PostgreSQL.

One transaction, read only and of one snapshot. A view of api runs with the rights of whoever reads it; for the tools,
who have no grants on it, its query is run instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from erpgres.database import connect, reason
from erpgres.errors import CannotRun, Refused
from erpgres.tokens import claims_of

Connection = psycopg.Connection[Any]
Advance = Callable[[int], None]
Progress = Callable[[str, int | None], AbstractContextManager[Advance]]

BATCH = 5_000
XLSX_ROWS = 1_048_575  # a sheet has one more, for the header
XLSX_DIGITS = 15  # what a spreadsheet can hold of a number; longer ones stay text
_NAME = re.compile(r"(?:(api|analytics)\.)?([a-z_][a-z0-9_]*)", re.ASCII)
_QUERY = re.compile(r"\s*(select|with|values|table)\b", re.IGNORECASE)
# Types that a Python value stands for; all others, JSON and arrays too, are written as PostgreSQL writes them.
_KEPT = {
    "bool",
    "int2",
    "int4",
    "int8",
    "float4",
    "float8",
    "numeric",
    "date",
    "timestamp",
    "timestamptz",
    "uuid",
    "bytea",
}
_FAULTS = {
    "42501",
    "42601",
    "42P01",
    "42703",
    "42702",
    "42883",
    "42804",
    "25006",
    "22P02",
}  # of whoever wrote the query


@dataclass(frozen=True)
class Column:
    """A column of the result: its name, PostgreSQL type, and for numeric its digits and those after the point."""

    name: str
    type: str
    precision: int | None = None
    scale: int | None = None


@dataclass
class Exported:
    """What was written."""

    path: Path
    rows: int
    columns: list[Column]


def run(dsn: str, what: str, path: Path, org: str | None, user: str | None, progress: Progress) -> Exported:
    """Write a view (`items`, `api.items`, `analytics.x`) or the rows of a query to a file, by its suffix.

    With `org` (a code) and `user` (an e-mail address) as that user; with `org` alone as a member of it without
    permissions; without both as migrator, who sees every organisation. `dsn` is migrator's. The file is there when all
    of it is written, never before. Raises Refused for what cannot be exported, CannotRun when it fails.
    """
    writer = {".csv": _csv, ".xlsx": _xlsx, ".parquet": _parquet}.get(path.suffix.lower())
    if writer is None:
        raise Refused(f"{path.name}: neither .csv, .xlsx nor .parquet", "the suffix says what is written")
    part = path.with_name(path.name + ".part")
    try:
        with connect(make_conninfo(dsn, application_name="erpgres export")) as connection:
            connection.execute("set transaction isolation level repeatable read read only")
            connection.execute("select set_config('jit', 'off', true), set_config('timezone', 'UTC', true)")
            query = _query(connection, what, is_tools=not org and not user)
            _act_for(connection, org, user)
            columns = _columns(connection, query)
            with progress("writing", None) as advance:
                rows = writer(connection, query, columns, part, advance)
            connection.rollback()
        part.replace(path)
    except psycopg.Error as error:
        said = error.diag.message_primary or reason(error)
        if error.sqlstate in _FAULTS:
            raise Refused(f"PostgreSQL refuses: {said}", error.diag.message_hint) from error
        raise CannotRun(f"the export failed: {said}") from error
    except OSError as error:
        raise CannotRun(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return Exported(path, rows, columns)


def _raw(text: str) -> sql.SQL:
    """Return text as SQL: the query of whoever calls, who may run any, or what the catalog has quoted."""
    return sql.SQL(text.strip().rstrip(";"))


def _query(connection: Connection, what: str, *, is_tools: bool) -> sql.Composable:
    """Return the query that is given, or that of a view."""
    if _QUERY.match(what):
        return _raw(what)
    match = _NAME.fullmatch(what)
    if match is None:
        raise Refused(f"{what} is neither a view nor a query", "such as items, analytics.sales or 'select …'")
    row = connection.execute(
        "select n.nspname, c.relname, c.relkind::text, pg_get_viewdef(c.oid) from pg_class as c"
        " join pg_namespace as n on n.oid = c.relnamespace"
        " where n.nspname = any(%s) and c.relname = %s and c.relkind in ('v', 'm') order by n.nspname desc",
        [[match[1]] if match[1] else ["api", "analytics"], match[2]],
    ).fetchone()
    if row is None:
        raise Refused(f"there is no view {what} in api or analytics", "`erpgres psql -- -c '\\dv api.*'` lists them")
    schema, name, kind, definition = row
    if is_tools and kind == "v":
        return _raw(definition)
    return sql.SQL("select * from {}").format(sql.Identifier(schema, name))


def _act_for(connection: Connection, org: str | None, user: str | None) -> None:
    """Take the role and the claims of a request of the user."""
    if not org and not user:
        return
    claims = claims_of(connection, user, org) if user else {"role": "member"}
    if org and "org_id" not in claims:
        row = connection.execute("select id::text from core.organization where code = %s", [org]).fetchone()
        if row is None:
            raise Refused(f"there is no organisation {org}")
        claims["org_id"] = row[0]
    connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(claims["role"])))


def _columns(connection: Connection, query: sql.Composable) -> list[Column]:
    """Return the columns of a query, without running it."""
    cursor = connection.execute(sql.SQL("select * from ({}) as q limit 0").format(query))
    described = cursor.description or []
    names = dict(
        connection.execute(
            "select oid::bigint, typname from pg_type where oid = any(%s::oid[])", [[c.type_code for c in described]]
        ).fetchall()
    )
    return [Column(c.name, names.get(c.type_code, "unknown"), c.precision, c.scale) for c in described]


def _rows(
    connection: Connection, query: sql.Composable, columns: list[Column], advance: Advance
) -> Iterator[list[tuple[Any, ...]]]:
    """Return the rows in batches, by a cursor on the server; values of a type that has no like in Python as text."""
    places = [sql.Identifier(f"c{number}") for number in range(len(columns))]
    values = [
        place if column.type in _KEPT else sql.SQL("{}::text").format(place)
        for place, column in zip(places, columns, strict=True)
    ]
    with connection.cursor(name="export") as cursor:
        cursor.itersize = BATCH
        cursor.execute(
            sql.SQL("select {} from ({}) as q ({})").format(
                sql.SQL(", ").join(values), query, sql.SQL(", ").join(places)
            )
        )
        while batch := cursor.fetchmany(BATCH):
            yield batch
            advance(len(batch))


# ---- kinds of files --------------------------------------------------------------------------------------------


def _csv(connection: Connection, query: sql.Composable, columns: list[Column], path: Path, advance: Advance) -> int:
    """Write what COPY gives: UTF-8, a header, ISO dates, times with their zone (UTC), numbers with all their digits."""
    statement = sql.SQL("copy ({}) to stdout (format csv, header, encoding 'utf8')").format(query)
    with path.open("wb") as file, connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for number, block in enumerate(copy):
                file.write(block)
                if number:  # the header is a block, and every row
                    advance(1)
        return cursor.rowcount


def _parquet(connection: Connection, query: sql.Composable, columns: list[Column], path: Path, advance: Advance) -> int:
    """Write Parquet: numeric as decimal, uuid as UUID, times with zone as such, in UTC."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = _with_digits(connection, query, columns)
    types = [_arrow_type(column) for column in columns]
    schema = pa.schema([pa.field(column.name, kind) for column, kind in zip(columns, types, strict=True)])
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _rows(connection, query, columns, advance):
            arrays = []
            for place, (column, kind) in enumerate(zip(columns, types, strict=True)):
                values = [row[place] for row in batch]
                if column.type == "uuid":
                    values = [None if value is None else value.bytes for value in values]
                elif column.type == "numeric" and pa.types.is_string(kind):
                    values = [None if value is None else str(value) for value in values]
                arrays.append(pa.array(values, type=kind))
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows += len(batch)
    return rows


def _with_digits(connection: Connection, query: sql.Composable, columns: list[Column]) -> list[Column]:
    """Find out how many digits numeric columns without declared ones have, in the same snapshot."""
    open_ones = [place for place, column in enumerate(columns) if column.type == "numeric" and column.precision is None]
    if not open_ones:
        return columns
    asked = [
        sql.SQL(
            "coalesce(max(length(trunc(abs({c}))::text)) filter (where {c} < 'infinity' and {c} > '-infinity'), 1),"
            " coalesce(max(scale({c})), 0), coalesce(bool_or({c} in ('nan', 'infinity', '-infinity')), false)"
        ).format(c=sql.Identifier(f"c{place}"))
        for place in open_ones
    ]
    row = connection.execute(
        sql.SQL("select {} from ({}) as q ({})").format(
            sql.SQL(", ").join(asked),
            query,
            sql.SQL(", ").join(sql.Identifier(f"c{number}") for number in range(len(columns))),
        )
    ).fetchone()
    assert row is not None
    found = list(columns)
    for number, place in enumerate(open_ones):
        whole, scale, is_odd = row[3 * number : 3 * number + 3]
        # Digits that no decimal holds, and what is no number: as text.
        found[place] = Column(columns[place].name, "numeric", 0 if is_odd else whole + scale, scale)
    return found


def _arrow_type(column: Column) -> Any:
    import pyarrow as pa

    if column.type == "numeric":
        precision, scale = column.precision or 0, column.scale or 0
        if not 0 < precision <= 76 or scale < 0:
            return pa.string()
        return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    return {
        "bool": pa.bool_(), "int2": pa.int16(), "int4": pa.int32(), "int8": pa.int64(), "float4": pa.float32(),
        "float8": pa.float64(), "date": pa.date32(), "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", tz="UTC"), "uuid": pa.uuid(), "bytea": pa.binary(),
    }.get(column.type, pa.string())  # fmt: skip


def _xlsx(connection: Connection, query: sql.Composable, columns: list[Column], path: Path, advance: Advance) -> int:
    """Write XLSX: numbers of more than 15 digits as text, times in UTC, a further sheet for each million rows."""
    import xlsxwriter

    rows = 0
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        formats = {
            name: book.add_format({"num_format": text})
            for name, text in (
                ("date", "yyyy-mm-dd"),
                ("timestamp", "yyyy-mm-dd hh:mm:ss"),
                ("timestamptz", 'yyyy-mm-dd hh:mm:ss "UTC"'),
            )
        }  # fmt: skip
        bold = book.add_format({"bold": True})
        sheet: Any = None
        for batch in _rows(connection, query, columns, advance):
            for row in batch:
                if rows % XLSX_ROWS == 0:
                    sheet = _sheet(book, rows // XLSX_ROWS, columns, bold)
                rows += 1
                for place, value in enumerate(row):
                    if value is not None:
                        _cell(sheet, (rows - 1) % XLSX_ROWS + 1, place, value, formats.get(columns[place].type))
        if sheet is None:
            _sheet(book, 0, columns, bold)
    return rows


def _sheet(book: Any, number: int, columns: list[Column], bold: Any) -> Any:
    sheet = book.add_worksheet("export" if not number else f"export {number + 1}")
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(columns):
        sheet.write_string(0, place, column.name, bold)
    return sheet


def _cell(sheet: Any, line: int, place: int, value: Any, format_: Any) -> None:
    if isinstance(value, bool):
        sheet.write_boolean(line, place, value)
    elif isinstance(value, int | float | Decimal) and _fits(value):
        sheet.write_number(line, place, value)
    elif isinstance(value, datetime | date) and value.year >= 1900:
        if isinstance(value, datetime) and value.tzinfo:
            value = value.astimezone(UTC).replace(tzinfo=None)
        sheet.write_datetime(line, place, value, format_)
    else:
        text = value.hex() if isinstance(value, bytes) else str(value)
        if len(text) > 32_767:
            raise Refused(f"row {line} has a cell of {len(text):,} characters; XLSX holds 32,767", "export to CSV")
        sheet.write_string(line, place, text)


def _fits(value: int | float | Decimal) -> bool:
    """Whether a spreadsheet holds a number exactly."""
    if isinstance(value, float):
        return value - value == 0  # neither infinite nor no number
    number = Decimal(value)
    return number.is_finite() and len(number.normalize().as_tuple().digits) <= XLSX_DIGITS
