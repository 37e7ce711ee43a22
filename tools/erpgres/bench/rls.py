"""What row-level security costs: the same queries under it and with the filter written by hand, in one connection.

Under RLS: role member with the claims of a request. By hand: what an application without RLS would send, that is the
same statement through the same view, with `org_id = <bind parameter>` added, by a role that no policy binds (BYPASSRLS)
and that may read the same, so that the rights are checked in both. A list is the statement that PostgREST 12 sends for
`GET /partners?id=lt.<id>&order=id.desc&limit=20`, with its three parameters. "prepared" is how PostgREST sends it,
under the settings of its login (decision 9: planned once); "planned each time" is an unprepared statement with the same
parameters. What a request costs besides, with RLS or without, is not part of it: the transaction, the settings,
core.pre_request.

The database is a scratch one on the stack's cluster, with two organisations. Each block runs one query some times in a
row; the two forms take turns block by block, each going first half of the time. The executions right after the change
of role do not count. Counted is the CPU time of the server process, where Linux tells it, so that other work on the
machine matters less; else the time on the clock. A ratio is the median over the rounds of (time under RLS / time by
hand) of that round. Parallel workers are off: they would show how many cores are idle.
"""

from __future__ import annotations

import json
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from erpgres import database
from erpgres.errors import CannotRun
from erpgres.stack.state import State

Connection = psycopg.Connection[Any]
Progress = Callable[[str], None]

TARGET = 1.1
WARM_UP = 12  # until a statement is prepared, caches are filled, and its plan is made
MODES = ("prepared", "planned each time")


# The statement that PostgREST sends for GET /partners?id=lt.<id>&order=id.desc&limit=20, word for word.
LIST = (
    "WITH pgrst_source AS ( {rows} )  SELECT null::bigint AS total_result_set, "
    "pg_catalog.count(_postgrest_t) AS page_total, coalesce(json_agg(_postgrest_t), '[]') AS body, "
    "nullif(current_setting('response.headers', true), '') AS response_headers, "
    "nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted "
    "FROM ( SELECT * FROM pgrst_source ) _postgrest_t"
)


@dataclass(frozen=True)
class Query:
    """What a client asks for. {org} is where the filter by hand goes, {cursor} the last id of the page before.

    A block is `repeat` executions; of short queries there are `times` as many rounds, since theirs scatter more.
    The target holds for what the API is asked and sends: prepared lists. Sums, which only analysts can ask for, and
    statements that are planned each time, as analysts send them, are shown.
    """

    name: str
    text: str
    repeat: int
    times: int
    is_judged: bool = True


_PAGE = (
    'SELECT "api"."{view}".* FROM "api"."{view}"  WHERE  {{org}} "api"."{view}"."id" < {{cursor}}  '
    'ORDER BY "api"."{view}"."id" DESC  LIMIT %(limit)s OFFSET %(offset)s'
)
_GROUPS = "select t.{by}, count(*), sum(t.{sum}) from api.{view} as t where {{org}} true group by t.{by}"

QUERIES = (
    Query("partners, page", _PAGE.format(view="partners"), 40, 6),
    Query("items, page", _PAGE.format(view="items"), 40, 6),
    Query("documents, page", _PAGE.format(view="wms_documents"), 40, 6),
    Query("partners, count", "select count(*) from api.partners as t where {org} t.status = 'ACTIVE'", 2, 3),
    Query("items, sum by class", _GROUPS.format(view="items", by="class", sum="price"), 2, 1, is_judged=False),
    Query(
        "documents, sum by type",
        _GROUPS.format(view="wms_documents", by="document_type", sum="total"),
        2,
        1,
        is_judged=False,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One query in one mode: medians in microseconds an execution, and the median of the paired ratios."""

    query: str
    mode: str
    rls_us: float
    by_hand_us: float
    ratio: float
    rounds: int
    is_judged: bool

    @property
    def is_over(self) -> bool:
        """Whether it misses the target."""
        return self.is_judged and self.ratio > TARGET


def run(state: State, rows: int, rounds: int, progress: Progress) -> tuple[str, list[Measured]]:
    """Measure every query in both modes on `rows` rows of an organisation; returns what was counted, and the figures.

    Raises CannotRun without a superuser.
    """
    with scratch(state, progress) as (dsn, role), psycopg.connect(dsn, autocommit=True) as connection:
        if connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() != (True,):
            raise CannotRun(
                "the comparison needs a superuser, whom row-level security does not bind", "use a local stack"
            )
        progress(f"filling two organisations: {rows} partners, items and documents, and half as many")
        org_id, user_id = fill(connection, rows)
        _check(connection, role, org_id, user_id)
        connection.execute("set max_parallel_workers_per_gather = 0")
        connection.execute(
            "select set_config(split_part(s, '=', 1), split_part(s, '=', 2), false)"
            " from pg_roles, unnest(rolconfig) as s where rolname = 'authenticator' and s like 'plan%'"
        )
        measured = []
        for query in QUERIES:
            for mode in MODES:
                progress(f"measuring {query.name}, {mode}")
                measured.append(measure(connection, query, mode, role, org_id, user_id, rounds))
        return clock(connection), measured


@contextmanager
def scratch(state: State, progress: Progress) -> Iterator[tuple[str, str]]:
    """Make a migrated database and a role that no policy binds; gives a superuser's conninfo and the role's name.

    Both are dropped in the end. The role may read in that database what a member may, directly granted as his.
    """
    from erpgres.migrate import cluster, runner

    name = f"bench_rls_{uuid.uuid4().hex[:8]}"
    progress(f"making the scratch database {name}")
    try:
        cluster.apply(state.dsn("postgres"), state.secret, name)
        runner.migrate(state.dsn("migrator", name))
        with database.connect(state.dsn("postgres", name), autocommit=True) as connection:
            role = sql.Identifier(name)
            connection.execute(sql.SQL("create role {} nologin bypassrls").format(role))
            for what in ("usage on schema api, core, wms", "select on all tables in schema api, core, wms"):
                connection.execute(sql.SQL("grant {} to {}").format(sql.SQL(what), role))
        yield state.dsn("postgres", name), name
    finally:
        with database.connect(state.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
            connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(name)))


def fill(connection: Connection, rows: int) -> tuple[uuid.UUID, uuid.UUID]:
    """Make the measured organisation and another; returns the first one's id and that of a member without roles."""
    connection.execute(
        "select ops.create_partition('wms.document', now() - make_interval(months => 3 * n)) "
        "from generate_series(0, 7) as n"
    )
    ids = []
    for code, count in (("MEASURED", rows), ("OTHER", rows // 2)):
        with connection.transaction():
            org_id = _one(connection, "select core.create_organization(%s, %s, 'BD', 'USD')", code, code)
            ids.append(org_id)
            place = _one(
                connection,
                "insert into core.location (org_id, kind, code, name) values (%s, 'WAREHOUSE', 'W', 'W') returning id",
                org_id,
            )  # fmt: skip
            connection.execute("set local session_replication_role = replica")  # no triggers: the rows are right
            values = {"org": org_id, "rows": count, "place": place}
            connection.execute(
                """
                insert into core.partner (org_id, id, code, name, status, status_reason)
                select %(org)s, uuidv7(make_interval(secs => -600.0 * n)), 'P' || n, 'Partner ' || n,
                  case when n %% 10 = 0 then 'ON_HOLD' else 'ACTIVE' end, case when n %% 10 = 0 then 'unpaid' end
                from generate_series(1, %(rows)s) as n
                """,
                values,
            )
            connection.execute(
                """
                insert into core.item (org_id, id, sku, name, class, unit_code, price, currency)
                select %(org)s, uuidv7(make_interval(secs => -600.0 * n)), 'S' || n, 'Item ' || n,
                  (array['GOODS', 'YARN', 'FABRIC', 'TRIM'])[1 + n %% 4], 'C62', n %% 1000, 'USD'
                from generate_series(1, %(rows)s) as n
                """,
                values,
            )
            connection.execute(
                """
                insert into wms.document (org_id, id, document_type, to_location_id, currency, line_count, total)
                select %(org)s, uuidv7(make_interval(secs => -(n * 63072000.0 * 0.9 / %(rows)s))), 'IMPORT', %(place)s,
                  'USD', 1, n %% 1000
                from generate_series(1, %(rows)s) as n
                """,
                values,
            )
    user_id = _one(
        connection,
        "insert into core.app_user (email, name, kind) values ('m@example.com', 'M', 'INTERNAL') returning id",
    )
    connection.execute(
        "insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [ids[0], user_id]
    )
    connection.execute("vacuum (analyze) core.partner, core.item, wms.document")
    return ids[0], user_id


def _one(connection: Connection, query: str, *values: Any) -> Any:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row[0]


@contextmanager
def _as_member(connection: Connection, org_id: uuid.UUID, user_id: uuid.UUID) -> Iterator[None]:
    """Be what a request through PostgREST is when its statement runs: the role member, with what pre_request left."""
    claims = {"role": "member", "sub": str(user_id), "org_id": str(org_id), "sid": str(user_id)}
    connection.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps(claims)])
    connection.execute("select set_config('erpgres.org_id', %s, false)", [str(org_id)])
    connection.execute("set session authorization authenticator")
    connection.execute("set role member")
    try:
        yield
    finally:
        connection.execute("reset session authorization")


@contextmanager
def _by_hand(connection: Connection, role: str) -> Iterator[None]:
    """Be what the login of an application without row-level security is: a role with the rights of a member."""
    connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
    try:
        yield
    finally:
        connection.execute("reset role")


def _check(connection: Connection, role: str, org_id: uuid.UUID, user_id: uuid.UUID) -> None:
    """Make sure that the two forms see the same rows, and that they are not all there are."""
    for view in ("partners", "items", "wms_documents"):
        count = sql.SQL("select count(*) from api.{}").format(sql.Identifier(view))
        with _as_member(connection, org_id, user_id):
            under = connection.execute(count).fetchone()
        with _by_hand(connection, role):
            by_hand = connection.execute(sql.SQL("{} where org_id = %s").format(count), [org_id]).fetchone()
            everything = connection.execute(count).fetchone()
        if under != by_hand or under == everything:
            raise CannotRun(f"api.{view} shows {under} rows under RLS, {by_hand} by hand, {everything} in all")


def measure(
    connection: Connection, query: Query, mode: str, role: str, org_id: uuid.UUID, user_id: uuid.UUID, rounds: int
) -> Measured:
    """Time a query in both forms, block by block in turn."""
    row = connection.execute("select core.uuid_floor(now() - interval '300 days')").fetchone()
    assert row is not None
    # A page that somebody has turned to, in the middle of the rows.
    values = {"org": org_id, "cursor": row[0], "limit": 20, "offset": 0}
    texts = {
        under: LIST.format(rows=query.text.format(org="" if under else "org_id = %(org)s AND", cursor="%(cursor)s"))
        for under in (True, False)
    }
    times: dict[bool, list[float]] = {True: [], False: []}
    rounds *= query.times
    for number in range(rounds + 1):
        for under in (True, False) if number % 2 else (False, True):
            with _as_member(connection, org_id, user_id) if under else _by_hand(connection, role):
                warm_up = WARM_UP if number == 0 or query.repeat > WARM_UP else 1
                took = _block(connection, texts[under], values, warm_up, query.repeat, prepare=mode == MODES[0])
            if number:  # the first round warms up
                times[under].append(took)
    ratio = statistics.median(a / b for a, b in zip(times[True], times[False], strict=True))
    medians = statistics.median(times[True]), statistics.median(times[False])
    return Measured(query.name, mode, *medians, ratio, rounds, query.is_judged and mode == MODES[0])


def _block(
    connection: Connection, text: str, values: dict[str, Any], warm_up: int, repeat: int, *, prepare: bool
) -> float:
    """Run a query some times and return microseconds an execution; the first `warm_up` do not count."""
    began = 0.0
    with connection.cursor() as cursor:
        for number in range(warm_up + repeat):
            if number == warm_up:
                began = now(connection)
            cursor.execute(text, values, prepare=prepare)
    return (now(connection) - began) / repeat


def now(connection: Connection) -> float:
    """Return microseconds of CPU time that the server process has used, or of the clock when that cannot be told."""
    told = _schedule(connection)
    return int(told.read_text().split()[0]) / 1000 if told else time.perf_counter() * 1e6


def clock(connection: Connection) -> str:
    """Return what is counted."""
    return "CPU time of the server process" if _schedule(connection) else "time on the clock"


def _schedule(connection: Connection) -> Path | None:
    """Return the file in which Linux tells the CPU time of the server process, if that runs on this machine."""
    path = Path(f"/proc/{connection.info.backend_pid}/schedstat")
    return path if connection.info.host.startswith("/") and path.is_file() else None
