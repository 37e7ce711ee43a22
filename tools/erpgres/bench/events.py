"""What recording every change costs: the same transactions with and without the triggers that write events.

Two scratch databases on the stack's cluster, one a clone of the other with those triggers disabled. The two take turns,
each going first half of the time, so that what else the machine does hits both. Counted is the CPU time of the server
process, where Linux tells it, else the time on the clock (where both wait for the same disk, so the ratio is lower). A
ratio is the median of the ratios of the rounds. The transactions are those that PostgREST sends: claims and role set,
core.pre_request() called, one statement through the view, commit.

`bulk`: a clerk changes the prices of all items of a class at once, each round of a class that nobody has changed yet.
`single`: the name of one partner. `postings`: documents of five lines made and posted by 20 clients at once (pgbench),
on the clock; the ratio is that of the times a document takes.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from erpgres import database
from erpgres.bench.rls import clock, now
from erpgres.errors import CannotRun
from erpgres.stack.state import State

Connection = psycopg.Connection[Any]
Progress = Callable[[str], None]

CLASSES = ("GOODS", "YARN", "FABRIC", "TRIM", "ACCESSORY", "PACKING", "FINISHED_GOODS", "COMMODITY")
PARTNERS = 2000
SINGLE_BLOCK = 40  # single-row transactions in a row before the other database's turn
CLIENTS = 20
TARGETS = {"bulk": 1.6, "single": 1.25}


@dataclass(frozen=True)
class Measured:
    """One kind of transaction: median milliseconds with and without events, and the median of the paired ratios."""

    name: str
    with_ms: float
    without_ms: float
    ratio: float
    rounds: int
    target: float | None

    @property
    def is_over(self) -> bool:
        """Whether it misses its target."""
        return self.target is not None and self.ratio > self.target


def run(state: State, rows: int, rounds: int, seconds: int, progress: Progress) -> tuple[str, list[Measured]]:
    """Measure the three kinds; returns what was counted, and the figures.

    A bulk change is of `rows` rows, and there are `rounds` of them (8 at most); documents are posted for `seconds` a
    turn, and not at all when that is 0. Raises CannotRun without the right to make databases.
    """
    rounds = min(rounds, len(CLASSES))
    with scratch(state, rows, progress) as pair:
        dsns = {True: state.dsn("migrator", pair[0]), False: state.dsn("migrator", pair[1])}
        connections = {on: database.connect(dsn, autocommit=True) for on, dsn in dsns.items()}
        try:
            claims, counted = _claims(connections[True]), clock(connections[True])
            progress(f"{rounds} bulk changes of {rows} rows")
            measured = [_measure("bulk", connections, claims, rounds, _bulk(rows))]
            progress("single-row changes")
            measured.append(_measure("single", connections, claims, 4 * rounds, _single(connections[True])))
        finally:
            for connection in connections.values():
                connection.close()
        if seconds:
            progress(f"documents of five lines posted by {CLIENTS} clients")
            measured.append(_postings(state, dsns, claims, seconds))
        return counted, measured


@contextmanager
def scratch(state: State, rows: int, progress: Progress) -> Iterator[tuple[str, str]]:
    """Make two equal databases with an organisation each, the second without the triggers; both are dropped."""
    from erpgres.migrate import cluster, runner

    name = f"bench_events_{uuid.uuid4().hex[:8]}"
    other = f"{name}_off"
    progress(f"making the scratch databases {name} and {other}")
    try:
        cluster.apply(state.dsn("postgres"), state.secret, name)
        runner.migrate(state.dsn("migrator", name))
        with database.connect(state.dsn("migrator", name), autocommit=True) as connection:
            _fill(connection, rows)
        with database.connect(state.dsn("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {}").format(sql.Identifier(other), sql.Identifier(name))
            )
        with database.connect(state.dsn("migrator", other), autocommit=True) as connection:
            connection.execute("set role owner")
            for table, trigger in connection.execute(
                "select t.tgrelid::regclass::text, t.tgname from pg_trigger as t "
                "where t.tgname like 'emit!_%' escape '!' and not t.tgisinternal"
            ).fetchall():
                connection.execute(
                    sql.SQL("alter table {} disable trigger {}").format(
                        sql.Identifier(*table.split(".")), sql.Identifier(trigger)
                    )
                )
        yield name, other
    finally:
        with database.connect(state.dsn("postgres"), autocommit=True) as connection:
            for database_name in (other, name):
                connection.execute(
                    sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database_name))
                )


def _fill(connection: Connection, rows: int) -> None:
    org_id = _one(connection, "select core.create_organization('BENCH', 'Bench', 'BD', 'USD')")
    user_id = _one(
        connection,
        "insert into core.app_user (email, name, kind) values ('b@example.com', 'B', 'INTERNAL') returning id",
    )
    values = {"org": org_id, "user": user_id, "rows": rows, "partners": PARTNERS, "classes": list(CLASSES)}
    for statement in (
        "insert into core.membership (org_id, user_id, kind) values (%(org)s, %(user)s, 'INTERNAL')",
        "insert into core.session (id, org_id, user_id, role, expires_at) "
        "values (%(user)s, %(org)s, %(user)s, 'member', now() + interval '1 day')",
        "insert into core.user_role (org_id, user_id, role_id) "
        "select %(org)s, %(user)s, r.id from core.role as r where r.org_id = %(org)s and r.is_administrator limit 1",
        "insert into core.item (org_id, sku, name, class, unit_code, price, currency) "
        "select %(org)s, c || n, 'Item ' || n, c, 'C62', n %% 1000, 'USD' "
        "from unnest(%(classes)s::text[]) as c, generate_series(1, %(rows)s) as n",
        "insert into core.partner (org_id, code, name) "
        "select %(org)s, 'P' || n, 'Partner ' || n from generate_series(1, %(partners)s) as n",
    ):
        connection.execute(statement, values)
    with _as_member(connection, {"role": "member", "sub": str(user_id), "org_id": str(org_id)}):
        connection.execute("select api.wms_warehouse_create(code => 'W', name => 'W')")
    connection.execute("set role owner")
    connection.execute("vacuum (freeze, analyze)")
    connection.execute("reset role")


def _one(connection: Connection, query: str, *values: Any) -> Any:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row[0]


@contextmanager
def _as_member(connection: Connection, claims: dict[str, str]) -> Iterator[None]:
    """One transaction as PostgREST makes it."""
    with connection.transaction():
        connection.execute(
            "select set_config('role', 'member', true), set_config('request.jwt.claims', %s, true), "
            "set_config('request.headers', '{\"x-request-id\": \"bench\"}', true), "
            "set_config('request.path', '/', true)",
            [json.dumps(claims)],
        )
        if "sid" in claims:
            connection.execute("select core.pre_request()")
        yield


def _claims(connection: Connection) -> dict[str, str]:
    org_id, user_id = connection.execute(
        "select m.org_id, m.user_id from core.membership as m join core.organization as o on o.id = m.org_id "
        "where o.code = 'BENCH'"
    ).fetchone() or (None, None)
    return {"role": "member", "sub": str(user_id), "org_id": str(org_id), "sid": str(user_id)}


Work = Callable[[Connection, dict[str, str], int], None]


def _bulk(rows: int) -> Work:
    def work(connection: Connection, claims: dict[str, str], number: int) -> None:
        with _as_member(connection, claims):
            changed = connection.execute(
                "update api.items set price = price + 1 where class = %s", [CLASSES[number % len(CLASSES)]]
            ).rowcount
        if changed != rows:
            raise CannotRun(f"{changed} rows were changed instead of {rows}")

    return work


def _single(connection: Connection) -> Work:
    ids = [row[0] for row in connection.execute("select id from core.partner order by id").fetchall()]

    def work(connection: Connection, claims: dict[str, str], number: int) -> None:
        for n in range(SINGLE_BLOCK):
            with _as_member(connection, claims):
                connection.execute(
                    "update api.partners set name = name || '.' where id = %s",
                    [ids[(number * SINGLE_BLOCK + n) % len(ids)]],
                )

    return work


def _measure(
    name: str, connections: dict[bool, Connection], claims: dict[str, str], rounds: int, work: Work
) -> Measured:
    """Let both take turns; the first turn of each warms up, in a transaction that is rolled back or on other rows."""
    times: dict[bool, list[float]] = {True: [], False: []}
    divisor = SINGLE_BLOCK if name == "single" else 1
    for connection in connections.values():
        if name == "bulk":
            with connection.transaction(force_rollback=True):
                work(connection, claims, 0)
        else:
            work(connection, claims, rounds)
    for number in range(rounds):
        for on in (True, False) if number % 2 else (False, True):
            began = now(connections[on])
            work(connections[on], claims, number)
            times[on].append((now(connections[on]) - began) / 1000 / divisor)
    ratio = statistics.median(a / b for a, b in zip(times[True], times[False], strict=True))
    medians = statistics.median(times[True]), statistics.median(times[False])
    return Measured(name, *medians, ratio, rounds, TARGETS.get(name))


# ---- many clients --------------------------------------------------------------------------------------------------

_SCRIPT = """
\\set seed random(1, 1000000000)
begin;
select set_config('role', 'member', true), set_config('request.jwt.claims', '{claims}', true);
select d.id from api.wms_document_post((select c.id from api.wms_document_create(
  'IMPORT', to_location_id => '{place}', lines => (
    select jsonb_agg(jsonb_build_object(
      'item_id', ('{{{items}}}'::uuid[])[1 + (:seed::bigint + n * 7919) % {count}], 'quantity', n))
    from generate_series(1, 5) as n)) as c)) as d;
commit;
"""


def _postings(state: State, dsns: dict[bool, str], claims: dict[str, str], seconds: int, turns: int = 4) -> Measured:
    """Post documents with pgbench, both databases in turn."""
    times: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory(prefix="erpgres-bench-") as place:
        scripts = {}
        for on, dsn in dsns.items():
            with database.connect(dsn, autocommit=True) as connection:
                items = [row[0] for row in connection.execute("select id from core.item order by id limit 500")]
                warehouse = _one(connection, "select id from core.location where kind = 'WAREHOUSE'")
            scripts[on] = Path(place) / f"{on}.sql"
            scripts[on].write_text(
                _SCRIPT.format(
                    claims=json.dumps(claims), place=warehouse, items=",".join(map(str, items)), count=len(items)
                )
            )
        for number in range(turns):
            for on in (True, False) if number % 2 else (False, True):
                times[on].append(_pgbench(state, dsns[on], scripts[on], seconds))
    ratio = statistics.median(a / b for a, b in zip(times[True], times[False], strict=True))
    medians = statistics.median(times[True]), statistics.median(times[False])
    return Measured("postings", *medians, ratio, turns, None)


def _pgbench(state: State, dsn: str, script: Path, seconds: int) -> float:
    """Run a script for some seconds and return the milliseconds that a transaction takes, over all clients."""
    parts: dict[str, Any] = conninfo_to_dict(dsn)
    environment = {**os.environ, "PGPASSWORD": str(parts.get("password") or "")}
    done = subprocess.run(
        [
            str(state.bindir / "pgbench"), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds),
            "-f", str(script), "-h", str(parts.get("host")), "-p", str(parts.get("port")), "-U", str(parts["user"]),
            str(parts["dbname"]),
        ],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if found is None or "aborted" in done.stderr:
        raise CannotRun(f"pgbench: {(done.stderr.strip() or 'no output').splitlines()[0]}")
    return 1000 / float(found[1])
