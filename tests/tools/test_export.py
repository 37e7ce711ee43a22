"""`erpgres export`: all rows, of whom one may see, with the types they have."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import psycopg
import pyarrow.parquet as pq
import pytest

from conftest import Organization, erpgres
from erpgres.errors import Refused
from erpgres.files.exporting import Exported, run
from erpgres.files.importing import silent
from erpgres.stack.state import State
from tools.imports import read_csv

Db = psycopg.Connection[Any]
TYPES = """
select 'a'::text as name, 12345678901234567890.123456789::numeric as big, 1.50::numeric(10, 2) as price,
  '01900000-0000-7000-8000-000000000000'::uuid as id, '2026-03-01 12:30:00.5+06'::timestamptz as at,
  date '2026-03-01' as on_day, true as yes, 42::bigint as n, 0.5::float8 as half, '{"a": 1}'::jsonb as doc,
  array[1, 2] as list, null::text as nothing, daterange('2026-01-01', '2026-02-01') as days
union all
select 'b', null, 1000.25::numeric(10, 2), null, null, null, false, -1, null, null, null, 'x', null
"""


def export(state: State, what: str, path: Path, org: Organization | None = None, user: str | None = None) -> Exported:
    return run(state.dsn("migrator"), what, path, org.code if org else None, user, silent)


@pytest.fixture
def partners(org: Organization, new_org: Any, db: Db) -> Organization:
    for owner, count in ((org, 3), (new_org(), 2)):
        for number in range(count):
            db.execute(
                "insert into core.partner (org_id, code, name) values (%s, %s, 'Größe, \"5\"')",
                [owner.id, f"P{number}"],
            )
    return org


def test_parquet_keeps_the_types(stack: State, tmp_path: Path) -> None:
    assert export(stack, TYPES, tmp_path / "a.parquet").rows == 2
    table = pq.read_table(tmp_path / "a.parquet")
    assert [str(field.type) for field in table.schema] == [
        "string", "decimal128(29, 9)", "decimal128(10, 2)", "extension<arrow.uuid>", "timestamp[us, tz=UTC]",
        "date32[day]", "bool", "int64", "double", "string", "string", "string", "string",
    ]  # fmt: skip
    assert table.to_pylist()[0] == {
        "name": "a", "big": Decimal("12345678901234567890.123456789"), "price": Decimal("1.50"),
        "id": uuid.UUID("01900000-0000-7000-8000-000000000000"),
        "at": datetime(2026, 3, 1, 6, 30, 0, 500_000, tzinfo=UTC), "on_day": date(2026, 3, 1), "yes": True, "n": 42,
        "half": 0.5, "doc": '{"a": 1}', "list": "{1,2}", "nothing": None, "days": "[2026-01-01,2026-02-01)",
    }  # fmt: skip
    export(stack, "select x from (values ('NaN'::numeric), (1.5)) as v (x)", tmp_path / "odd.parquet")
    assert pq.read_table(tmp_path / "odd.parquet").to_pylist() == [{"x": "NaN"}, {"x": "1.5"}]


def test_csv_and_xlsx_keep_the_values(stack: State, tmp_path: Path) -> None:
    export(stack, TYPES, tmp_path / "a.csv")
    assert read_csv(tmp_path / "a.csv")[1] == [
        "a", "12345678901234567890.123456789", "1.50", "01900000-0000-7000-8000-000000000000",
        "2026-03-01 06:30:00.5+00", "2026-03-01", "t", "42", "0.5", '{"a": 1}', "{1,2}", "", "[2026-01-01,2026-02-01)",
    ]  # fmt: skip
    export(stack, TYPES, tmp_path / "a.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets[0]
    header, first, second = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert header[:3] == ["name", "big", "price"]
    assert first == [
        "a", "12345678901234567890.123456789", 1.5, "01900000-0000-7000-8000-000000000000",
        datetime(2026, 3, 1, 6, 30, 0, 500_000), datetime(2026, 3, 1), True, 42, 0.5, '{"a": 1}', "{1,2}", None,
        "[2026-01-01,2026-02-01)",
    ]  # fmt: skip
    assert second[:3] == ["b", None, 1000.25]


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet"])
def test_many_rows_go_in_batches(stack: State, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    assert export(stack, "select n, n * 2 as twice from generate_series(1, 12345) as n", path).rows == 12_345
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    if suffix == "parquet":
        assert sum(pq.read_table(path)["twice"].to_pylist()) == 12_345 * 12_346


def test_views_show_what_the_reader_may_see(stack: State, partners: Organization, db: Db, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    assert export(stack, "partners", path, partners).rows == 3
    assert read_csv(path)[1][3] == 'Größe, "5"'
    # The tools see every organisation, whatever other tests add meanwhile.
    export(stack, "api.partners", path)
    owners = [row[0] for row in read_csv(path)[1:]]
    assert owners.count(str(partners.id)) == 3 and len(set(owners)) > 1

    user_id = partners.user([])
    row = db.execute("select email from core.app_user where id = %s", [user_id]).fetchone()
    assert row is not None
    assert export(stack, "select code from api.partners", path, partners, row[0]).rows == 3
    partner_id = db.execute("select id from core.partner where org_id = %s and code = 'P1'", [partners.id]).fetchone()
    assert partner_id is not None
    external = db.execute(
        "select email from core.app_user where id = %s", [partners.user(partner_id=partner_id[0])]
    ).fetchone()
    assert external is not None
    assert export(stack, "own_partner", path, partners, external[0]).rows == 1
    with pytest.raises(Refused, match="permission denied"):
        export(stack, "partners", path, partners, external[0])
    with pytest.raises(Refused, match="permission denied"):
        export(stack, "select * from core.credential", path, partners)


def test_what_cannot_be_exported(stack: State, org: Organization, tmp_path: Path) -> None:
    kept = tmp_path / "a.csv"
    kept.write_text("as it was")
    for what, match in (
        ("nothing_there", "no view"), ("core.partner", "neither a view"), ("drop table x", "neither a view"),
        ("select nothing", "PostgreSQL refuses"),
        ("select 1) to stdout; delete from core.item; --", "PostgreSQL refuses"),
        ("select core.create_organization('X1', 'X', 'BD', 'USD')", "read-only transaction"),
    ):  # fmt: skip
        with pytest.raises(Refused, match=match):
            export(stack, what, kept)
    with pytest.raises(Refused, match=r"neither \.csv"):
        export(stack, "items", tmp_path / "a.pdf")
    assert kept.read_text() == "as it was"
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]


def test_the_command(stack: State, partners: Organization, tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    done = erpgres("export", "partners", str(path), "--org", partners.code, "--state", str(stack.path))
    assert (done.returncode, done.stdout) == (0, f"{path}: 3 rows, 18 columns\n"), done.stderr
    done = erpgres("export", "partners", str(path), "--org", "NOBODY", "--state", str(stack.path))
    assert done.returncode == 1 and "no organisation NOBODY" in done.stderr
