"""The verdict as data; `--format json` writes it as it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from erpgres.migrate.plan.rates import Estimate

LAYER = "repeatable layer"


@dataclass
class Finding:
    """A rule that is broken. `accepted` is the reason of a header, None when nobody accepts it."""

    rule: str
    place: str
    message: str
    hint: str = ""
    accepted: str | None = None


@dataclass
class Lock:
    """A lock that a statement took: `tables` that it is the same on, what it keeps out, since which line it is held."""

    tables: list[str]
    mode: str
    keeps_out: str
    waits_for: list[str] = field(default_factory=list)


@dataclass
class StatementReport:
    """What one statement did on the clone, and how long it would take on the live database."""

    place: str
    line: int
    text: str
    kinds: list[str]
    locks: list[Lock]
    rewrites: list[str]
    scans: list[str]
    builds: list[str]
    transaction: int
    estimate: Estimate
    why: str = ""


@dataclass
class Held:
    """How long a table is locked so that requests wait, from the statement that locks it to the commit."""

    table: str
    mode: str
    keeps_out: str
    estimate: Estimate
    since_line: int
    writes_per_second: float = 0.0


@dataclass
class Verdict:
    """The verdict on one migration (or on the repeatable layer)."""

    name: str
    why: str = ""
    statements: list[StatementReport] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    accepts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def refused(self) -> list[Finding]:
        """Return the findings that nobody accepts."""
        return [finding for finding in self.findings if finding.accepted is None]


@dataclass
class Report:
    """All verdicts of a run and what they rest on."""

    database: str
    postgres: int
    budget: float
    verdicts: list[Verdict] = field(default_factory=list)
    repeatable: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    reference: list[str] = field(default_factory=list)
    contract: list[dict[str, Any]] = field(default_factory=list)
    access: list[dict[str, Any]] = field(default_factory=list)
    queries: list[dict[str, Any]] = field(default_factory=list)
    hot_queries: int = 0
    rates: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    api_away: float = 0.0
    seconds: float = 0.0

    @property
    def refused(self) -> list[Finding]:
        """Return all findings that nobody accepts."""
        return [finding for verdict in self.verdicts for finding in verdict.refused]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: with `passes`, true when nothing is refused."""
        return {"passes": not self.refused, **asdict(self)}
