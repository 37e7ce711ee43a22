"""Files that rows come from: CSV in whatever encoding and with whatever delimiter, and XLSX; read as a stream.

A file is looked at once (`look`: hash, encoding, delimiter, headers) and can then be read any number of times, always
in constant memory. Of an XLSX file openpyxl keeps the table of shared strings, nothing else.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import re
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple

from erpgres.errors import CannotRun, Refused

BLOCK = 1 << 18
DELIMITERS = (",", ";", "\t", "|")
LONGEST_FIELD = 1 << 20
_SAMPLE = 1 << 16
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_FALLBACK = "cp1252"
_OTHERS = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257"]


class Row(NamedTuple):
    """A row that is not blank: the line it begins in (the header is 1), its cells, about where in the file it ends."""

    line: int
    cells: list[Any]
    position: int


@dataclass(frozen=True)
class Source:
    """A file that has been looked at."""

    path: Path
    is_xlsx: bool
    headers: list[str]
    sha256: str
    size: int  # of CSV in bytes, of XLSX in rows when the file tells, else 0; `Row.position` counts the same
    encoding: str | None = None
    delimiter: str | None = None
    is_guessed: bool = False  # the encoding
    sheet: str | None = None
    may_hold_nul: bool = True  # whether a cell may have the character U+0000, which no text of PostgreSQL can have

    def rows(self) -> Iterator[Row]:
        """Read the rows after the header. Raises Refused for a file that cannot be read to its end."""
        return self._xlsx() if self.is_xlsx else self._csv()

    def records(self, lines: int = 0, offset: int = 0) -> Iterator[tuple[int, list[str], int]]:
        """Read the rows of a CSV file after the header, as plain tuples: line, cells, position.

        With an `offset` in bytes, which `lines` lines are before, those from there on; for UTF-8 only.
        """
        encoding = "utf-8" if offset else self.encoding or "utf-8"  # the mark stands at the beginning of the file alone
        records = _records(self.path, encoding, self.delimiter or ",", lines, offset)
        if not offset:
            next(records, None)  # the header
        return records

    def _csv(self) -> Iterator[Row]:
        return map(Row._make, self.records())

    def _xlsx(self) -> Iterator[Row]:
        with closing(_open(self.path)) as book:
            sheet = book[self.sheet]
            sheet.reset_dimensions()  # some programs write wrong ones
            for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
                values = list(cells)
                while values and values[-1] is None:
                    values.pop()
                if number > 1 and any(value not in (None, "") for value in values):
                    yield Row(number, values, number)


class Plain:
    """The rows of a CSV file as its lines have them, for COPY to take apart: a fraction of the work of the module csv.

    That goes for UTF-8, as long as each line is a row with a cell for each header, and quotation marks stand around
    whole cells and nowhere else, doubled within. At the first part of the file with a line that is none it ends:
    `lines` and `offset` tell how many lines and bytes are before that, for `Source.records` to go on.
    """

    def __init__(self, source: Source) -> None:
        self.lines = self.offset = 0
        self._source = source

    def parts(self) -> Iterator[tuple[int, list[bytes], int]]:
        """Read the lines after the header in parts: the number of the first, the lines, where in the file they end."""
        source = self._source
        if source.encoding != "utf-8-sig" or source.may_hold_nul or source.delimiter not in DELIMITERS:
            return
        is_plain = _plain_lines(source.delimiter, len(source.headers)).fullmatch
        with source.path.open("rb") as file:
            head = b"".join(file.readline() for _ in range(_lines_of_header(source)))
            if b"\r" in head.replace(b"\r\n", b"\n"):
                return
            self.lines, self.offset = head.count(b"\n"), len(head)
            rest = b""
            while block := file.read(BLOCK):
                block = rest + block
                end = block.rfind(b"\n") + 1
                text, rest = block[:end], block[end:]
                if not text or not is_plain(text) or not _is_utf8(text):
                    return
                lines = text.replace(b"\r\n", b"\n").split(b"\n")[:-1]
                first = self.lines + 1
                self.lines, self.offset = self.lines + len(lines), self.offset + end
                yield first, lines, self.offset


def _plain_lines(delimiter: str, cells: int) -> re.Pattern[bytes]:
    """Return what any number of lines match that are rows of so many cells, not all of them empty."""
    mark = re.escape(delimiter).encode()
    # what has matched is never tried otherwise (*+): the time is that of reading it once
    cell = rb'(?:"[^"\r\n]*+(?:""[^"\r\n]*+)*+"|[^"\r\n' + mark + rb"]*+)"
    return re.compile(rb'(?:(?!["' + mark + rb"]*+\r?\n)" + mark.join([cell] * cells) + rb"\r?\n)*+")


def _lines_of_header(source: Source) -> int:
    with source.path.open(encoding=source.encoding, newline="") as file:
        reader = csv.reader(file, delimiter=source.delimiter or ",")
        next(row for row in reader if not _is_passed_over(row, is_first=reader.line_num == 1))
        return reader.line_num


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def look(path: Path, *, encoding: str | None = None, delimiter: str | None = None, sheet: str | None = None) -> Source:
    """Find out what a file is; `encoding`, `delimiter` and `sheet` are taken as given.

    Raises CannotRun when it cannot be opened, Refused when it has no header or is of no known kind.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise CannotRun(f"{path} cannot be read: {error.strerror}") from error
    suffix = path.suffix.lower()
    if suffix in (".xlsx", ".xlsm"):
        return _look_at_xlsx(path, sheet)
    if suffix not in (".csv", ".tsv", ".txt"):
        raise Refused(f"{path.name}: neither .csv nor .xlsx", "save it as one of the two")
    if head.startswith(b"PK\x03\x04"):
        raise Refused(f"{path.name} is not CSV: it begins like an XLSX file", "rename it to .xlsx")
    return _look_at_csv(path, encoding, delimiter)


# ---- CSV -------------------------------------------------------------------------------------------------------


def _look_at_csv(path: Path, encoding: str | None, delimiter: str | None) -> Source:
    digest, found, is_guessed, has_zero = _scan(path)
    if encoding:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise Refused(f"there is no encoding {encoding}", "such as utf-8, utf-16 or cp1252") from None
        found, is_guessed = encoding, False
        if codecs.lookup(encoding).name == "utf-8":
            found = "utf-8-sig"
    with path.open(encoding=found, newline="") as file:
        try:
            first = file.readline(LONGEST_FIELD)
        except UnicodeError as error:
            raise _undecodable(path, found, error) from None
    if delimiter is None:
        delimiter = _delimiter_of(first)
    header = next(_records(path, found, delimiter), None)
    if header is None:
        raise Refused(f"{path.name} is empty", "the first line names the columns")
    return Source(
        path, False, header[1], digest, path.stat().st_size, found, delimiter, is_guessed,
        may_hold_nul=has_zero,
    )  # fmt: skip


def _delimiter_of(line: str) -> str:
    """Return the delimiter that the first line has most of outside quotes, or names itself (`sep=;`)."""
    if line.lower().startswith("sep=") and len(line) > 4:
        return line[4]
    outside = "".join(line.split('"')[::2])
    return max(DELIMITERS, key=outside.count)


def _scan(path: Path) -> tuple[str, str, bool, bool]:
    """Return the hash of a file, its encoding (UTF-8 if it can be), whether that is a guess, and if zeros occur."""
    digest = hashlib.sha256()
    decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    doubtful = b""  # what begins shortly before the first bytes that are not UTF-8
    head = b""
    has_zero = False
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            head = head or block[:_SAMPLE]
            digest.update(block)
            has_zero = has_zero or b"\0" in block
            if decoder:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as error:
                    decoder = None
                    doubtful = block[max(0, error.start - _SAMPLE // 2) : error.start + _SAMPLE // 2]
    for mark, name in _MARKS:
        if head.startswith(mark):
            return digest.hexdigest(), name, False, has_zero
    # UTF-16 without a mark: every other byte of the header is zero.
    for name, zeros in (("utf-16-le", head[1:200:2]), ("utf-16-be", head[0:200:2])):
        if len(zeros) > 3 and zeros.count(0) > 0.8 * len(zeros):
            return digest.hexdigest(), name, False, has_zero
    if decoder:
        return digest.hexdigest(), "utf-8-sig", False, has_zero
    return digest.hexdigest(), _guess(doubtful), True, has_zero


def _guess(sample: bytes) -> str:
    """Return the most likely code page of some text: Windows-1252 unless another one makes clearly more sense."""
    from charset_normalizer import from_bytes

    matches = {match.encoding: match for match in from_bytes(sample, cp_isolation=_OTHERS)}
    usual = matches.get(_FALLBACK)
    best = min(matches.values(), key=lambda match: match.chaos - match.coherence, default=None)
    if best is None or (usual and best.chaos - best.coherence > usual.chaos - usual.coherence - 0.05):
        return _FALLBACK
    return best.encoding


def _records(
    path: Path, encoding: str, delimiter: str, lines: int = 0, offset: int = 0
) -> Iterator[tuple[int, list[str], int]]:
    """Read the records of a CSV file that are not blank, the header first; `sep=` in front of it is passed over.

    From an offset on, if one is given, which so many lines are before.
    """
    csv.field_size_limit(LONGEST_FIELD)
    with path.open(encoding=encoding, newline="") as file:
        buffer: Any = file.buffer
        buffer.seek(offset)
        reader = csv.reader(file, delimiter=delimiter)
        before, position = lines, offset
        try:
            for cells in reader:
                line, before = before + 1, lines + reader.line_num
                if (not cells or not cells[0] or line == 1) and _is_passed_over(cells, is_first=line == 1):
                    continue
                if not line % 256:
                    position = buffer.tell()
                yield line, cells, position
        except csv.Error as error:
            raise Refused(
                f"{path.name} line {before + 1}: {error}", "is a quotation mark opened there that is never closed?"
            ) from None
        except UnicodeError as error:
            raise _undecodable(path, encoding, error) from None


def _is_passed_over(cells: list[str], *, is_first: bool) -> bool:
    """Whether a record is blank, or says in the first line what parts the cells."""
    return not any(cells) or (is_first and len(cells) <= 2 and cells[0].lower().startswith("sep="))


def _undecodable(path: Path, encoding: str, error: UnicodeError) -> Refused:
    return Refused(f"{path.name} is not {encoding} throughout: {error}", "name its encoding with --encoding")


# ---- XLSX ------------------------------------------------------------------------------------------------------


def _open(path: Path) -> Any:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        return openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise Refused(f"{path.name} is no XLSX file: {error}") from None


def _look_at_xlsx(path: Path, sheet: str | None) -> Source:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    with closing(_open(path)) as book:
        names = book.sheetnames
        name = sheet or names[0]
        if name not in names:
            raise Refused(f"{path.name} has no sheet {name}", f"there are {', '.join(names)}")
        size = book[name].max_row or 0
        book[name].reset_dimensions()
        header = next(book[name].iter_rows(min_row=1, max_row=1, values_only=True), ())
        headers = ["" if cell is None else str(cell) for cell in header]
        while headers and not headers[-1]:
            headers.pop()
        if not headers:
            raise Refused(f"the first row of {name} in {path.name} is empty", "it names the columns")
    return Source(path, True, headers, digest.hexdigest(), size, sheet=name)


def text_of(value: Any, decimal: str = ".") -> str:
    """Return a cell as text: numbers with this decimal mark, as a sheet shows them; dates as YYYY-MM-DD."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # 15 digits are what a spreadsheet shows: the rest is how computers store fractions
        shown = str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
        return shown if decimal == "." else shown.replace(".", decimal)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
