"""How fast api.search answers on many items: exact code, beginning, typo, accents, several words, nothing.

In a scratch database: one organisation with the asked number of items and another with a tenth as many of the same
names. Asked as PostgREST would, in the role member with the claims of a user; beside it the bare query, which a
superuser, whom no policy binds, sends to the one index that answers that question if somebody knows which. Both take
turns in one connection. Counted is the CPU time of the server process, where Linux tells it, else the time on the
clock.
"""

from __future__ import annotations

import json
import statistics
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from erpgres.bench import rls
from erpgres.errors import CannotRun
from erpgres.stack.state import State

Connection = psycopg.Connection[Any]
Progress = Callable[[str], None]

TARGET_MS = 10.0

# A third of all names has "cotton"; every thousandth "façonné"; a number makes codes and some words unique.
ITEMS = """
  insert into core.item (org_id, id, sku, name, class, unit_code)
  select
    %(org)s,
    uuidv7(make_interval(secs => -30.0 * n)),
    (array['YRN', 'FAB', 'TRM', 'PCK', 'ACC'])[1 + n %% 5]
      || '-' || (array['CB', 'CR', 'PL', 'WL', 'LN', 'JR'])[1 + n %% 6] || '-' || lpad(n::text, 8, '0'),
    initcap((array['combed', 'carded', 'ring spun', 'mercerised', 'brushed', 'quilted', 'twisted',
        'dyed'])[1 + (n / 3) %% 8])
      || ' ' || case when n %% 3 = 0 then 'cotton' else (array['viscose', 'polyester', 'linen', 'wool', 'silk', 'jute',
        'elastane', 'modal', 'lyocell', 'acrylic', 'hemp'])[1 + (n / 7) %% 11] end
      || ' ' || (array['yarn', 'jersey', 'poplin', 'twill', 'zipper', 'button', 'carton', 'label', 'thread', 'ribbon',
        'canvas', 'denim', 'fleece'])[1 + (n / 11) %% 13]
      || case when n %% 1000 = 7 then ' façonné' else '' end
      || case when n %% 100000 = 3 then ' houndstooth' else '' end
      || ' ' || (array['navy', 'ecru', 'black', 'white', 'indigo', 'olive', 'rust', 'sand', 'moss'])[1 + (n / 13) %% 9]
      || ' ' || n %% 977,
    'GOODS', 'C62'
  from generate_series(1, %(rows)s) as n
"""


@dataclass(frozen=True)
class Case:
    """A question: what is asked, how many hits there must be at least, and the bare query for the same."""

    name: str
    q: str
    at_least: int
    bare: str


_WORDS = "select s.id from core.searchable as s where s.org_id = %(org)s and s.entity = 'item' and s.words is not null"
_CODES = "select i.id from core.item as i where i.org_id = %(org)s and"

CASES = (
    Case("exact code", "YRN-CB-00000030", 1, f"{_CODES} i.sku = 'YRN-CB-00000030'"),
    Case("prefix of a code", "fab-cr-0000", 20, f"{_CODES} i.sku >= 'FAB-CR-0000' and i.sku < 'FAB-CR-0001' limit 20"),
    Case("prefix of a word", "hounds", 1, f"{_WORDS} and s.words @@ 'houndstooth' limit 20"),
    Case("typo", "houndstoth", 1, f"{_WORDS} and s.words @@ 'houndstooth' limit 20"),
    Case("accent", "FACONNE", 20, f"{_WORDS} and s.words @@ 'faconne' limit 20"),
    Case(
        "several words", "linen denim indigo 631", 1, f"{_WORDS} and s.words @@ 'linen & denim & indigo & 631' limit 20"
    ),
    Case("frequent word", "cotton", 20, f"{_WORDS} and s.words @@ 'cotton' order by s.id desc limit 20"),
    Case("frequent and rare", "cotton houndstooth", 1, f"{_WORDS} and s.words @@ 'cotton & houndstooth' limit 20"),
    Case("part of a code", "0000030", 1, f"{_WORDS} and s.code like '%%0000030%%' limit 20"),
    Case("no hit", "zyxwvut", 0, f"{_WORDS} and s.words @@ 'zyxwvut' limit 20"),
)


@dataclass(frozen=True)
class Measured:
    """One question: milliseconds of the search under row-level security and of the bare query, and how many hits."""

    name: str
    q: str
    hits: int
    p50_ms: float
    p99_ms: float
    bare_ms: float
    ratio: float
    plan: str

    @property
    def is_over(self) -> bool:
        """Whether half of the answers took longer than the target."""
        return self.p50_ms > TARGET_MS


def run(state: State, rows: int, rounds: int, progress: Progress) -> tuple[str, list[Measured]]:
    """Measure every case on `rows` items; returns what was counted, and the figures.

    Raises CannotRun without a superuser, or when a case finds too little.
    """
    with rls.scratch(state, progress) as (dsn, _), psycopg.connect(dsn, autocommit=True) as connection:
        if connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() != (True,):
            raise CannotRun("the comparison needs a superuser", "use a local stack")
        org_id, user_id = fill(connection, rows, progress)
        connection.execute("set max_parallel_workers_per_gather = 0")
        return rls.clock(connection), [measure(connection, case, org_id, user_id, rounds) for case in CASES]


def fill(connection: Connection, rows: int, progress: Progress) -> tuple[uuid.UUID, uuid.UUID]:
    """Make both organisations and what is searched; returns the first one's id and that of a member of it."""
    progress(f"making {rows} items, and a tenth as many of another organisation")
    connection.execute("set maintenance_work_mem = '256MB'")
    ids = []
    for code, count in (("MEASURED", rows), ("OTHER", rows // 10)):
        org_id = one(connection, "select core.create_organization(%s, %s, 'BD', 'USD')", code, code)
        ids.append(org_id)
        with connection.transaction():
            connection.execute("set local session_replication_role = replica")  # no triggers: the rows are right
            connection.execute(ITEMS, {"org": org_id, "rows": count})
    progress("bringing them into the search")
    indexes = connection.execute(
        "select i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) from pg_index as i join pg_class as c"
        " on c.oid = i.indexrelid where i.indrelid = 'core.searchable'::regclass and c.relam ="
        " (select a.oid from pg_am as a where a.amname = 'gin')"
    ).fetchall()
    for name, _ in indexes:  # an index that is made at the end takes a fraction of the time
        connection.execute(f"drop index {name}")
    connection.execute("set session authorization migrator")  # whose claims are believed
    for org_id in ids:
        after = None
        while True:
            after = one(
                connection, "select f.last_id from core.fill_search_part('item', %s, %s, 50000) as f", org_id, after
            )
            if after is None:
                break
    connection.execute("reset session authorization")
    for _, definition in indexes:
        connection.execute(definition)
    user_id = one(
        connection,
        "insert into core.app_user (email, name, kind) values ('s@example.com', 'S', 'INTERNAL') returning id",
    )
    connection.execute(
        "insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [ids[0], user_id]
    )
    connection.execute("vacuum (analyze) core.item, core.searchable, core.search_word")
    return ids[0], user_id


def one(connection: Connection, query: str, *values: Any) -> Any:
    """The one value that a query gives."""
    row = connection.execute(query, values).fetchone()
    return row and row[0]


@contextmanager
def member(connection: Connection, org_id: uuid.UUID, user_id: uuid.UUID) -> Iterator[None]:
    """Be what a request through PostgREST is when its statement runs."""
    claims = {"role": "member", "sub": str(user_id), "org_id": str(org_id)}
    connection.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps(claims)])
    connection.execute("select set_config('erpgres.org_id', %s, false)", [str(org_id)])
    connection.execute("set session authorization authenticator")
    connection.execute("set role member")
    try:
        yield
    finally:
        connection.execute("reset session authorization")


def measure(connection: Connection, case: Case, org_id: uuid.UUID, user_id: uuid.UUID, rounds: int) -> Measured:
    """Time one case both ways, in turn; the first executions of each do not count."""
    search: list[float] = []
    bare: list[float] = []
    hits = 0
    repeat = 5
    for _ in range(rounds):
        with member(connection, org_id, user_id), connection.cursor(row_factory=dict_row) as cursor:
            for turn in range(repeat + 1):
                began = rls.now(connection)
                found = cursor.execute("select * from api.search(%s)", [case.q], prepare=True).fetchall()
                if turn:  # the first after the change of role plans anew
                    search.append((rls.now(connection) - began) / 1000)
            hits = len(found)
        for turn in range(repeat + 1):
            began = rls.now(connection)
            connection.execute(case.bare, {"org": org_id}, prepare=True).fetchall()
            if turn:
                bare.append((rls.now(connection) - began) / 1000)
    if hits < case.at_least:
        raise CannotRun(f"{case.q!r} found {hits} rows, {case.at_least} were to be found")
    rows = connection.execute(f"explain (costs off) {case.bare}", {"org": org_id}).fetchall()
    index = next((row[0].strip() for row in rows if "using" in row[0] or "Index Scan on" in row[0]), rows[0][0])
    p50, bare_p50 = statistics.median(search), statistics.median(bare)
    return Measured(
        case.name, case.q, hits, p50, statistics.quantiles(search, n=100)[98], bare_p50, p50 / bare_p50, index
    )
