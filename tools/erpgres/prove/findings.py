"""What the proof found wrong, and the cells of the matrix that it fills."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

Cells = dict[tuple[str, str], dict[str, str]]


@dataclass(frozen=True, order=True)
class Finding:
    """Something that must not be, whatever the matrix says. `rule` is the rule, `where` the object, `what` the case."""

    rule: str
    where: str
    what: str


@dataclass
class Findings:
    """All of them, each once."""

    found: dict[Finding, None] = field(default_factory=dict)

    def add(self, rule: str, where: str, what: str) -> None:
        """Note one."""
        self.found.setdefault(Finding(rule, where, what))

    def __iter__(self) -> Iterator[Finding]:
        return iter(sorted(self.found))

    def __len__(self) -> int:
        return len(self.found)


def put(cells: Cells, where: str, right: str, who: str, value: str) -> None:
    """Fill one cell."""
    cells.setdefault((where, right), {})[who] = value
