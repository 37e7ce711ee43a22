"""Settings of the server: those that `erpgres up` writes, and those that nobody may change without danger."""

from __future__ import annotations

import re
from typing import Any

import psycopg

from erpgres.drift.surface import Fact, Surface
from erpgres.stack.state import State

KIND = "parameter"
# Without these a database is not safe, or tells what it must not, whoever set up its server.
DEMANDED = {
    "fsync": "on",
    "full_page_writes": "on",
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
    "session_replication_role": "origin",  # anything else switches triggers and foreign keys off
    "row_security": "on",
    "password_encryption": "scram-sha-256",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
_LINE = re.compile(r"^(?P<name>[a-z_.]+) = '(?P<value>(?:[^']|'')*)'$")
_BYTES = {"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_MICROSECONDS = {
    "us": 1, "ms": 1000, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6,
}  # fmt: skip
_NUMBER = re.compile(r"(?P<number>-?\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)")


def expected(state: State | None) -> Surface:
    """Return what should be set: for a stack of ours also all that stands in its configuration file."""
    values = dict(DEMANDED)
    if state is not None and state.database_url is None:
        path = state.etc / "postgresql.conf"
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            match = _LINE.fullmatch(line)
            if match:
                values[match["name"]] = match["value"].replace("''", "'").replace("\\\\", "\\")
    facts = (Fact(KIND, name, None, {"value": value}) for name, value in values.items())
    return {fact.key: fact for fact in facts}


def read(connection: psycopg.Connection[Any], wanted: Surface) -> tuple[Surface, Surface]:
    """Return (expected, found) for the settings that the session may see and that no role or database overrides.

    Values are put into one form, numbers with units into the smallest. To be asked before another role is taken on.
    """
    names = [fact.identity for fact in wanted.values()]
    rows = connection.execute(
        "select name, setting, unit, vartype from pg_settings"
        " where name = any (%s) and source not in ('database', 'user', 'database user', 'client')",
        [names],
    ).fetchall()
    should: Surface = {}
    has: Surface = {}
    for name, setting, unit, kind in rows:
        value = normal(str(wanted[f"{KIND} {name}"].properties["value"]), unit, kind)
        fact = Fact(KIND, name, None, {"value": value})
        should[fact.key] = fact
        has[fact.key] = Fact(KIND, name, None, {"value": normal(f"{setting}", unit, kind)})
    return should, has


def normal(value: str, unit: str | None, kind: str) -> str:
    """Return a value as a number of the setting's smallest unit, or as it is.

    `unit` is pg_settings' (8kB, kB, ms, …), in which a bare number is meant.
    """
    if kind == "bool":
        return "on" if value.lower() in ("on", "true", "yes", "1") else "off"
    if kind not in ("integer", "real"):
        return value
    match = _NUMBER.fullmatch(value)
    if match is None:
        return value
    number = float(match["number"])
    if unit is None or number < 0:
        return f"{number:g}"
    base = re.fullmatch(r"(\d*)([A-Za-z]+)", unit)
    assert base is not None
    units = _BYTES if base[2] in _BYTES else _MICROSECONDS
    of_unit = units[base[2]] * int(base[1] or 1)
    factor = units[match["unit"]] if match["unit"] else of_unit
    return f"{number * factor:.0f} {'bytes' if units is _BYTES else 'us'}"
