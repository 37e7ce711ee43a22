"""Rows for `COPY … (format binary)`: columns of DuckDB's, laid out by NumPy as PostgreSQL reads them.

The format is that of PostgreSQL's manual, page COPY, "Binary Format", and of each type's `…_recv` function. Rows are
never handled one by one: a batch of them is one array of records, whose fields are filled column by column; where a
field is shorter in one row than in another, or null, the bytes that do not count are left out at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

# A numeric is sent as the number of its digits to the base 10000, the weight of the first, its sign, how many decimals
# are shown, and the digits: always four here, PostgreSQL strips zeros. Dates count from 2000, in days or microseconds.
_NUMERIC = 10_000
_BYTES = {"uuid": 16, "int4": 4, "bool": 1, "date": 4, "timestamptz": 8, "numeric": 16}
_COLUMNS = {
    "int4": "({0})::integer",
    "bool": "({0})::utinyint",
    "date": "({0})::date - date '2000-01-01'",
    "timestamptz": "(({0}) - 946684800000) * 1000",
    "numeric": "(({0}) * 10000)::bigint",
    "text": "({0})::varchar",
}


@dataclass(frozen=True)
class Value:
    """What a column of type `type` gets.

    The expression, DuckDB SQL, gives by type: uuid the first eight bytes as UBIGINT, `low` the others; int4 an integer;
    numeric a decimal below 10^12 with at most four digits after the point; timestamptz milliseconds since 1970; bool,
    date and text what they say. What is not `nullable` must not be null. `constant` is what every row gets, as sent.
    """

    type: str
    expression: str
    low: str = ""
    nullable: bool = False
    constant: bytes | None = None

    @property
    def columns(self) -> list[str]:
        """The expressions of the columns that it is made of, none of which is ever null."""
        if self.constant is not None:
            return []
        found = [self.expression, self.low] if self.type == "uuid" else [_COLUMNS[self.type].format(self.expression)]
        if not self.nullable:
            return found
        other = "''" if self.type == "text" else "0"
        return [*(f"coalesce({column}, {other})" for column in found), f"(({self.expression}) is null)::utinyint"]


def uuid(value: UUID) -> Value:
    """Return the same UUID for every row."""
    high, low = divmod(value.int, 1 << 64)
    return Value("uuid", f"{high}::ubigint", f"{low}::ubigint", constant=value.bytes)


def text(value: str) -> Value:
    """Return the same text for every row."""
    return Value("text", "'" + value.replace("'", "''") + "'", constant=value.encode())


@dataclass(frozen=True)
class Query:
    """Rows for a table: the value of each column, and the FROM clause (and what follows) that they are taken from.

    With `twin`, each row of the source gives a second row, in which these values replace those of the same column.
    """

    values: Mapping[str, Value]
    source: str
    twin: Mapping[str, Value] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, in the order of their values."""
        return tuple(self.values)

    @property
    def rows(self) -> list[list[Value]]:
        """The values of the row, or of both, that each row of the source gives."""
        first = list(self.values.values())
        return [first, [self.twin.get(name, value) for name, value in self.values.items()]] if self.twin else [first]

    @property
    def sql(self) -> str:
        """The query: every column that a value is made of, once."""
        return f"select {', '.join(self._places)} {self.source}"

    @property
    def _places(self) -> dict[str, int]:
        expressions = dict.fromkeys(column for row in self.rows for value in row for column in value.columns)
        return {expression: place for place, expression in enumerate(expressions)}

    def encode(self, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
        """Turn what the query gives into rows of the format, a block for each batch."""
        places = self._places
        rows = [[[places[column] for column in value.columns] for value in row] for row in self.rows]
        for batch in batches:
            if batch.num_rows:
                yield _encode(self.rows, rows, batch)


def _encode(rows: list[list[Value]], places: list[list[list[int]]], batch: pa.RecordBatch) -> bytes:
    """Lay out the rows that each row of a batch gives; `places` says which columns of the batch a value is made of."""
    lengths = {
        place: np.diff(_offsets(batch.column(place)))
        for place in {columns[0] for row, of in zip(rows, places, strict=True)
                      for value, columns in zip(row, of, strict=True) if value.type == "text" and columns}
    }  # fmt: skip
    layout: list[Any] = [("fields", ">i2")]
    for n, value in enumerate(rows[0]):
        if value.constant is not None:
            layout += [(f"length{n}", ">i4"), (f"value{n}", f"V{len(value.constant)}")]
            continue
        width = max((int(lengths[of[n][0]].max()) for of in places), default=0) if value.type == "text" else 0
        layout += [(f"length{n}", ">i4"), *_fields(n, value.type, width)]
    records = np.zeros((batch.num_rows, len(rows)), np.dtype(layout))
    records["fields"] = len(rows[0])
    counts: NDArray[np.bool_] | None = None
    for k, (row, of) in enumerate(zip(rows, places, strict=True)):
        for n, (value, columns) in enumerate(zip(row, of, strict=True)):
            record = records[:, k]
            if value.constant is not None:
                record[f"length{n}"] = len(value.constant)
                record[f"value{n}"] = np.void(value.constant)
                continue
            found = [batch.column(place) for place in columns]
            size: Any = lengths[columns[0]] if value.type == "text" else _BYTES[value.type]
            _FILL[value.type](record, n, found)
            if value.nullable:
                size = np.where(found[-1].to_numpy(), -1, size)
            record[f"length{n}"] = size
            if value.nullable or value.type == "text":  # not all of its bytes count
                if counts is None:
                    counts = np.ones((*records.shape, records.itemsize), np.bool_)
                start, end = _extent(records.dtype, n)
                counts[:, k, start:end] = np.arange(end - start) < np.asarray(size)[:, None]
    if counts is None:
        return records.tobytes()
    return records.view(np.uint8).reshape(counts.shape)[counts].tobytes()


def _fields(n: int, kind: str, width: int) -> list[Any]:
    """Return the fields of a record that hold a value."""
    match kind:
        case "uuid":
            return [(f"high{n}", ">u8"), (f"low{n}", ">u8")]
        case "numeric":
            return [(f"value{n}", ">u2", (8,))]
        case "text":
            return [(f"value{n}", "u1", (width,))] if width else []
        case _:
            return [(f"value{n}", f">i{_BYTES[kind]}")]


def _extent(layout: np.dtype[Any], n: int) -> tuple[int, int]:
    """Return where in a record the bytes of a value begin and end."""
    places: Any = layout.fields
    following = places.get(f"length{n + 1}")
    return places[f"length{n}"][1] + 4, following[1] if following else layout.itemsize


def _fill_uuid(record: NDArray[Any], n: int, columns: list[pa.Array]) -> None:
    record[f"high{n}"] = columns[0].to_numpy()
    record[f"low{n}"] = columns[1].to_numpy()


def _fill_plain(record: NDArray[Any], n: int, columns: list[pa.Array]) -> None:
    record[f"value{n}"] = columns[0].to_numpy()


def _fill_numeric(record: NDArray[Any], n: int, columns: list[pa.Array]) -> None:
    value = columns[0].to_numpy()
    digits = record[f"value{n}"]
    digits[:, 0], digits[:, 1], digits[:, 3] = 4, 2, 4
    digits[:, 2] = np.where(value < 0, 0x4000, 0)
    value = np.abs(value)
    for place in (7, 6, 5):
        value, digits[:, place] = np.divmod(value, _NUMERIC)
    digits[:, 4] = value


def _fill_text(record: NDArray[Any], n: int, columns: list[pa.Array]) -> None:
    if f"value{n}" not in (record.dtype.names or ()):
        return
    offsets, data = _offsets(columns[0]), columns[0].buffers()[2]
    width = record[f"value{n}"].shape[1]
    if data is not None and data.size:
        places = offsets[:-1, None] + np.arange(width, dtype=offsets.dtype)
        record[f"value{n}"] = np.frombuffer(data, np.uint8).take(places, mode="clip")


def _offsets(column: pa.Array) -> NDArray[Any]:
    kind: Any = np.int64 if pa.types.is_large_string(column.type) else np.int32
    return np.frombuffer(column.buffers()[1], kind)[column.offset : column.offset + len(column) + 1]


_FILL = {
    "uuid": _fill_uuid, "int4": _fill_plain, "bool": _fill_plain, "date": _fill_plain, "timestamptz": _fill_plain,
    "numeric": _fill_numeric, "text": _fill_text,
}  # fmt: skip
