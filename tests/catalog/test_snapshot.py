"""sql/schema/ is what the migrations and the repeatable layer make."""

from __future__ import annotations

from conftest import TEMPLATE, locked
from erpgres.migrate import snapshot
from erpgres.stack.state import State


def test_the_committed_snapshot_is_not_stale(stack: State, clone: str) -> None:
    with locked("template"):  # what clones are made of: nobody else may be connected to it then
        made = snapshot.dump(stack.dsn("migrator", TEMPLATE), stack.bindir)
    difference = snapshot.difference(snapshot.read(), made)
    assert difference == "", f"run `erpgres schema dump` on a freshly migrated database:\n{difference}"
