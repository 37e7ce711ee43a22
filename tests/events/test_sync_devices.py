"""Real WatermelonDB databases on random schedules end equal to the server; broken ones do not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from erpgres.bench import sync


def test_devices_end_equal_to_the_server(stack: Any) -> None:
    outcome = sync.check(stack, runs=2, seed=11, steps=35, bug=None, progress=print)
    assert outcome.problems == []
    assert outcome.rows > 200 and outcome.calls["sync_push"] > 10
    assert outcome.did["device_loses_pull"] + outcome.did["device_loses_push"] > 0
    assert outcome.did["device_is_overtaken"] > 0
    assert json.loads(json.dumps(outcome.public()))["calls"] == outcome.calls


def test_the_comparison_finds_a_device_that_skips_an_answer(stack: Any) -> None:
    outcome = sync.check(stack, runs=1, seed=2, steps=30, bug="cursor", progress=print)
    assert outcome.problems != []


@pytest.mark.drill
def test_devices_end_equal_in_many_runs(stack: Any) -> None:
    outcome = sync.check(stack, runs=15, seed=23, steps=80, bug=None, progress=print)
    assert outcome.problems == []
