"""The lock table as data: `kinds.toml` says what is measured, `<major>.csv` what was measured on that PostgreSQL."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from erpgres.errors import CannotRun

FOLDER = Path(__file__).parent
COLUMNS = ("kind", "lock", "elsewhere", "rewrite", "scan")
MODES = (
    "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE", "ACCESS EXCLUSIVE",
)  # fmt: skip
# PostgreSQL's own table of conflicts ("Explicit Locking" in its manual), by place in MODES.
_CONFLICTS = (
    (7,), (6, 7), (4, 5, 6, 7), (3, 4, 5, 6, 7), (2, 3, 5, 6, 7), (2, 3, 4, 5, 6, 7), (1, 2, 3, 4, 5, 6, 7), range(8),
)  # fmt: skip


def mode_of(word: str) -> str:
    """Return a mode of pg_locks (`AccessExclusiveLock`) as it is written in SQL (`ACCESS EXCLUSIVE`)."""
    letters = "".join(f" {letter}" if letter.isupper() else letter for letter in word.removesuffix("Lock"))
    return letters.strip().upper()


def strength(mode: str) -> int:
    """Return the place of a mode in the order of strength; -1 for none."""
    return MODES.index(mode) if mode in MODES else -1


def strongest(modes: list[str]) -> str:
    """Return the strongest of several modes, '' of none."""
    return max(modes, key=strength, default="")


def conflict(one: str, other: str) -> bool:
    """Say whether two modes exclude each other."""
    return strength(other) in _CONFLICTS[strength(one)]


def blocks(mode: str) -> str:
    """Return what a lock keeps out: `reads and writes`, `writes`, or '' (nothing that a request does)."""
    if conflict(mode, "ACCESS SHARE"):
        return "reads and writes"
    return "writes" if conflict(mode, "ROW EXCLUSIVE") else ""


@dataclass(frozen=True)
class Kind:
    """A kind of statement and how to measure it; `template` is the kind of `migrate new --kind` that is safe."""

    name: str
    title: str
    statement: str
    before: str = ""
    instead: str = ""
    template: str = ""
    alone: bool = False


@dataclass(frozen=True)
class Row:
    """What a kind does: its strongest lock on the table it names, those elsewhere, what it rewrites and scans.

    `elsewhere` maps a table's role in the measurement (`other`, `part`, `indexes`, …) to a mode; `rewrite` and `scan`
    are sets of such roles, the table itself included.
    """

    kind: str
    lock: str
    elsewhere: dict[str, str]
    rewrite: frozenset[str]
    scan: frozenset[str]

    def cells(self) -> dict[str, str]:
        """Return the row as the CSV has it."""
        return {
            "kind": self.kind,
            "lock": self.lock,
            "elsewhere": "; ".join(f"{name}: {mode}" for name, mode in sorted(self.elsewhere.items())),
            "rewrite": " ".join(sorted(self.rewrite)),
            "scan": " ".join(sorted(self.scan)),
        }

    @classmethod
    def of(cls, cells: dict[str, str]) -> Row:
        """Return the row of a line of the CSV."""
        pairs = (part.partition(": ") for part in cells["elsewhere"].split("; ") if part)
        return cls(
            cells["kind"], cells["lock"], {name: mode for name, _, mode in pairs},
            frozenset(cells["rewrite"].split()), frozenset(cells["scan"].split()),
        )  # fmt: skip


@cache
def _definition() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "kinds.toml").read_text(encoding="utf-8"))


def setup() -> str:
    """Return the statements that make the tables of the measurement."""
    return str(_definition()["setup"])


@cache
def kinds() -> dict[str, Kind]:
    """Return all kinds by name, in the order of the file."""
    return {entry["name"]: Kind(**entry) for entry in _definition()["kind"]}


def versions() -> list[int]:
    """Return the major versions of PostgreSQL that were measured."""
    return sorted(int(path.stem) for path in FOLDER.glob("*.csv"))


@cache
def read(major: int) -> dict[str, Row]:
    """Return {kind: row} of a version. Raises CannotRun when it was not measured."""
    path = FOLDER / f"{major}.csv"
    if not path.exists():
        known = ", ".join(str(version) for version in versions())
        raise CannotRun(
            f"the lock table of PostgreSQL {major} was not measured (there is {known})",
            "with that version installed: erpgres migrate locks measure --write",
        )
    with path.open(encoding="utf-8", newline="") as file:
        return {row.kind: row for row in map(Row.of, csv.DictReader(file))}


def write(major: int, rows: list[Row]) -> Path:
    """Write the table of a version; returns its path."""
    path = FOLDER / f"{major}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.cells() for row in rows)
    read.cache_clear()
    return path


def difference(stored: dict[str, Row], measured: list[Row]) -> list[str]:
    """Return one line for each kind and column in which a measurement differs from the table."""
    lines = [f"{name}: in the table, but no kind of kinds.toml" for name in stored if name not in kinds()]
    for row in measured:
        before = stored.get(row.kind)
        if before is None:
            lines.append(f"{row.kind}: not in the table")
            continue
        for column in COLUMNS[1:]:
            was, now = before.cells()[column], row.cells()[column]
            if was != now:
                lines.append(f"{row.kind}: {column} is {now or 'none'}, the table says {was or 'none'}")
    return lines
