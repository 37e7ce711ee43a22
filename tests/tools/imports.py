"""What the tests of imports share: files, the command, and counts of what an organisation has."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import psycopg
import xlsxwriter

from conftest import erpgres
from erpgres.files.importing import Imported, Options, run
from erpgres.stack.state import State

CLASSES = ("GOODS", "YARN", "FABRIC", "TRIM")
ITEM_HEADER = ("Article No.", "Name", "Class", "Unit", "Price", "Currency")


def items(count: int, bad_every: int = 0) -> list[list[Any]]:
    """Rows of items; every so many of them one is wrong, in five ways that take turns."""
    rows: list[list[Any]] = []
    for number in range(count):
        row = [f"A-{number:06d}", f"Item {number}", CLASSES[number % 4], "H87", number / 100, "USD"]
        if bad_every and number % bad_every == bad_every - 1:
            place, value = ((1, None), (2, "THING"), (3, "???"), (4, "dear"), (0, "A-000000"))[number // bad_every % 5]
            row[place] = value
        rows.append(row)
    return rows


def corrected(row: list[Any]) -> list[Any]:
    """A row of `items` as it should have been, told from the line that was noted for it."""
    number = int(row[0]) - 2
    return [*row[:4], f"A-{number:06d}", f"Item {number}", CLASSES[number % 4], "H87", number / 100, "USD"]


def write_xlsx(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, header)
        for line, row in enumerate(rows, start=1):
            sheet.write_row(line, 0, row)
    return path


def read_xlsx(path: Path) -> list[list[Any]]:
    book = openpyxl.load_workbook(path, read_only=True)
    rows = [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]
    book.close()
    return rows


def write_csv(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], encoding: str = "utf-8", delimiter: str = ","
) -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def read_csv(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def load(state: State, org: Any, entity: str, path: Path, user: str | None = None, **options: Any) -> Imported:
    """Import a file into an organisation of the test's own."""
    return run(state.dsn("migrator"), entity, path, org.code, user, Options(**options))


def counts(done: Imported) -> tuple[int, int, int, int]:
    return done.inserted, done.updated, done.unchanged, done.refused


def command(state: State, org: Any, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run `erpgres import … --format json`; returns the exit code and what it wrote."""
    done = erpgres("import", *arguments, "--org", org.code, "--format", "json", "--state", str(state.path))
    return done.returncode, json.loads(done.stdout) if done.stdout else {"error": done.stderr}


def rows_of(db: psycopg.Connection[Any], query: str, org: Any) -> list[tuple[Any, ...]]:
    return db.execute(query, {"org": org.id}).fetchall()  # type: ignore[call-overload,no-any-return]
