"""What the tests of the TPC-H load share: a small scale, the generator, and queries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from erpgres.data.tpch import BORN
from erpgres.data.tpch_rows import Rows

SMALL = 0.001


def rows(dsn: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(query, values or None).fetchall()  # type: ignore[arg-type]


def value(dsn: str, query: str, *values: Any) -> Any:
    return rows(dsn, query, *values)[0][0]


@contextmanager
def generated(scale: float, scratch: Path) -> Iterator[Rows]:
    made = Rows(scratch, scale, "TPCH", BORN)
    list(made.generate())
    yield made
    made.close()
