"""What a rule found, and where."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Finding:
    """One finding. `file` is relative to the checkout, or None when no file makes `object`; `line` counts from 1."""

    file: str | None
    line: int
    rule: str
    object: str
    detail: str
    hint: str = ""

    @property
    def place(self) -> str:
        """Return `file:line`, or the object where there is no file."""
        return f"{self.file}:{self.line}" if self.file else self.object or "(the tree)"

    def as_json(self) -> dict[str, Any]:
        """Return its fields."""
        return asdict(self)
