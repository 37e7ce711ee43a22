"""Suppressions in the text: `-- lint: allow RULE: reason`, at the end of a line or above a line or statement."""

from __future__ import annotations

import re
from dataclasses import dataclass

from erpgres.lint.finding import Finding
from erpgres.lint.source import Source

RULE = "suppression"
_MARK = re.compile(r"--\s*lint:(?P<rest>.*)$")
_ALLOW = re.compile(r"\s*allow\s+(?P<rules>[a-z][\w.-]*(?:\s*,\s*[a-z][\w.-]*)*)\s*:?(?P<reason>.*)$", re.IGNORECASE)
_FOREIGN = re.compile(r"--\s*(noqa|squawk-ignore)\b")
_SHORTEST_REASON = 8


@dataclass
class Suppression:
    """One comment: the rules it silences from line `first` to line `last`."""

    file: str
    line: int
    rule: str
    first: int
    last: int
    used: bool = False


def read(source: Source, known: set[str]) -> tuple[list[Suppression], list[Finding]]:
    """Return the suppressions of a file, and findings about those that are none.

    A comment at the end of a line covers that line. Alone on its line it covers the statement that follows, or, within
    a statement, the next line that is no comment.
    """
    found: list[Suppression] = []
    wrong: list[Finding] = []

    def complain(line: int, detail: str, hint: str) -> None:
        wrong.append(Finding(source.shown, line, RULE, "", detail, hint))

    for number, row in enumerate(source.lines, start=1):
        foreign = _FOREIGN.search(row)
        if foreign:
            complain(number, f"{foreign[1]} silences without a reason", "write -- lint: allow RULE: reason")
        match = _MARK.search(row)
        if match is None:
            continue
        allow = _ALLOW.fullmatch(match["rest"])
        if allow is None:
            complain(number, "a lint comment that says nothing", "write -- lint: allow RULE: reason")
            continue
        if len(allow["reason"].strip()) < _SHORTEST_REASON:
            complain(number, "a suppression without a reason", "say why after a colon: -- lint: allow RULE: reason")
            continue
        first, last = _covered(source, number, alone=row.strip().startswith("--"))
        for rule in re.split(r"\s*,\s*", allow["rules"]):
            if rule not in known and "." not in rule:
                complain(number, f"there is no rule {rule}", "erpgres lint rules lists them")
            else:
                found.append(Suppression(source.shown, number, rule, first, last))
    return found, wrong


def _covered(source: Source, number: int, *, alone: bool) -> tuple[int, int]:
    if not alone:
        return number, number
    for _, first, last in source.spans:
        if first > number:
            return number, last
        if first <= number <= last:
            rows = source.lines
            following = number
            while following < len(rows) and (not rows[following].strip() or rows[following].strip().startswith("--")):
                following += 1
            return number, following + 1
    return number, len(source.lines)


def apply(findings: list[Finding], suppressions: list[Suppression]) -> list[Finding]:
    """Return the findings that no suppression covers, and mark those suppressions that cover one."""
    left = []
    for finding in findings:
        covering = [
            item
            for item in suppressions
            if item.rule == finding.rule and item.file == finding.file and item.first <= finding.line <= item.last
        ]
        for item in covering:
            item.used = True
        if not covering:
            left.append(finding)
    return left


def unused(suppressions: list[Suppression], ran: set[str]) -> list[Finding]:
    """Return a finding for each suppression that covers nothing, of rules (or families of them) that ran."""
    return [
        Finding(item.file, item.line, RULE, "", f"nothing here is against {item.rule}", "remove the comment")
        for item in suppressions
        if not item.used and (item.rule in ran or item.rule.partition(".")[0] in ran)
    ]
