"""SQL files as statements: split by PostgreSQL's own grammar, each with its file and line."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import pglast

from erpgres.errors import Refused


class Statement(str):
    """The text of one statement, which knows where it stands. `node` is its parse tree (pglast)."""

    path: str
    line: int
    node: Any
    is_check: bool

    def __new__(cls, text: str, path: str, line: int, node: Any, *, is_check: bool = False) -> Statement:
        """Make the text of a statement know its place."""
        self = super().__new__(cls, text)
        self.path, self.line, self.node, self.is_check = path, line, node, is_check
        return self

    def head(self, lines: int = 6) -> str:
        """Return the statement's first lines, for an error message."""
        rows = self.splitlines()
        more = f"\n    … ({len(rows) - lines} more lines)" if len(rows) > lines else ""
        return "\n".join(f"    {row}" for row in rows[:lines]) + more


def name_of(path: Path, root: Path) -> str:
    """Return the path as it is shown and recorded: relative to the root, with forward slashes."""
    shown, base = path.as_posix(), f"{root.as_posix()}/"
    return shown[len(base) :] if shown.startswith(base) else path.relative_to(root).as_posix()


def digest(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def parse(text: str, shown: str, *, is_check: bool = False) -> list[Statement]:
    """Split SQL text into statements; leading comments of a statement are not part of it.

    Raises Refused with file and line when the text is not valid SQL.
    """
    return list(_parsed(text, shown, is_check))


# More than a second for all files of the repository: a process that migrates twice does it once. The parse trees are
# shared by all who read the text: nobody may change them.
@lru_cache(maxsize=4096)
def _parsed(text: str, shown: str, is_check: bool) -> tuple[Statement, ...]:
    try:
        raw = pglast.parse_sql(text)
    except pglast.parser.ParseError as error:
        message = str(error.args[0])
        position = int(error.args[1]) if len(error.args) > 1 and error.args[1] is not None else 0
        line = text.count("\n", 0, position) + 1
        lines = text.splitlines()
        shown_line = f"\n    {lines[line - 1].strip()}" if line <= len(lines) else ""
        raise Refused(f"{shown} line {line}: {message}{shown_line}") from None
    found = []
    for item in raw:
        start = item.stmt_location or 0
        end = start + item.stmt_len if item.stmt_len else len(text)
        line = text.count("\n", 0, start) + 1
        found.append(Statement(text[start:end].rstrip(), shown, line, item.stmt, is_check=is_check))
    return tuple(found)


def read(path: Path, root: Path, *, is_check: bool = False) -> list[Statement]:
    """Read a UTF-8 file and split it into statements."""
    shown = name_of(path, root)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{shown}: not UTF-8 ({error.reason} at byte {error.start})") from None
    return parse(text, shown, is_check=is_check)
