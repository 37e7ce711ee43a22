"""squawk on migrations: what a statement does to a live table. Its rules are called squawk.<rule>; see .squawk.toml."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from erpgres.errors import CannotRun
from erpgres.lint.finding import Finding
from erpgres.lint.source import Source
from erpgres.migrate.files import NONTRANSACTIONAL

FAMILY = "squawk"
CONFIG = ".squawk.toml"


def check(sources: list[Source], root: Path) -> list[Finding]:
    """Judge migrations. Raises CannotRun when squawk is not there or gives no answer."""
    found: list[Finding] = []
    for inside in (True, False):
        group = [source for source in sources if (NONTRANSACTIONAL not in source.shown) == inside]
        if group:
            found += _run(group, root, inside_transaction=inside)
    return found


def _run(sources: list[Source], root: Path, *, inside_transaction: bool) -> list[Finding]:
    program = Path(sys.prefix) / "bin" / "squawk"
    with tempfile.TemporaryDirectory(prefix="erpgres-lint-") as folder:
        # Under names of our own: a path in the tree or outside it looks alike to squawk, and to whoever reads it.
        shown = {}
        for number, source in enumerate(sources):
            path = Path(folder) / f"{number}.sql"
            path.write_text(source.text, encoding="utf-8")
            shown[str(path)] = source.shown
        command = [
            str(program), "--config", str(root / CONFIG), "--reporter", "json",
            "--assume-in-transaction" if inside_transaction else "--no-assume-in-transaction", *shown,
        ]  # fmt: skip
        try:
            answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=root)
            items = json.loads(answer.stdout or "[]")
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise CannotRun(f"squawk gives no answer: {error}", "./erpgres installs it") from None
    if answer.returncode not in (0, 1):
        raise CannotRun(f"squawk failed: {(answer.stderr or answer.stdout).strip()[:300]}")
    return [
        Finding(
            shown[item["file"]], item["line"] + 1, f"{FAMILY}.{item['rule_name']}", "", item["message"].rstrip("."),
            item.get("help") or "",
        )
        for item in items
    ]  # fmt: skip
