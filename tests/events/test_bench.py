"""The measurement of what events cost runs; whether the targets are met, the command says on a quiet machine."""

from __future__ import annotations

from typing import Any

import pytest

from erpgres.bench import events


@pytest.mark.drill
def test_writes_are_measured_with_and_without_events(stack: Any) -> None:
    counted, measured = events.run(stack, rows=300, rounds=3, seconds=0, progress=lambda _: None)
    assert counted
    assert [(m.name, m.target) for m in measured] == [("bulk", 1.6), ("single", 1.25)]
    assert all(m.with_ms > 0 and m.without_ms > 0 and m.ratio > 0 for m in measured)
    assert measured[0].with_ms > measured[1].with_ms, "three hundred rows take longer than one"
