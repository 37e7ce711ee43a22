"""How fast the hot queries of the warehouse are on many documents: drafts, by warehouse, product search, inventory.

A stack of its own is filled with documents of the last three years, five lines and ten ledger rows each, in partitions
that are made beside their tables and attached. Then each query is sent as PostgREST sends it, in the role member with
the claims of a user; through the gateway, by one client that waits for each answer; and bare: by a superuser, whom no
policy binds, with the filter by organisation written by hand. In SQL the CPU time of the server process is counted,
where Linux tells it; through the gateway the time on the clock. The list by function and the list by view are asked
side by side.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg

from erpgres.bench import api, rls, search
from erpgres.data import bulk
from erpgres.data.bulk import Partition, Table
from erpgres.errors import CannotRun
from erpgres.stack.state import State
from erpgres.tokens import claims_of, open_session, sign

Connection = psycopg.Connection[Any]
Progress = Callable[[str], None]

QUARTERS = 12
WAREHOUSES = 20
LINES = 5
TABLES = [Table("wms", name) for name in ("document", "document_line", "stock_ledger")]
USER = "bench@wms.example"


@dataclass(frozen=True)
class Query:
    """A query: how it is asked of a function or a view, through the API, and bare; {names} are filled in."""

    name: str
    target_ms: float
    text: str
    path: str
    bare: str


_LIST = "select d.* from wms.document as d where d.org_id = %(org)s and {where} order by d.id desc limit 20"
_VIEW = (
    'SELECT "api"."{view}".* FROM "api"."{view}"  WHERE  {where}  ORDER BY {order}  LIMIT %(limit)s OFFSET %(offset)s'
)
_STOCK = (
    "select b.*, i.sku, i.name, p.code, w.code from wms.balance as b"
    " join core.item as i on i.org_id = b.org_id and i.id = b.item_id"
    " join core.location as p on p.org_id = b.org_id and p.id = b.location_id"
    " join core.location as w on w.org_id = b.org_id and w.id = b.warehouse_id"
    " where b.org_id = %(org)s and b.warehouse_id = %(warehouse)s order by b.item_id, b.id limit 20"
)
_WORDS = (
    "select i.* from core.searchable as s join core.item as i on i.org_id = s.org_id and i.id = s.id"
    " where s.org_id = %(org)s and s.entity = 'item' and s.words is not null and s.words @@ %(scoped)s::tsquery"
    " limit 20"
)

QUERIES = (
    Query(
        "drafts", 5, "select * from api.wms_document_list(status => 'DRAFT')",
        "rpc/wms_document_list?status=DRAFT", _LIST.format(where="d.status = 'DRAFT'"),
    ),
    Query(
        "drafts, by the view", 5,
        _VIEW.format(view="wms_documents", where="\"api\".\"wms_documents\".\"status\" = 'DRAFT'", order='"id" DESC'),
        "wms_documents?status=eq.DRAFT&order=id.desc&limit=20", _LIST.format(where="d.status = 'DRAFT'"),
    ),
    Query(
        "by warehouse", 3, "select * from api.wms_document_list(warehouse_id => %(warehouse)s)",
        "rpc/wms_document_list?warehouse_id={warehouse}",
        _LIST.format(where="%(warehouse)s in (d.from_location_id, d.to_location_id)"),
    ),
    Query(
        "by warehouse, by the view", 3,
        _VIEW.format(
            view="wms_documents", where='"api"."wms_documents"."to_location_id" = %(warehouse)s', order='"id" DESC'
        ),
        "wms_documents?to_location_id=eq.{warehouse}&order=id.desc&limit=20",
        _LIST.format(where="d.to_location_id = %(warehouse)s"),
    ),
    Query(
        "product search", 10, "select * from api.search('linen denim', array['item'])",
        "rpc/search?q=linen%20denim&kinds={{item}}", _WORDS,
    ),
    Query(
        "warehouse inventory", 3,
        _VIEW.format(
            view="wms_stock", where='"api"."wms_stock"."warehouse_id" = %(warehouse)s', order='"item_id", "id"'
        ),
        "wms_stock?warehouse_id=eq.{warehouse}&order=item_id,id&limit=20", _STOCK,
    ),
    Query(
        "item card", 50, "select * from api.wms_item_card(%(item)s)", "rpc/wms_item_card?item_id={item}",
        "select l.* from wms.stock_ledger as l where l.org_id = %(org)s and l.item_id = %(item)s"
        " order by l.id desc limit 20",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One query: milliseconds in SQL, through the API and bare, and the ratio of the first to the last."""

    query: str
    target_ms: float
    rows: int
    sql_p50_ms: float
    sql_p99_ms: float
    api_p50_ms: float | None
    api_p99_ms: float | None
    bare_ms: float
    ratio: float

    @property
    def is_over(self) -> bool:
        """Whether half of the answers took longer than the target, in SQL."""
        return self.sql_p50_ms > self.target_ms


@dataclass(frozen=True)
class World:
    """What was made: the organisation, a member, a warehouse and an item to ask for."""

    org_id: uuid.UUID
    user_id: uuid.UUID
    warehouse_id: uuid.UUID
    item_id: uuid.UUID


def run(documents: int, items: int, rounds: int, progress: Progress, port: int) -> tuple[str, list[Measured]]:
    """Start a stack, fill and measure it, remove it; returns what was counted in SQL, and the figures.

    Raises CannotRun.
    """
    place = Path(tempfile.mkdtemp(prefix="erpgres-bench-"))
    place.chmod(0o711)  # the services run as another account when the benchmark runs as root
    path = place / "state"
    try:
        with ExitStack() as exits:
            progress("starting a stack of its own")
            exits.callback(api.command, path, "down")
            api.command(path, "up", "-d", "--port", str(port), ERPGRES_RATE_USER=api.LIMITS)
            state = State(path)
            connection = exits.enter_context(psycopg.connect(state.dsn("postgres", state.database), autocommit=True))
            world = fill(connection, documents, items, progress)
            connection.execute("checkpoint")
            with psycopg.connect(state.dsn("migrator"), autocommit=True) as tools:
                claims = claims_of(tools, USER, "BENCH")
                claims["sid"] = open_session(tools, claims, 240)
                token = sign(claims, state.secret("jwt.key").strip(), 240)
            client = exits.enter_context(
                httpx.Client(base_url=f"{state.url}/api/", headers={"Authorization": f"Bearer {token}"}, verify=False)
            )
            connection.execute("set max_parallel_workers_per_gather = 0")
            connection.execute("set plan_cache_mode = force_generic_plan")  # as for the connections of PostgREST
            return rls.clock(connection), [measure(connection, query, world, rounds, client) for query in QUERIES]
    finally:
        shutil.rmtree(place, ignore_errors=True)


# ---- filling -------------------------------------------------------------------------------------------------------


def fill(connection: Connection, documents: int, items: int, progress: Progress) -> World:
    """Make an organisation with documents of three years. `connection` is a superuser's, in autocommit."""
    one = search.one
    connection.execute("set session authorization migrator")
    org_id = one(connection, "select core.create_organization('BENCH', 'Bench', 'BD', 'USD')")
    user_id = one(
        connection, "insert into core.app_user (email, name, kind) values (%s, 'Bench', 'INTERNAL') returning id", USER
    )
    connection.execute(
        "insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [org_id, user_id]
    )
    connection.execute("select set_config('erpgres.org_id', %s, false)", [str(org_id)])
    for number in range(1, WAREHOUSES + 1):
        one(connection, "select id from api.wms_warehouse_create(%s, %s)", f"W{number:02}", f"Warehouse {number}")
    connection.execute("reset session authorization")
    connection.execute("set maintenance_work_mem = '256MB'")

    progress(f"making {items} items and what is found of them")
    with connection.transaction():
        connection.execute("set local session_replication_role = replica")
        connection.execute(search.ITEMS, {"org": org_id, "rows": items})
        connection.execute(BALANCES, {"org": org_id})
    after = None
    connection.execute("set session authorization migrator")
    while after := one(
        connection, "select f.last_id from core.fill_search_part('item', %s, %s, 50000) as f", org_id, after
    ):
        pass
    connection.execute("reset session authorization")

    for number in range(QUARTERS, 0, -1):
        row = connection.execute(
            "select date_trunc('quarter', now(), 'UTC') - make_interval(months => 3 * %s)", [number]
        ).fetchone()
        assert row is not None
        start: datetime = row[0].astimezone(UTC)
        progress(f"making the documents of {start:%Y-%m}: {QUARTERS - number + 1} of {QUARTERS} quarters")
        _quarter(connection, org_id, user_id, start, documents // QUARTERS)
    progress("analysing")
    connection.execute(
        "vacuum (analyze) core.item, core.location, core.searchable, core.search_word, wms.balance, wms.document,"
        " wms.document_line, wms.stock_ledger"
    )
    row = connection.execute(
        "select d.to_location_id, l.item_id from wms.document as d join wms.document_line as l on l.org_id = d.org_id"
        " and l.document_id = d.id where d.org_id = %s and d.document_type = 'IMPORT' and l.line_no = 1"
        " order by d.id desc limit 1",
        [org_id],
    ).fetchone()
    if row is None:
        raise CannotRun("no documents were made", "ask for more")
    return World(org_id, user_id, row[0], row[1])


def _quarter(connection: Connection, org_id: uuid.UUID, user_id: uuid.UUID, start: datetime, count: int) -> None:
    """Fill and attach the partitions of one quarter."""
    period = bulk.period_of(connection, TABLES)
    parts: list[Partition] = [bulk.partition_at(connection, table, period, start) for table in TABLES]
    names = {f"{part.parent.name}_part": str(part.table) for part in parts}
    values = {"org": org_id, "user": user_id, "start": start, "count": count, "lines": LINES, "end": parts[0].end}
    with connection.transaction():
        for part in parts:
            bulk.make(connection, part)
        for statement in FILL:
            connection.execute(statement.format(**names), values)
        for part in parts:
            bulk.finish(connection, part)
            bulk.attach(connection, part)


BALANCES = """
  insert into wms.balance (org_id, item_id, location_id, warehouse_id, quantity)
  select i.org_id, i.id, p.id, p.parent_id, 100
  from (select i.*, row_number() over (order by i.id) as n from core.item as i where i.org_id = %(org)s) as i
  join (
    select p.*, row_number() over (order by p.id) as n
    from core.location as p
    where p.org_id = %(org)s and p.kind = 'STORAGE'
  ) as p on (i.n + p.n) %% 4 = 0
"""

# Warehouses are not equally busy: the first has a quarter of all documents, the last a fortieth. Drafts are one in
# twenty in the last quarter and one in a thousand before. One line of each document is of one of a hundred items.
FILL = (
    """
    insert into {document_part} (org_id, id, document_type, status, number, from_location_id, to_location_id, reference,
      posting_date, currency, line_count, total, posted_at, posted_by, created_by, created_at)
    with places as materialized (
      select array_agg(w.id order by w.code) as ids from core.location as w
      where w.org_id = %(org)s and w.kind = 'WAREHOUSE'
    ),
    made as materialized (
      select
        n,
        %(start)s + (%(end)s - interval '3 days' - %(start)s) * (n::double precision / %(count)s) as at,
        (array['IMPORT', 'SALE', 'EXPORT', 'IMPORT', 'TRANSFER', 'SALE', 'IMPORT', 'EXPORT', 'SALE',
          'IMPORT'])[1 + n %% 10] as kind,
        case
          when n %% case when %(end)s > now() - interval '100 days' then 20 else 1000 end = 0 then 'DRAFT' else 'POSTED'
        end as status,
        1 + floor(19.99 * power((hashint4(n) & 1023) / 1024.0, 2))::integer as place
      from generate_series(1, %(count)s) as n
    )
    select
      %(org)s, uuidv7(m.at - clock_timestamp()), m.kind, m.status,
      case when m.status = 'POSTED' then left(m.kind, 3) || to_char(%(start)s::timestamptz, '-YYYYMM-') || m.n end,
      case when m.kind <> 'IMPORT' then p.ids[m.place] end,
      case m.kind when 'IMPORT' then p.ids[m.place] when 'TRANSFER' then p.ids[1 + m.place %% 20] end,
      'REF ' || m.n, m.at::date, 'USD', %(lines)s, 100,
      case when m.status = 'POSTED' then m.at end, case when m.status = 'POSTED' then %(user)s::uuid end, %(user)s, m.at
    from made as m
    cross join places as p
    order by m.n
    """,
    """
    insert into {document_line_part} (org_id, document_id, line_no, item_id, from_position_id, to_position_id, quantity,
      unit_code, quantity_base, unit_price)
    with items as materialized (
      select array_agg(i.id order by i.id) as ids, count(*) as many from core.item as i where i.org_id = %(org)s
    ),
    places as materialized (
      select p.kind, p.parent_id, p.id from core.location as p
      where p.org_id = %(org)s and p.kind in ('STORAGE', 'SUPPLIER', 'CUSTOMER')
    )
    select
      d.org_id, d.id, l.n, (select i.ids from items as i)[
        1 + abs(hashint8(l.n + ('x' || right(d.id::text, 12))::bit(48)::bigint))
          %% case l.n when 1 then 100 else (select i.many from items as i) end
      ],
      coalesce(f.id, s.id), coalesce(t.id, c.id), 5, 'C62', 5, 4
    from {document_part} as d
    cross join generate_series(1, %(lines)s) as l (n)
    left join places as f on f.kind = 'STORAGE' and f.parent_id = d.from_location_id
    left join places as t on t.kind = 'STORAGE' and t.parent_id = d.to_location_id
    join places as s on s.kind = 'SUPPLIER'
    join places as c on c.kind = 'CUSTOMER'
    """,
    """
    insert into {stock_ledger_part} (org_id, id, item_id, location_id, delta, value_delta, document_id, line_id,
      occurred_at)
    select
      l.org_id, uuidv7(d.created_at - clock_timestamp() + e.n * interval '1 second'), l.item_id,
      case e.n when 1 then l.from_position_id else l.to_position_id end, case e.n when 1 then -5 else 5 end,
      case e.n when 1 then -20 else 20 end, l.document_id, l.id, d.created_at
    from {document_part} as d
    join {document_line_part} as l on l.org_id = d.org_id and l.document_id = d.id
    cross join generate_series(1, 2) as e (n)
    where d.status = 'POSTED'
    """,
)


# ---- measuring -----------------------------------------------------------------------------------------------------


def measure(
    connection: Connection, query: Query, world: World, rounds: int, client: httpx.Client | None = None
) -> Measured:
    """Time one query in SQL and bare, in turn, and through the API if there is a client."""
    scope = search.one(connection, "select core.search_scope(%s, 'item')", world.org_id)
    values = {
        "org": world.org_id, "warehouse": world.warehouse_id, "item": world.item_id, "limit": 20, "offset": 0,
        "scoped": f"{scope}linen & {scope}denim",
    }  # fmt: skip
    text = rls.LIST.format(rows=query.text)
    under: list[float] = []
    bare: list[float] = []
    page = 0
    for _ in range(rounds):
        with search.member(connection, world.org_id, world.user_id):
            for turn in range(6):
                began = rls.now(connection)
                row = connection.execute(text, values, prepare=True).fetchone()
                if turn:  # the first after the change of role plans anew
                    under.append((rls.now(connection) - began) / 1000)
            page = row[1] if row else 0
        for turn in range(6):
            began = rls.now(connection)
            connection.execute(rls.LIST.format(rows=query.bare), values, prepare=True).fetchall()
            if turn:
                bare.append((rls.now(connection) - began) / 1000)
    if page != 20:
        raise CannotRun(f"{query.name}: a page of {page} rows", "ask for more documents")
    answers = _ask(client, query, world, rounds * 5) if client else []
    p50, bare_p50 = statistics.median(under), statistics.median(bare)
    return Measured(
        query.name, query.target_ms, page, p50, _p99(under), statistics.median(answers) if answers else None,
        _p99(answers) if answers else None, bare_p50, p50 / bare_p50,
    )  # fmt: skip


def _ask(client: httpx.Client, query: Query, world: World, count: int) -> list[float]:
    """Ask the API some times; returns milliseconds of each answer, without the first ones."""
    path = query.path.format(warehouse=world.warehouse_id, item=world.item_id)
    taken = []
    for number in range(count + 5):
        began = time.perf_counter()
        answer = client.get(path)
        if answer.status_code != 200 or len(answer.json()) != 20:
            raise CannotRun(f"GET {path}: {answer.status_code} {answer.text[:200]}")
        if number >= 5:
            taken.append((time.perf_counter() - began) * 1000)
    return taken


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]
