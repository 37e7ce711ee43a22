"""Random histories of documents against a model in Python: the database agrees with it after each of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from wms.conftest import Acting
from wms.support import World, violations

ITEMS = 3
Key = tuple[int, str]


@dataclass
class Line:
    item: int
    quantity: int
    source: int
    target: int


@dataclass
class Step:
    """One document: its type, the warehouses by position in the world, its lines, and what is done with the draft."""

    kind: str
    source: int
    lines: list[Line]
    end: str


@dataclass
class Model:
    """What lies where by the rules, in a few lines of Python."""

    stock: dict[Key, int] = field(default_factory=lambda: defaultdict(int))

    def apply(self, moves: list[tuple[int, str | None, str | None, int]]) -> bool:
        """Move all or nothing; returns whether it was allowed."""
        change: dict[Key, int] = defaultdict(int)
        for item, source, target, quantity in moves:
            if source:
                change[item, source] -= quantity
            if target:
                change[item, target] += quantity
        if any(self.stock[key] + by < 0 for key, by in change.items()):
            return False
        for key, by in change.items():
            self.stock[key] += by
        return True


lines = st.builds(Line, st.integers(0, ITEMS - 1), st.integers(1, 6), st.integers(0, 1), st.integers(0, 1))
steps = st.builds(
    Step,
    st.sampled_from(["IMPORT", "IMPORT", "EXPORT", "SALE", "TRANSFER"]),
    st.integers(0, 1),
    st.lists(lines, min_size=1, max_size=4),
    st.sampled_from(["POST", "POST", "POST", "POST", "CANCEL", "LEAVE"]),
)


@pytest.fixture
def session(world: World, acting: Acting) -> Iterator[psycopg.Connection[Any]]:
    with acting(world.org, world.org.user(administrator=True)) as connection:
        yield connection


def test_histories(world: World, session: psycopg.Connection[Any]) -> None:
    places = [[w.storage, w.receiving] for w in world.warehouses]

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(history=st.lists(steps, min_size=1, max_size=8))
    def check(history: list[Step]) -> None:
        items = [world.item() for _ in range(ITEMS)]  # new ones each time: nothing lies anywhere
        model = Model()
        moments = []
        for step in history:
            run(step, items, model)
            moment = session.execute("select clock_timestamp()").fetchone()
            assert moment is not None
            moments.append((moment[0], {key: n for key, n in model.stock.items() if n}))
        rows = session.execute(
            "select item_id::text, location_id::text, quantity from api.wms_stock"
            " where item_id = any (%s) and quantity > 0",
            [items],
        )
        assert {(items.index(i), p): int(n) for i, p, n in rows} == moments[-1][1]
        for moment_at, expected in moments:
            found = {}
            for number, item in enumerate(items):
                for row in session.execute(
                    "select location_id::text, quantity from api.wms_stock_as_of(%s, item_id => %s)", [moment_at, item]
                ):
                    found[number, row[0]] = int(row[1])
            assert found == expected, "stock in the past is what the model had then"
        assert violations(world.db, world.org.id) == {}

    def run(step: Step, items: list[str], model: Model) -> None:
        source, target = step.source, 1 - step.source
        comes_in, goes_out = step.kind in ("IMPORT", "TRANSFER"), step.kind != "IMPORT"
        sent, moves = [], []
        for line in step.lines:
            start = places[source][line.source] if goes_out else None
            end = places[target][line.target] if comes_in else None
            sent.append(
                {"item_id": items[line.item], "quantity": line.quantity}
                | ({"from_position_id": start} if start else {})
                | ({"to_position_id": end} if end else {})
            )
            moves.append((line.item, start, end, line.quantity))
        row = session.execute(
            "select id from api.wms_document_create(%s, %s, %s, lines => %s)",
            [
                step.kind, world.warehouses[source].id if goes_out else None,
                world.warehouses[target].id if comes_in else None,
                Jsonb(sent),
            ],
        ).fetchone()  # fmt: skip
        assert row is not None
        if step.end == "CANCEL":
            session.execute("select id from api.wms_document_cancel(%s, 'changed our mind')", [row[0]])
        elif step.end == "POST":
            try:
                session.execute("select id from api.wms_document_post(%s)", [row[0]])
                assert model.apply(moves), "posted what the model refuses"
            except psycopg.Error as error:
                assert json.loads(error.diag.message_primary or "{}")["code"] == "wms.insufficient_stock"
                assert not model.apply(moves), "refused what the model allows"

    check()
