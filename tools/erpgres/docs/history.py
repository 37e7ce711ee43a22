"""The migrations as a page: why each was made, what it locks, whether it breaks clients."""

from __future__ import annotations

import re
from pathlib import Path

from erpgres import settings
from erpgres.docs.markdown import Section, prose, table
from erpgres.migrate.files import read_header

_NAME = re.compile(r"V(\d+)__([a-z]+)_(\w+)\.sql")


def headers(root: Path = settings.ROOT) -> list[tuple[str, dict[str, str]]]:
    """Return file name and header (domain, why, locks, breaking) of each migration, in order."""
    found = []
    for path in sorted((root / "migrations").glob("V*.sql")):
        if not _NAME.fullmatch(path.name):
            continue
        found.append((path.name, read_header(path.read_text(encoding="utf-8"))))
    return found


def sections(root: Path = settings.ROOT) -> list[Section]:
    """Return the page's sections: one a domain would tear the order apart, so there is one table."""
    rows = [
        (f"`{name.removesuffix('.sql')}`", prose(header.get("why", "")), prose(header.get("locks", "")),
         header.get("breaking", ""))
        for name, header in headers(root)
    ]  # fmt: skip
    return [Section("In order", table(["migration", "why", "locks", "breaking"], rows))]
