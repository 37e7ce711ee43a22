"""The committed matrix: who may do what, as CSV files that a reviewer reads in a diff.

`sql/access/views.csv` and `functions.csv` say what each kind of user is answered, `tokens.csv` what bad tokens are,
`rights.csv` what each database role may do, `policies.csv` whose rows each session reaches when rights are no obstacle.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from erpgres.prove.findings import Cells
from erpgres.settings import ROOT

FOLDER = Path("sql/access")
EMPTY = ""


@dataclass(frozen=True, order=True)
class Difference:
    """A cell that is not as committed; None where there is no such cell."""

    file: str
    object: str
    right: str
    who: str
    committed: str | None
    found: str | None

    def __str__(self) -> str:
        where = f"{self.file}: {self.object}, {self.right}, {self.who}"
        return f"{where}: {self.committed!r} is committed, {self.found!r} found"


def text(cells: Cells) -> str:
    """One file: a line for each object and right, a column for each who."""
    people = list(dict.fromkeys(who for values in cells.values() for who in values))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["object", "right", *people])
    for (where, right), values in sorted(cells.items()):
        writer.writerow([where, right, *(values.get(who, EMPTY) for who in people)])
    return out.getvalue()


def parse(content: str) -> Cells:
    """The inverse of `text`."""
    rows = list(csv.reader(io.StringIO(content)))
    if not rows:
        return {}
    people = rows[0][2:]
    return {
        (row[0], row[1]): {who: value for who, value in zip(people, row[2:], strict=True) if value != EMPTY}
        for row in rows[1:]
    }


def read(root: Path = ROOT) -> dict[str, Cells]:
    """The committed files: {name: cells}."""
    return {p.name: parse(p.read_text(encoding="utf-8")) for p in sorted((root / FOLDER).glob("*.csv"))}


def write(found: Mapping[str, Cells], root: Path = ROOT) -> list[str]:
    """Write what was found; returns the names of the files that changed."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, cells in found.items():
        path = folder / name
        content = text(cells)
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
            changed.append(name)
    return changed


def compare(
    committed: Mapping[str, Cells], found: Mapping[str, Cells], *, some: Collection[str] = ()
) -> list[Difference]:
    """Every cell that differs, in files that were asked for.

    Files in `some` are a sample: what was not asked of an object that was asked something is no difference.
    """
    differences = []
    for name, cells in found.items():
        before = committed.get(name, {})
        there = {where for where, _ in cells} if name in some else set()
        for where, right in before.keys() | cells.keys():
            old, new = before.get((where, right), {}), cells.get((where, right), {})
            for who in old.keys() | new.keys():
                if old.get(who) != new.get(who) and not (where in there and who not in new):
                    differences.append(Difference(name, where, right, who, old.get(who), new.get(who)))
    return sorted(differences, key=str)
