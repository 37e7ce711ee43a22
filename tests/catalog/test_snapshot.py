"""sql/schema/ is what the migrations and the repeatable layer make."""

from __future__ import annotations

from erpgres.migrate import snapshot
from erpgres.stack.state import State


def test_the_committed_snapshot_is_not_stale(stack: State, clone: str) -> None:
    difference = snapshot.difference(snapshot.read(), snapshot.dump(clone, stack.bindir))
    assert difference == "", f"run `erpgres schema dump` on a freshly migrated database:\n{difference}"
