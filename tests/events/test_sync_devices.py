"""Real WatermelonDB databases on random schedules end equal to the server; broken ones do not."""

from __future__ import annotations

from typing import Any

import pytest

from erpgres.bench import sync


def test_devices_end_equal_to_the_server(stack: Any) -> None:
    outcome = sync.check(stack, runs=2, seed=11, steps=45, bug=None, progress=print)
    assert outcome.problems == []
    assert outcome.rows > 200 and outcome.calls["sync_push"] > 10
    for kind in ("device_loses_pull", "device_loses_push", "device_is_overtaken", "server_rights"):
        assert outcome.did[kind] > 0, kind


def test_the_comparison_finds_a_device_that_skips_an_answer(stack: Any) -> None:
    outcome = sync.check(stack, runs=1, seed=3, steps=25, bug="cursor", progress=print)
    assert outcome.problems != []


@pytest.mark.drill
def test_devices_end_equal_in_many_runs(stack: Any) -> None:
    outcome = sync.check(stack, runs=15, seed=23, steps=80, bug=None, progress=print)
    assert outcome.problems == []


@pytest.mark.drill
def test_the_comparison_finds_a_device_without_the_resolver(stack: Any) -> None:
    outcome = sync.check(stack, runs=8, seed=5, steps=60, bug="resolver", progress=print)
    assert outcome.problems != []
