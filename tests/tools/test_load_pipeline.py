"""What the TPC-H load is made of: values in binary COPY, errors of both ends, numbers, and rows generated in parts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import psycopg
import pytest
from psycopg import sql

from erpgres.data import binary, tpch_rows
from erpgres.data.binary import Query, Value
from erpgres.data.bulk import Pipeline
from erpgres.data.tpch_rows import Pattern, Rows
from tools.loads import generated, value

VALUES: list[tuple[str, str, str, Any]] = [
    ("uuid", "uuid", f"{0x0192F3C4A1B27C3D}::ubigint", UUID("0192f3c4-a1b2-7c3d-8e4f-5a6b7c8d9e0f")),
    ("int4", "integer", "-2", -2),
    ("int4", "integer", "2147483647", 2147483647),
    ("bool", "boolean", "true", True),
    ("bool", "boolean", "false", False),
    ("text", "text", "''", ""),
    ("text", "text", "'Grün, \"quoted\"' || chr(10) || chr(9) || 'ø \\N 日本'", 'Grün, "quoted"\n\tø \\N 日本'),
    ("text", "text", "null::varchar", None),
    ("date", "date", "date '1992-02-29'", date(1992, 2, 29)),
    ("date", "date", "date '2026-11-22'", date(2026, 11, 22)),
    ("timestamptz", "timestamptz", "694224000001", datetime(1992, 1, 1, 0, 0, 0, 1000, UTC)),
    ("timestamptz", "timestamptz", "1790000000999", datetime(2026, 9, 21, 14, 13, 20, 999000, UTC)),
    *(
        ("numeric", "numeric(24, 4)", f"{number}::decimal(24, 4)", Decimal(number))
        for number in (
            "0", "1", "-1", "0.0001", "-0.5", "9999", "9999.9999", "10000", "-10000.0001", "100000000", "123456789.01",
            "999999999999.9999",
        )
    ),
]  # fmt: skip


def test_values_arrive_as_they_are(migrator: str, clone: str) -> None:
    half = f"{0x8E4F5A6B7C8D9E0F}::ubigint"
    fields = {
        f"c{n}": Value(kind, text, half if kind == "uuid" else "", nullable=given is None)
        for n, (kind, _, text, given) in enumerate(VALUES)
    }
    same = {"u": binary.uuid(UUID(int=7)), "t": binary.text("it's ø")}
    changing = {
        "v": Value("text", "case n % 3 when 0 then null when 1 then '' else repeat('ø', n % 50) end", nullable=True),
        "w": Value("uuid", "case when n % 2 = 0 then n::ubigint end", "n::ubigint", nullable=True),
        "n": Value("int4", "n"),
    }
    source = duckdb.connect()
    with psycopg.connect(clone) as connection:
        connection.execute("set local timezone = 'UTC'")
        columns = ", ".join(f"c{n} {kind}" for n, (_, kind, _, _) in enumerate(VALUES))
        columns += ", u uuid, t text, v text, w uuid, n integer"
        connection.execute(f"create temporary table target ({columns})")  # type: ignore[arg-type]
        twin = {"c1": Value("int4", "n::integer")}
        fields |= same | changing
        queries = [Query(fields, "from range(20000) as r (n)"), Query(fields, "from range(3) as r (n)", twin=twin)]
        with Pipeline(source, queries) as pipeline:
            table = sql.Identifier("pg_temp", "target")
            assert pipeline.copy(connection, table) == 20000
            assert pipeline.copy(connection, table) == 6
        known = ", ".join(["u", "t", *(f"c{n}" for n in range(len(VALUES)))])
        found = connection.execute(
            f"select distinct {known} from target where c1 = -2"  # type: ignore[arg-type]
        ).fetchall()
        assert len(found) == 1
        wrong = connection.execute(
            """
            select count(*), count(*) filter (
              where v is not distinct from case n % 3 when 0 then null when 1 then '' else repeat('ø', n % 50) end
                and w is not distinct from case when n % 2 = 0
                  then (lpad(to_hex(n), 16, '0') || lpad(to_hex(n), 16, '0'))::uuid end
            )
            from target
            """
        ).fetchone()
        assert wrong == (20006, 20006)
        twins = connection.execute("select c1 from target where c1 <> -2 order by 1").fetchall()
    assert list(found[0]) == [UUID(int=7), "it's ø", *(given for *_, given in VALUES)]
    assert twins == [(0,), (1,), (2,)]


def test_errors_of_either_end_come_through(clone: str) -> None:
    source = duckdb.connect()
    broken = Query({"a": Value("int4", "error('no more')")}, "from range(3)")
    alternating = {"a": Value("int4", "n % 2")}
    refused = Query(alternating, "from range(1000000) as r (n)")
    endless = Query(alternating, "from range(1000000000000) as r (n)")
    table = sql.Identifier("pg_temp", "target")
    for queries, error in (([broken, endless], duckdb.Error), ([refused, endless], psycopg.errors.CheckViolation)):
        with psycopg.connect(clone) as connection:
            connection.execute("create temporary table target (a integer check (a < 1))")
            with pytest.raises(error), Pipeline(source, queries) as pipeline:
                pipeline.copy(connection, table)


@pytest.mark.parametrize(
    ("pattern", "number"),
    [
        (Pattern("SAL-{year}-{number:6}", True), "SAL-1997-000012"),
        (Pattern("{number}/{year}", True), "12/1997"),
        (Pattern("N{number:1}", False), "N345"),
        (Pattern("{unit}it's {number:10}", False), "it's 0000000345"),
    ],
)
def test_numbers_look_as_the_series_says(migrator: str, pattern: Pattern, number: str) -> None:
    row = "(select date '1997-05-04' as day, 12 as nth_of_year, 345 as nth)"
    assert duckdb.sql(f"select {pattern.sql} from {row}").fetchall() == [(number,)]
    org_id = value(migrator, "select core.create_organization('NUMBERS', 'Numbers', 'BD', 'USD')")
    with psycopg.connect(migrator) as connection:
        connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps({"org_id": str(org_id)})])
        connection.execute("set local role owner")
        connection.execute(
            "update core.number_series set pattern = %s, reset = %s where document_type = 'wms.sale'",
            [pattern.text, "YEAR" if pattern.is_yearly else "NEVER"],
        )
        connection.execute(
            "insert into core.number_counter (org_id, series_id, period, last_number)"
            " select org_id, id, %s, %s from core.number_series where document_type = 'wms.sale'",
            ["1997", 11] if pattern.is_yearly else ["", 344],
        )
        given = connection.execute("select core.next_number('wms.sale', uuidv7(), null, '1997-05-04')").fetchone()
    assert given == (number,)


def test_parts_make_the_same_data_as_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(made: Rows) -> list[Any]:
        return [
            made.duckdb.sql(f"select count(*), sum(hash(t)::hugeint) from {table} as t").fetchall()
            for table in ("customer", "supplier", "part", "partsupp", "orders", "lineitem", "nation")
        ]

    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
    with generated(0.02, tmp_path / "whole") as made:
        whole = digest(made)
    monkeypatch.setattr(tpch_rows, "PART_OF_SCALE", 0.005)
    with generated(0.02, tmp_path / "parts") as made:
        assert digest(made) == whole
