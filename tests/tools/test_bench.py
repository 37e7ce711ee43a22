"""`erpgres bench api`: every system is measured, gives the same rows, and the figures come as text, JSON and a plot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import erpgres, free_port
from erpgres.bench import api, application, clients, report
from erpgres.bench.api import CASES, SYSTEMS, Measured, Options, Report
from erpgres.bench.clients import Block
from erpgres.stack.state import State


def block(rate: float, worst: float = 0.02) -> Block:
    return Block(1.0, [0.01] * (round(rate) - 3) + [worst] * 3)


def made(erpgres_rate: float, worst: float = 0.02) -> Report:
    rates = {"erpgres": erpgres_rate, "bare": 100, "python": 30, "query": 500}
    results = []
    for case in CASES:
        for system in SYSTEMS:
            slow = worst if system == "erpgres" else 0.02
            results.append(Measured(case, system, blocks=[block(rates[system], slow)] * 3, cpu_seconds=1.0))
            results[-1].settle()
    return Report(Options(rounds=3), {"cores": 2}, results, 0.5)


def test_ratios_are_judged() -> None:
    good = made(95)
    assert [ratio.throughput for ratio in good.ratios[:3]] == [0.95, 3.167, 0.19]
    assert not any(ratio.is_short for ratio in good.ratios)
    assert {ratio.to for ratio in made(75).ratios if ratio.is_short} == {"bare", "python"}
    assert {ratio.to for ratio in made(95, worst=0.031).ratios if ratio.is_short} == {"bare"}
    assert "short of 0.8" in report.text(made(75)) and "short" not in report.text(good)


def test_figures_are_medians_of_rounds_and_percentiles_of_all() -> None:
    measured = Measured("by key", "bare", blocks=[block(100), block(200), block(1000)], cpu_seconds=0.65)
    measured.settle()
    assert measured.public() == {
        "case": "by key", "system": "bare", "per_second": 200, "p50_ms": 10, "p99_ms": 10, "cpu_ms": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_plot_is_drawn(tmp_path: Path, suffix: str) -> None:
    drawing = tmp_path / f"api.{suffix}"
    report.plot(made(95), drawing)
    assert drawing.read_bytes().startswith(b"<?xml" if suffix == "svg" else b"\x89PNG")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", b"[]"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n", b"[1,2]"),
    ],
)
def test_answers_are_read_whole(answer: bytes, body: bytes) -> None:
    assert api.body(answer) == body


def test_clients_count_what_they_are_answered(stack: State) -> None:
    asked = iter([b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"] * 5)
    seen = clients.run(stack.port, asked, clients=3)
    assert seen.statuses == {200: 5, 404: 5} and len(seen.latencies) == 10 and seen.rate > 0
    with pytest.raises(OSError):
        clients.run(free_port(), iter([b""]), 1)


def test_all_systems_answer_with_the_same_columns(db: Any) -> None:
    offered = db.execute("select * from api.wms_documents where false").description
    assert list(application.DocumentOut.model_fields) == [column.name for column in offered]
    assert {column.name for column in application.Document.__table__.columns} == {column.name for column in offered}


@pytest.mark.drill
def test_all_systems_are_measured(tmp_path: Path) -> None:
    drawing = tmp_path / "api.png"
    done = erpgres(
        "bench", "api", "--rounds", "1", "--seconds", "1", "--clients", "4", "--posts", "8", "--scale", "0.001",
        "--port", str(free_port(8)), "--plot", str(drawing), "--format", "json",
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr  # the aims are for a longer run on a quiet machine
    found = json.loads(done.stdout)
    assert [(result["case"], result["system"]) for result in found["results"]] == [
        (case, system) for case in CASES for system in SYSTEMS
    ]
    assert all(result["per_second"] > 0 and result["p99_ms"] >= result["p50_ms"] > 0 for result in found["results"])
    assert len(found["ratios"]) == 12 and drawing.stat().st_size > 10_000
