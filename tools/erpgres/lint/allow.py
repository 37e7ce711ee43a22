"""The list of exceptions, sql/lint/allow.csv: rule, object, reason. For what no comment in a file can say.

An object of the catalog is named as the finding names it; a finding on the text of a released migration, whose file can
no longer take a comment, by the path of the file.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from erpgres.lint.finding import Finding
from erpgres.lint.rule import CATALOG_FOLDER

FILE = CATALOG_FOLDER / "allow.csv"
RULE = "allow_list"
COLUMNS = ["rule", "object", "reason"]
_SHORTEST_REASON = 8


@dataclass
class Entry:
    """One line of the list."""

    line: int
    rule: str
    object: str
    reason: str
    used: bool = False


def read(root: Path, known: set[str]) -> tuple[list[Entry], list[Finding]]:
    """Return the entries, and findings about lines that are none."""
    path = root / FILE
    if not path.exists():
        return [], []
    entries: list[Entry] = []
    wrong: list[Finding] = []
    seen: set[tuple[str, str]] = set()

    def complain(line: int, detail: str, hint: str) -> None:
        wrong.append(Finding(FILE.as_posix(), line, RULE, "", detail, hint))

    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        if next(reader, None) != COLUMNS:
            complain(1, "the first line is not rule,object,reason", "put the columns back")
            return [], wrong
        for row in reader:
            line = reader.line_num
            rule, name, reason = (*(part.strip() for part in row), "", "", "")[:3]
            if len(row) != len(COLUMNS) or not rule or not name:
                complain(line, "a line has a rule, an object and a reason", "quote a reason that has a comma")
            elif len(reason) < _SHORTEST_REASON:
                complain(line, f"{rule} is allowed for {name} without a reason", "say why it is right there")
            elif rule not in known and "." not in rule:
                complain(line, f"there is no rule {rule}", "erpgres lint rules lists them")
            elif (rule, name) in seen:
                complain(line, f"{rule} for {name} stands here twice", "remove one of them")
            else:
                seen.add((rule, name))
                entries.append(Entry(line, rule, name, reason))
    return entries, wrong


def apply(findings: list[Finding], entries: list[Entry], frozen: set[str]) -> tuple[list[Finding], int]:
    """Return the findings that no entry covers and how many are covered; `frozen` are the released files."""
    by_key = {(entry.rule, entry.object): entry for entry in entries}
    left = []
    for finding in findings:
        entry = by_key.get((finding.rule, finding.object)) if finding.object else None
        if entry is None and finding.file in frozen:
            entry = by_key.get((finding.rule, finding.file or ""))
        if entry is None:
            left.append(finding)
        else:
            entry.used = True
    return left, len(findings) - len(left)


def unused(entries: list[Entry], ran: set[str]) -> list[Finding]:
    """Return a finding for each entry that covers nothing, of rules (or families of them) that ran."""
    return [
        Finding(FILE.as_posix(), entry.line, RULE, "", f"{entry.object} is not against {entry.rule}", "remove the line")
        for entry in entries
        if not entry.used and (entry.rule in ran or entry.rule.partition(".")[0] in ran)
    ]
