"""The file of refused rows: as they were, with the reasons in front, to be corrected and imported again."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from erpgres.files.source import Row, Source

REASONS = ("import_line", "import_column", "import_code", "import_reason")
Problems = list[dict[str, Any]]


def free_path(path: Path) -> Path:
    """Return where the refused rows of a file go: beside it, in a file that is not there yet."""
    suffix = ".xlsx" if path.suffix.lower() in (".xlsx", ".xlsm") else ".csv"
    stem = path.stem.split(".refused")[0]
    number = 1
    while (found := path.with_name(f"{stem}.refused{'' if number == 1 else f'-{number}'}{suffix}")).exists():
        number += 1
    return found


def write(path: Path, source: Source, refused: Iterable[tuple[int, Problems]]) -> int:
    """Write the refused rows, given in the order of their lines, with all cells they had; returns how many.

    The kind of file is that of the source; CSV keeps its delimiter and is written in UTF-8 with a mark, which
    spreadsheets understand.
    """
    places = [place for place, header in enumerate(source.headers) if header not in REASONS]
    rows = _rows(source, refused, places)
    header = [*REASONS, *(source.headers[place] for place in places)]
    return (
        _write_xlsx(path, header, rows) if source.is_xlsx else _write_csv(path, header, rows, source.delimiter or ",")
    )


def _rows(source: Source, refused: Iterable[tuple[int, Problems]], places: list[int]) -> Iterator[list[Any]]:
    awaited = iter(refused)
    following = next(awaited, None)
    for row in source.rows():
        if following is None:
            return
        if row.line == following[0]:
            yield [*_reasons(row, following[1]), *_cells(row, places, len(source.headers))]
            following = next(awaited, None)


def _reasons(row: Row, problems: Problems) -> list[Any]:
    def joined(key: str) -> str:
        return "; ".join(dict.fromkeys(str(problem[key]) for problem in problems if problem.get(key)))

    return [row.line, joined("column"), joined("code"), joined("message")]


def _cells(row: Row, places: list[int], headers: int) -> list[Any]:
    """Return the cells below the headers that stay, and those beyond the last header."""
    return [row.cells[place] if place < len(row.cells) else "" for place in places] + row.cells[headers:]


def _write_csv(path: Path, header: list[str], rows: Iterable[list[Any]], delimiter: str) -> int:
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def _write_xlsx(path: Path, header: list[str], rows: Iterable[list[Any]]) -> int:
    from datetime import date, datetime

    import xlsxwriter

    count = 0
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "remove_timezone": True}
    with xlsxwriter.Workbook(path, options) as book:
        sheet = book.add_worksheet("refused")
        on, at = (book.add_format({"num_format": text}) for text in ("yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"))
        for place, name in enumerate(header):
            sheet.write_string(0, place, name)
        for row in rows:
            count += 1
            for place, value in enumerate(row):
                if value is None or value == "":
                    continue
                if isinstance(value, str):
                    sheet.write_string(count, place, value)
                elif isinstance(value, bool):
                    sheet.write_boolean(count, place, value)
                elif isinstance(value, int | float):
                    sheet.write_number(count, place, value)
                elif isinstance(value, datetime):
                    sheet.write_datetime(count, place, value, on if value.time() == datetime.min.time() else at)
                elif isinstance(value, date):
                    sheet.write_datetime(count, place, datetime.combine(value, datetime.min.time()), on)
                else:
                    sheet.write_string(count, place, str(value))
    return count
