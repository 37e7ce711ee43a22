"""What two surfaces differ in, said once: a table that is not there is one finding, not one for each of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from erpgres.drift.surface import Fact, Surface

MISSING, EXTRA, DIFFERS = "missing", "extra", "differs"
# What migrations alone decide; the rest of a table is the repeatable layer's.
OF_MIGRATIONS = (
    "schema", "table", "column", "constraint", "index", "sequence", "rule", "statistics", "event_trigger", "extension",
    "publication", "subscription", "default_privileges", "role", "membership", "role_setting", "database",
    "database_setting", "other",
)  # fmt: skip
_OF_THE_LAYER = ("grants", "row security")


@dataclass(frozen=True)
class Difference:
    """One fact that is not as it should be; `name` is the property that differs, else empty."""

    change: str
    fact: Fact
    name: str = ""
    expected: Any = None
    found: Any = None
    other: Fact | None = None  # the live database's fact where both have it


def compare(expected: Surface, found: Surface, *, without_layer: bool = False) -> list[Difference]:
    """Return the differences, by kind and name. `without_layer` leaves out what migrations do not make."""
    missing = {key for key in expected if key not in found}
    extra = {key for key in found if key not in expected}
    result = []
    for key in sorted(missing | extra):
        fact = expected.get(key) or found[key]
        gone = missing if key in missing else extra
        if (
            any(parent in gone for parent in fact.parents)
            or _is_column_of_view(fact)
            or (without_layer and fact.kind not in OF_MIGRATIONS)
        ):
            continue
        result.append(Difference(MISSING if key in missing else EXTRA, fact))
    for key in sorted(expected.keys() & found.keys()):
        fact, other = expected[key], found[key]
        if without_layer and fact.kind not in OF_MIGRATIONS:
            continue
        for name, value in fact.properties.items():
            if name.startswith("_") or value == other.properties.get(name):
                continue
            if without_layer and name in _OF_THE_LAYER:
                continue
            if _is_column_of_view(fact) and name not in ("comment", "grants"):
                continue
            has: Any = other.properties.get(name)
            if fact.kind == "table" and name == "columns" and set(value) != set(has):
                continue  # the columns say so themselves
            result.append(Difference(DIFFERS, fact, name, value, has, other))
    return sorted(result, key=lambda item: (item.fact.kind, item.fact.identity, item.change, item.name))


def _is_column_of_view(fact: Fact) -> bool:
    return fact.kind == "column" and (fact.part_of or "").startswith("view ")


def without(surface: Surface, keys: set[str]) -> Surface:
    """Return a surface without some facts and all that is part of them."""
    gone = set(keys)
    while True:
        more = {key for key, fact in surface.items() if key not in gone and not gone.isdisjoint(fact.parents)}
        if not more:
            return {key: fact for key, fact in surface.items() if key not in gone}
        gone |= more


def describe(difference: Difference) -> str:
    """Say in words what differs; of two lists only what one of them lacks."""
    expected, found = difference.expected, difference.found
    if difference.change == MISSING:
        return "is missing"
    if difference.change == EXTRA:
        return "is not of the repository"
    if isinstance(expected, list) and isinstance(found, list):
        lacks = [str(item) for item in expected if item not in found]
        has = [str(item) for item in found if item not in expected]
        if lacks or has:
            parts = [f"lacks {', '.join(lacks)}" if lacks else "", f"has {', '.join(has)}" if has else ""]
            return f"{difference.name}: {' and '.join(part for part in parts if part)}"
    return f"{difference.name}: {_short(found)} instead of {_short(expected)}"


def _short(value: Any, width: int = 100) -> str:
    """Return a value on one line; of a long text its first words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(str(value).split())
    return text if len(text) <= width else f"{text[: width - 1]}…"
