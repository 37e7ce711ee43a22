"""Devices with the real client library (WatermelonDB in Node.js), and what each of them ought to hold."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import IO, Any

import psycopg
from psycopg import sql

from erpgres import npm
from erpgres.errors import CannotRun
from erpgres.settings import ROOT

Connection = psycopg.Connection[Any]
Rows = dict[str, dict[str, Any]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXAMPLE = ROOT / "docs" / "examples" / "sync.mjs"


class DeviceError(Exception):
    """What a device reports: an error of the API (`code`), a lost answer (`lost`), or of its own."""

    def __init__(self, message: str, code: str | None, details: str | None) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


class Devices:
    """A process of Node.js with any number of WatermelonDB databases."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self._process = process
        self._errors = errors
        self._count = 0
        self._answers: dict[int, dict[str, Any]] = {}

    def ask(self, op: str, device: str, **given: Any) -> Any:
        """Let a device do something and return what it answers. Raises DeviceError, CannotRun."""
        self._count += 1
        number = self._count
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"op": op, "n": number, "id": device, **given}, default=str) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._dead() from None
        while number not in self._answers:
            line = self._process.stdout.readline()
            if not line:
                raise self._dead()
            answer = json.loads(line)
            self._answers[answer["n"]] = answer
        answer = self._answers.pop(number)
        if "error" in answer:
            raise DeviceError(answer["error"], answer["code"], answer["details"])
        return answer["result"]

    def rows(self, device: str) -> dict[str, Rows]:
        """What a device holds: {table: {id: row}}, without the marks of the library."""
        tables = self.ask("dump", device)["tables"]
        return {
            table: {row["id"]: {k: v for k, v in row.items() if not k.startswith("_")} for row in rows}
            for table, rows in tables.items()
        }

    def _dead(self) -> CannotRun:
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return CannotRun(f"the devices ended: {lines[-1] if lines else self._process.poll()}")


@contextmanager
def devices() -> Iterator[Devices]:
    """Start Node.js with the client library; installs it at first use. Raises CannotRun."""
    folder = npm.project("sync")
    script = npm.PROJECTS / "sync" / "devices.mjs"
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [npm.node().program, script, folder, EXAMPLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            text=True, env={"PATH": "/usr/bin:/bin", "NODE_TLS_REJECT_UNAUTHORIZED": "0"},
        )  # fmt: skip
        try:
            yield Devices(process, errors)
        finally:
            process.kill()
            process.communicate()


def schema(connection: Connection) -> list[dict[str, Any]]:
    """The columns of all tables that devices may hold, as GET /sync_columns gives them."""
    cursor = connection.execute(
        "select c.table_name, c.name, c.since_version, c.is_written, c.type from api.sync_columns c "
        "join core.sync_table t on t.name = c.table_name order by t.sort_order, c.name"
    )
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def expected(
    connection: Connection, claims: dict[str, Any], device: str, version: int, tables: Sequence[str]
) -> dict[str, Rows]:
    """What a device ought to hold: the views and filters of the registry, read as its user without `sync_pull`."""
    registry = connection.execute(
        "select name, view_name, key_column, coalesce(filter, 'true') from core.sync_table where name = any (%s)",
        [tables],
    ).fetchall()
    columns: dict[str, list[str]] = {}
    for table, column in connection.execute(
        "select table_name, name from core.sync_column where since_version <= %s order by table_name, name", [version]
    ):
        columns.setdefault(table, []).append(column)
    row = connection.execute(
        "select id from events.sync_device where org_id = %s and user_id = %s and device = %s",
        [claims["org_id"], claims["sub"], device],
    ).fetchone()
    device_id = row and row[0]
    found: dict[str, Rows] = {}
    with connection.transaction():
        connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(claims["role"])))
        for name, view, key, condition in registry:
            query = sql.SQL("select {key}, {columns} from api.{view} as v where {condition}").format(
                key=sql.Identifier(key),
                columns=sql.SQL(", ").join(map(sql.Identifier, columns[name])),
                view=sql.Identifier(view),
                condition=sql.SQL(condition.replace("$2", "{device}")).format(device=sql.Literal(device_id)),
            )
            rows = connection.execute(query).fetchall()
            found[name] = {
                _key(values[0]): {
                    "id": _key(values[0]),
                    **{c: _on_a_device(v) for c, v in zip(columns[name], values[1:], strict=True)},
                }
                for values in rows
            }
    return found


def differences(holds: dict[str, Rows], ought: dict[str, Rows]) -> list[str]:
    """Say what a device lacks, has too much, or has otherwise."""
    found = []
    for table in sorted(ought):
        have, want = holds.get(table, {}), ought[table]
        found += [f"{table} {key}: lacks it" for key in want.keys() - have.keys()]
        found += [f"{table} {key}: still holds it" for key in have.keys() - want.keys()]
        for key in want.keys() & have.keys():
            unlike = [c for c in want[key] if not _same(have[key].get(c), want[key][c])]
            found += [f"{table} {key}: {c} is {have[key].get(c)!r}, not {want[key][c]!r}" for c in unlike]
    return found


def _key(value: Any) -> str:
    return str(value) if isinstance(value, uuid.UUID) else str(uuid.UUID(hashlib.md5(str(value).encode()).hexdigest()))


def _on_a_device(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, (Decimal, uuid.UUID)):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    return value


def _same(has: Any, ought: Any) -> bool:
    """Whether a value is what it ought to be; JSON is a text on a device."""
    if isinstance(ought, (dict, list)):
        return isinstance(has, str) and bool(json.loads(has) == ought)
    return bool(has == ought)
