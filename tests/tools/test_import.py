"""`erpgres import`: what goes in, what is refused and why, and that the same again changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import Organization, erpgres
from erpgres.errors import CannotRun, Refused
from erpgres.files import refused as refused_file
from erpgres.files.source import look, text_of
from erpgres.stack.state import State
from tools.imports import (
    ITEM_HEADER,
    command,
    corrected,
    counts,
    items,
    load,
    read_csv,
    read_xlsx,
    rows_of,
    write_csv,
    write_xlsx,
)  # fmt: skip

Db = psycopg.Connection[Any]


def bad_rows_come_back(state: State, org: Organization, db: Db, folder: Path, count: int) -> None:
    """An XLSX file of items with 1 % bad rows: the good ones are loaded, the bad ones corrected until none is left."""
    path = write_xlsx(folder / "items.xlsx", ITEM_HEADER, items(count, bad_every=100))
    bad = count // 100
    done = load(state, org, "items", path, skip_invalid=True)
    assert counts(done) == (count - bad, 0, 0, bad)
    assert done.refused_path == folder / "items.refused.xlsx"

    header, *rows = read_xlsx(done.refused_path)
    assert header == [*refused_file.REASONS, *ITEM_HEADER]
    assert len(rows) == bad
    assert {row[2] for row in rows} == {
        "core.import_required", "core.import_choice", "core.import_reference", "core.import_numeric",
        "core.import_duplicate",
    }  # fmt: skip
    assert all(row[0] and row[1] and row[3] for row in rows)

    # Half of them first: the rest comes back again, with its reasons in place of the old ones.
    half = [corrected(row) if place % 2 else row for place, row in enumerate(rows)]
    again = load(state, org, "items", write_xlsx(folder / "half.xlsx", header, half), skip_invalid=True)
    # A repeated article number is a good row when it stands alone: it changes the article it names.
    assert again.inserted == bad // 2
    assert again.refused_path is not None
    last = [corrected([*[rows[int(row[0]) - 2][0]], *row[1:]]) for row in read_xlsx(again.refused_path)[1:]]
    final = load(state, org, "items", write_xlsx(folder / "last.xlsx", header, last))
    assert final.refused == 0 and final.is_loaded
    ours = rows_of(db, "select count(*) from core.item where org_id = %(org)s", org)[0][0]
    assert ours == count - (bad - again.inserted - final.inserted)


def test_bad_rows_are_corrected_and_fed_again_to_zero(stack: State, org: Organization, db: Db, tmp_path: Path) -> None:
    bad_rows_come_back(stack, org, db, tmp_path, 2_000)


@pytest.mark.drill
def test_a_hundred_thousand_items_with_bad_rows(stack: State, org: Organization, db: Db, tmp_path: Path) -> None:
    bad_rows_come_back(stack, org, db, tmp_path, 100_000)


def test_all_or_nothing_unless_asked_otherwise(stack: State, org: Organization, db: Db, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "items.csv", ITEM_HEADER, items(50, bad_every=25))
    code, said = command(stack, org, "items", str(path))
    assert (code, said["loaded"], said["refused"], said["inserted"]) == (1, False, 2, 0)
    assert rows_of(db, "select count(*) from core.item where org_id = %(org)s", org) == [(0,)]
    refused = read_csv(Path(said["refused_file"]))
    assert [row[:3] for row in refused[1:]] == [
        ["26", "name", "core.import_required"], ["51", "class", "core.import_choice"],
    ]  # fmt: skip
    # What was refused can be read in the database, too, as long as the rows are kept.
    assert rows_of(
        db,
        "select r.line, r.problems -> 0 ->> 'code' from core.import_row r where r.org_id = %(org)s"
        " and r.problems is not null order by 1",
        org,
    ) == [(26, "core.import_required"), (51, "core.import_choice")]


def test_a_dry_run_leaves_nothing_behind(stack: State, org: Organization, db: Db, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "items.csv", ITEM_HEADER, items(50, bad_every=50))
    code, said = command(stack, org, "items", str(path), "--dry-run")
    assert (code, said["dry_run"], said["inserted"], said["refused"]) == (1, True, 49, 1)
    for table in ("core.item", "core.import", "core.import_row"):
        assert rows_of(db, f"select count(*) from {table} where org_id = %(org)s", org) == [(0,)]


def test_the_same_file_again_changes_nothing(stack: State, org: Organization, db: Db, tmp_path: Path) -> None:
    header = ("sku", "name", "class", "unit", "price", "currency")
    path = write_csv(tmp_path / "items.csv", header, items(300))
    assert counts(load(stack, org, "items", path)) == (300, 0, 0, 0)
    before = rows_of(db, "select * from core.item where org_id = %(org)s order by id", org)
    again = load(stack, org, "items", path)
    assert counts(again) == (0, 0, 300, 0)
    assert again.duplicate_of is not None and "the tools" in again.duplicate_of
    assert rows_of(db, "select * from core.item where org_id = %(org)s order by id", org) == before

    rows = items(301)
    rows[7][1] = "Another name"
    rows[8][4] = "0.080001"  # prices have four decimals: not a change
    changed = load(stack, org, "items", write_csv(tmp_path / "more.csv", header, rows))
    assert counts(changed) == (1, 1, 299, 0)
    assert changed.duplicate_of is None
    assert rows_of(db, "select name, version from core.item where org_id = %(org)s and sku = 'A-000007'", org) == [
        ("Another name", 2)
    ]


def test_columns_that_a_file_lacks_stay_as_they_are(stack: State, org: Organization, db: Db, tmp_path: Path) -> None:
    load(stack, org, "items", write_csv(tmp_path / "a.csv", ITEM_HEADER, items(3)))
    header = ("sku", "name", "class", "unit")
    done = load(stack, org, "items", write_csv(tmp_path / "b.csv", header, [["A-000001", "New", "YARN", "H87"]]))
    assert counts(done) == (0, 1, 0, 0)
    found = rows_of(db, "select name, price::text from core.item where org_id = %(org)s order by sku", org)
    assert found == [("Item 0", "0.0000"), ("New", "0.0100"), ("Item 2", "0.0200")]


def test_what_cannot_change_is_refused(stack: State, org: Organization, tmp_path: Path) -> None:
    load(stack, org, "items", write_csv(tmp_path / "a.csv", ITEM_HEADER, items(2)))
    rows = items(2)
    rows[1][3] = "KGM"
    done = load(stack, org, "items", write_csv(tmp_path / "b.csv", ITEM_HEADER, rows), skip_invalid=True)
    assert counts(done) == (0, 0, 1, 1)
    assert "unit_code is H87 and cannot change (core.import_fixed)" in done.first_problems[0]


@pytest.mark.parametrize(
    ("encoding", "delimiter", "name"),
    [
        ("utf-8", ",", "Grüne Knöpfe"), ("utf-8-sig", ";", "সুতা"), ("utf-16", "\t", "সুতা"), ("utf-16-le", ",", "Zażółć"),
        ("cp1252", ";", "Größe 5: „süß“ für 3 €"), ("utf-8", "|", "a,b;c"),
    ],
)  # fmt: skip
def test_encodings_and_delimiters_are_found(
    stack: State, org: Organization, db: Db, tmp_path: Path, encoding: str, delimiter: str, name: str
) -> None:
    rows = [[f"A-{number}", name, "GOODS", "H87"] for number in range(3)]
    path = write_csv(tmp_path / "items.csv", ("SKU", "Name", "Class", "Unit"), rows, encoding, delimiter)
    done = load(stack, org, "items", path)
    assert counts(done) == (3, 0, 0, 0)
    assert rows_of(db, "select distinct name from core.item where org_id = %(org)s", org) == [(name,)]
    assert done.source.is_guessed is (encoding == "cp1252")


def test_an_encoding_that_is_given_holds(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ("code", "name"), [["1", "Łódź"]], "cp1250")
    source = look(path, encoding="cp1250")
    assert [row.cells for row in source.rows()] == [["1", "Łódź"]]
    with pytest.raises(Refused, match="there is no encoding cp9999"):
        look(path, encoding="cp9999")
    with pytest.raises(Refused, match="not utf-8"):
        list(look(path, encoding="utf-8").rows())


@pytest.mark.parametrize(
    ("cells", "decimal", "expected"),
    [
        (["1234.5", "1,234.50", "1 234.5", "1'234.5"], ".", ["1234.5000"] * 4),
        (["1234,5", "1.234,50", "1\u00a0234,5", "+1234,5"], ",", ["1234.5000"] * 4),
        (["1.500", "2,5"], ",", ["1500.0000", "2.5000"]),
        (["1,500", "2.5"], ".", ["1500.0000", "2.5000"]),
        ([".5", "1e3"], ".", ["0.5000", "1000.0000"]),
    ],
)
def test_numbers_are_read_by_their_decimal_mark(
    stack: State, org: Organization, db: Db, tmp_path: Path, cells: list[str], decimal: str, expected: list[str]
) -> None:
    rows = [[f"A{number}", "N", "GOODS", "H87", cell, "USD"] for number, cell in enumerate(cells)]
    done = load(stack, org, "items", write_csv(tmp_path / "a.csv", ITEM_HEADER, rows, delimiter="\t"))
    assert (done.decimal, counts(done)) == (decimal, (len(cells), 0, 0, 0))
    found = rows_of(db, "select price::text from core.item where org_id = %(org)s order by sku", org)
    assert [price for (price,) in found] == expected


def test_what_is_no_number_is_refused(stack: State, org: Organization, tmp_path: Path) -> None:
    cells = ["1.5.0", "1,23", "12,34,567", "0x1F", "NaN", "1_000", "12-", "- 5", "five"]
    rows = [[f"A{number}", "N", "GOODS", "H87", cell, "USD"] for number, cell in enumerate(cells)]
    path = write_csv(tmp_path / "a.csv", ITEM_HEADER, rows)
    done = load(stack, org, "items", path, decimal=".")
    assert done.refused == len(cells)
    assert done.refused_path
    assert {row[2] for row in read_csv(done.refused_path)[1:]} == {"core.import_numeric"}


def test_dates_are_read_in_iso_and_in_the_declared_form(
    stack: State, org: Organization, db: Db, tmp_path: Path
) -> None:
    header = ("from", "to", "rate", "valid from", "valid to")
    rows = [["EUR", "USD", "1.1", "2026-01-31", "28.02.2026"], ["GBP", "USD", "1.3", "1.3.2026", ""]]
    path = write_csv(tmp_path / "rates.csv", header, rows)
    assert load(stack, org, "exchange_rates", path, decimal=".").refused == 2
    done = load(stack, org, "exchange_rates", path, decimal=".", date_format="DD.MM.YYYY")
    assert counts(done) == (2, 0, 0, 0)
    assert rows_of(db, "select valid::text from core.exchange_rate where org_id = %(org)s order by 1", org) == [
        ("[2026-01-31,2026-03-01)",), ("[2026-03-01,)",),
    ]  # fmt: skip
    wrong = write_csv(
        tmp_path / "wrong.csv", header, [["EUR", "GBP", "1", "31.02.2026", ""], ["EUR", "GBP", "1", "x", ""]]
    )
    done = load(stack, org, "exchange_rates", wrong, date_format="DD.MM.YYYY", decimal=".")
    assert done.refused == 2 and "31.02.2026 is no date of the form DD.MM.YYYY" in done.first_problems[0]
    american = write_csv(tmp_path / "us.csv", header, [["EUR", "BDT", "1", "12/31/2026", ""]])
    assert load(stack, org, "exchange_rates", american, date_format="MM/DD/YYYY").inserted == 1
    with pytest.raises(Refused, match="date_format must be"):
        load(stack, org, "exchange_rates", american, date_format="MMM YYYY")


def test_overlapping_rates_are_refused_row_by_row(stack: State, org: Organization, db: Db, tmp_path: Path) -> None:
    """Nothing looks for overlaps before: the constraint does, and takes the good rows of the file along no more."""
    header = ("from", "to", "rate", "valid_from", "valid_to")
    rows = [["EUR", "USD", "1.1", f"2026-{month:02d}-01", f"2026-{month:02d}-28"] for month in range(1, 13)]
    rows[5][4] = "2026-07-15"
    path = write_csv(tmp_path / "rates.csv", header, rows)
    done = load(stack, org, "exchange_rates", path)
    assert (done.is_loaded, done.refused) == (False, 1)
    assert rows_of(db, "select count(*) from core.exchange_rate where org_id = %(org)s", org) == [(0,)]
    done = load(stack, org, "exchange_rates", path, skip_invalid=True)
    assert counts(done) == (11, 0, 0, 1)
    assert "line 8" in done.first_problems[0] and "core.import_constraint" in done.first_problems[0]
    assert "one_rate_at_a_time" in done.first_problems[0]


def test_headers_are_mapped(stack: State, org: Organization, tmp_path: Path) -> None:
    rows = [["A-1", "Name", "GOODS", "H87", "?"]]
    path = write_csv(tmp_path / "a.csv", ("Nummer", "Bezeichnung", "_CLASS_", "U.O.M.", "Farbe"), rows)
    with pytest.raises(Refused, match="Required columns are missing: sku, name"):
        load(stack, org, "items", path)
    code, said = command(stack, org, "items", str(path), "--map", "nummer=sku", "--map", "Bezeichnung=name")
    assert (code, said["inserted"], said["ignored"]) == (0, 1, ["Farbe"])
    with pytest.raises(Refused, match="no column colour"):
        load(stack, org, "items", path, mapping={"Nummer": "colour"})
    header = ("sku", "Article", "name", "class", "unit")
    twice = write_csv(tmp_path / "b.csv", header, [["1", "2", "3", "GOODS", "H87"]])
    with pytest.raises(Refused, match="More than one header means sku: sku, Article"):
        load(stack, org, "items", twice)
    assert load(stack, org, "items", twice, mapping={"Article": ""}).inserted == 1


def test_odd_rows_are_told_apart(stack: State, org: Organization, db: Db, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text(
        'sku,name,class,unit\n\n"A,1","two\nlines",goods,h87\nA2,short\n  A3  ,"say ""hi""",goods,H87\n,,,\n'
        "A4,too,many,H87,cells\nA5,N\0UL,goods,H87\nA6,plain,goods,H87",
        encoding="utf-8",
    )
    done = load(stack, org, "items", path, skip_invalid=True)
    assert counts(done) == (3, 0, 0, 3)
    assert done.refused_path
    refused = read_csv(done.refused_path)[1:]
    assert [row[0] for row in refused] == ["5", "8", "9"]  # the line that each begins in
    assert refused[1][4:] == ["A4", "too", "many", "H87", "cells"]
    assert rows_of(db, "select sku, name from core.item where org_id = %(org)s order by sku", org) == [
        ("A,1", "two\nlines"), ("A3", 'say "hi"'), ("A6", "plain"),
    ]  # fmt: skip


def test_files_that_will_not_do(stack: State, org: Organization, tmp_path: Path) -> None:
    def refuse(name: str, content: bytes, match: str) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(Refused, match=match):
            load(stack, org, "items", path)

    refuse("a.pdf", b"%PDF", "neither .csv nor .xlsx")
    refuse("a.csv", b"", "is empty")
    refuse("b.csv", b"sku,name,class,unit\n", "has no rows")
    refuse("c.csv", b"PK\x03\x04zip", "begins like an XLSX")
    refuse("a.xlsx", b"no zip", "is no XLSX file")
    refuse("d.csv", b'sku,name,class,unit\n1,"' + b"x" * 2_000_000, "line 2")
    with pytest.raises(CannotRun, match="cannot be read"):
        look(tmp_path / "missing.csv")
    good = write_csv(tmp_path / "good.csv", ITEM_HEADER, items(1))
    for entity, code, match in (("nothing", org.code, "cannot be imported"), ("items", "NOBODY", "no organisation")):
        done = erpgres("import", entity, str(good), "--org", code, "--state", str(stack.path))
        assert done.returncode == 1 and match in done.stderr


def test_a_user_may_import_what_he_may_make(stack: State, org: Organization, db: Db, tmp_path: Path) -> None:
    def email(*permissions: str) -> str:
        user_id = org.user(permissions)
        row = db.execute("select email from core.app_user where id = %s", [user_id]).fetchone()
        assert row is not None
        return str(row[0])

    path = write_csv(tmp_path / "items.csv", ITEM_HEADER, items(20))
    maker = email("core.import.create", "core.item.create")
    for who, missing in (
        (email("core.item.create"), "core.import.create"), (email("core.import.create"), "core.item.create"),
    ):  # fmt: skip
        with pytest.raises(Refused, match=missing):
            load(stack, org, "items", path, who)
    assert counts(load(stack, org, "items", path, maker)) == (20, 0, 0, 0)
    by = rows_of(
        db, "select distinct u.email from core.item i join core.app_user u on u.id = i.created_by"
        " where i.org_id = %(org)s", org,
    )  # fmt: skip
    assert by == [(maker,)]
    rows = items(21)
    rows[3][1] = "Changed"
    path = write_csv(tmp_path / "more.csv", ITEM_HEADER, rows)
    done = load(stack, org, "items", path, maker, skip_invalid=True)
    assert counts(done) == (1, 0, 19, 1)
    assert "core.item.update" in done.first_problems[0]
    keeper = email("core.import.create", "core.item.update")
    assert counts(load(stack, org, "items", path, keeper)) == (0, 1, 20, 0)


def test_cells_of_sheets_become_text_as_users_see_them() -> None:
    from datetime import date, datetime

    assert [text_of(v) for v in (None, "x", True, 12.0, 4006381333931.0, 0.1 + 0.2, 1e-05, 7)] == [
        "", "x", "true", "12", "4006381333931", "0.3", "1e-05", "7",
    ]  # fmt: skip
    assert text_of(2.5, ",") == "2,5"
    assert text_of(datetime(2026, 3, 1)) == "2026-03-01" == text_of(date(2026, 3, 1))
    assert text_of(datetime(2026, 3, 1, 12, 30)) == "2026-03-01 12:30:00"
