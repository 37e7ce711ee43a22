"""How many documents are posted a second: one by one and many at once, in SQL and through the API, beside bare tables.

A stack of its own, started and removed. Documents are transfers of five lines over the same 200 items between the two
warehouses of a pair, of six positions each, made beforehand; all clients post at once, those of a pair over the same
balances. Blocks of the ways take turns, after one that warms up; a figure is the median of the rounds. `bare` is what
no posting can do without: ten balances locked in one order and changed, ten rows of a ledger, a gapless number, in
one function over tables without anything else. The ratio to it says more about another machine than documents a
second; so does the CPU time of all processes of the stack for a document, on a machine that has other things to do.
In SQL the sessions are what PostgREST's are: logged in as authenticator, in the role member. The invariants are
checked in the end.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import psycopg
from psycopg.types.json import Jsonb

from erpgres import database, verify
from erpgres.bench.feed import throw_away
from erpgres.errors import CannotRun
from erpgres.stack.processes import find
from erpgres.stack.state import State
from erpgres.tokens import open_session, sign

Connection = psycopg.Connection[Any]
Progress = Callable[[str], None]

ITEMS = 200
LINES = 5
POSITIONS = 6  # of a warehouse
AIM = 1500  # documents a second in SQL, of the requirement
WAYS = ("bare", "sql", "sql batch", "api", "api batch")
JUDGED = ("sql", "sql batch")  # by the aim

_BARE = """
create schema bench authorization owner;
create table bench.balance (item integer, place integer, quantity numeric not null check (quantity >= 0),
  primary key (item, place)) with (fillfactor = 60);
create table bench.ledger (id uuid primary key default uuidv7(), item integer, place integer, delta numeric not null);
create table bench.counter (last_number bigint not null);
insert into bench.balance
select i, p, 1000000000 from generate_series(1, {items}) as i, generate_series(1, {places}) as p;
insert into bench.counter values (0);
create function bench.post(items integer[], sources integer[], targets integer[]) returns bigint language plpgsql as $$
begin
  perform from bench.balance as b
  where (b.item, b.place) in (
    select i, p from unnest(items, sources) as x (i, p) union all select i, p from unnest(items, targets) as x (i, p)
  )
  order by b.item, b.place for update;
  update bench.balance as b set quantity = b.quantity + c.delta
  from (
    select x.i, x.p, sum(x.delta) as delta
    from (select i, p, -1 as delta from unnest(items, sources) as x (i, p)
      union all select i, p, 1 from unnest(items, targets) as x (i, p)) as x
    group by x.i, x.p
  ) as c where b.item = c.i and b.place = c.p;
  insert into bench.ledger (item, place, delta)
  select i, p, -1 from unnest(items, sources) as x (i, p)
  union all select i, p, 1 from unnest(items, targets) as x (i, p);
  update bench.counter set last_number = last_number + 1;
  return 1;
end
$$;
"""


@dataclass(frozen=True)
class Measured:
    """A way of posting: documents a second, that divided by the same of bare tables, CPU of the servers for a document.

    Medians of the rounds.
    """

    way: str
    per_second: float
    ratio: float
    cpu_ms: float
    rounds: int

    @property
    def is_short(self) -> bool:
        """Whether posting in SQL, one by one or many at once, falls short of the aim."""
        return self.way in JUDGED and self.per_second < AIM


def run(clients: int, documents: int, batch: int, pairs: int, rounds: int, progress: Progress) -> list[Measured]:
    """Post `documents` in each block; `batch` of them in a call where many are posted at once.

    The clients share `pairs` of warehouses between them. Raises CannotRun when a posting fails or an invariant does not
    hold afterwards.
    """
    with unlimited(), throw_away(progress) as state:
        site = _Site(state, clients, pairs)
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for number in range(rounds + 1):
            progress(f"round {number} of {rounds}" if number else "warming up")
            for way in WAYS if number % 2 else WAYS[::-1]:
                block = site.block(way, documents, batch)
                if number:
                    found[way].append(block)
        site.close()
        wrong = [f.name for f in verify.run(state.dsn("migrator"), ["core", "wms"]) if not f.holds]
        if wrong:
            raise CannotRun(f"after the postings these do not hold: {', '.join(wrong)}")
    rates = {way: statistics.median(rate for rate, _ in blocks) for way, blocks in found.items()}
    return [
        Measured(way, rates[way], rates[way] / rates["bare"], statistics.median(cpu for _, cpu in found[way]), rounds)
        for way in WAYS
    ]


class _Site:
    """The organisation whose documents are posted, and the clients that post them."""

    def __init__(self, state: State, clients: int, pairs: int) -> None:
        self.state = state
        self._pairs = pairs
        self._opened = ExitStack()
        self._random = random.Random(1)
        with database.connect(state.dsn("postgres", state.database), autocommit=True) as superuser:
            superuser.execute(_BARE.format(items=ITEMS, places=2 * pairs * POSITIONS))
        with database.connect(state.dsn("migrator"), autocommit=True) as db:
            self.claims, token = self._organization(db)
        self.sessions = [self._session() for _ in range(clients)]
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{state.url}/api/"
        self.web = [
            self._opened.enter_context(httpx.Client(base_url=url, headers=headers, verify=False, timeout=60))
            for _ in range(clients)
        ]
        self.bare = [
            self._opened.enter_context(database.connect(state.dsn("postgres", state.database), autocommit=True))
            for _ in range(clients)
        ]
        self.items, self.places = self._stock(self.sessions[0])
        # What autovacuum has done where people have been at work for a minute: plans of empty tables say little.
        with database.connect(state.dsn("postgres", state.database), autocommit=True) as superuser:
            superuser.execute("analyze")

    def close(self) -> None:
        """Close every connection."""
        self._opened.close()

    def _organization(self, db: Connection) -> tuple[dict[str, str], str]:
        org = _one(db, "select core.create_organization('BENCH', 'Bench', 'BD', 'USD')")
        user = _one(
            db,
            "insert into core.app_user (email, name, kind) values (%s, 'Bench', 'INTERNAL') returning id",
            f"{uuid.uuid4().hex}@example.com",
        )
        db.execute("insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [org, user])
        role = _one(db, "select id from core.role where org_id = %s and code = 'wms_administrator'", org)
        db.execute("insert into core.user_role (org_id, user_id, role_id) values (%s, %s, %s)", [org, user, role])
        db.execute(
            "insert into core.item (org_id, sku, name, class, unit_code)"
            " select %s, 'ITEM-' || n, 'Item', 'GOODS', 'C62' from generate_series(1, %s) as n",
            [org, ITEMS],
        )
        claims = {"role": "member", "sub": str(user), "org_id": str(org)}
        sid = open_session(db, claims, 240)
        return claims, sign({**claims, "sid": sid}, self.state.secret("jwt.key").strip(), 240)

    def _session(self) -> Connection:
        session = self._opened.enter_context(database.connect(self.state.dsn("authenticator"), autocommit=True))
        # On a busy machine twenty postings of the same goods wait longer than a client would.
        session.execute("set lock_timeout = '60s'")
        session.execute(
            "select set_config('request.jwt.claims', %s, false), set_config('erpgres.org_id', %s, false)",
            [json.dumps(self.claims), self.claims["org_id"]],
        )
        session.execute("set role member")
        return session

    def _stock(self, session: Connection) -> tuple[list[str], list[tuple[str, list[str]]]]:
        items = [str(row[0]) for row in session.execute("select id from api.items order by id").fetchall()]
        places = []
        for number in range(2 * self._pairs):
            code = f"W{number}"
            warehouse = str(_one(session, "select id from api.wms_warehouse_create(%s, %s)", code, code))
            for n in range(2):
                session.execute("select from api.wms_position_create(%s, %s, 'Place')", [warehouse, f"P{n}"])
            rows = session.execute(
                "select id from api.wms_positions where warehouse_id = %s order by id", [warehouse]
            ).fetchall()
            positions = [str(row[0]) for row in rows]
            for position in positions:
                lines = [{"item_id": i, "quantity": 10**7, "unit_price": 3, "to_position_id": position} for i in items]
                draft = _one(
                    session,
                    "select id from api.wms_document_create('IMPORT', null, %s, lines => %s)",
                    warehouse,
                    Jsonb(lines),
                )
                session.execute("select from api.wms_document_post(%s)", [draft])
            places.append((warehouse, positions))
        return items, places

    def _pair(self, client: int) -> slice:
        first = 2 * (client % self._pairs)
        return slice(first, first + 2)

    def _draft(self, client: int, choose: random.Random) -> str:
        session = self.sessions[client]
        (source, sources), (target, targets) = choose.sample(self.places[self._pair(client)], 2)
        lines = [
            {
                "item_id": choose.choice(self.items), "quantity": 1, "from_position_id": choose.choice(sources),
                "to_position_id": choose.choice(targets),
            }
            for _ in range(LINES)
        ]  # fmt: skip
        return str(
            _one(
                session,
                "select id from api.wms_document_create('TRANSFER', %s, %s, lines => %s)",
                source,
                target,
                Jsonb(lines),
            )
        )

    def block(self, way: str, documents: int, batch: int) -> tuple[float, float]:
        """Post in one way, all clients at once; returns documents a second and CPU milliseconds for one."""
        clients = len(self.sessions)
        size = batch if way.endswith("batch") else 1
        calls = max(documents // clients // size, 1)
        seeds = [self._random.random() for _ in range(clients)]
        drafts: list[list[str]] = [[] for _ in range(clients)]
        if way != "bare":

            def make(n: int) -> None:
                choose = random.Random(seeds[n])
                drafts[n] = [self._draft(n, choose) for _ in range(calls * size)]

            _together(clients, make)
        began = self._cpu()
        took = _together(clients, lambda n: self._post(way, n, drafts[n], size, calls, random.Random(seeds[n])))
        posted = clients * calls * size
        # A process that has ended meanwhile takes its time with it: what it used before is not to be subtracted.
        used = sum(seconds - began.get(pid, 0) for pid, seconds in self._cpu().items())
        return posted / took, 1000 * used / posted

    def _cpu(self) -> dict[int, float]:
        """Seconds of CPU that each process of the stack has used."""
        used = {}
        for process in find(self.state):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            used[process.pid] = times.user + times.system
        return used

    def _post(self, way: str, n: int, drafts: list[str], size: int, calls: int, choose: random.Random) -> None:
        for call in range(calls):
            ids = drafts[call * size : (call + 1) * size]
            if way == "bare":
                first = self._pair(n).start * POSITIONS
                places = (
                    [first + choose.randint(1, POSITIONS) for _ in range(LINES)],
                    [first + POSITIONS + choose.randint(1, POSITIONS) for _ in range(LINES)],
                )
                items = [choose.randint(1, ITEMS) for _ in range(LINES)]
                self.bare[n].execute("select bench.post(%s, %s, %s)", [items, *places])
            elif way == "sql":
                self.sessions[n].execute("select id from api.wms_document_post(%s)", ids)
            elif way == "sql batch":
                self.sessions[n].execute("select id from api.wms_documents_post(%s::uuid[])", [ids])
            else:
                function, body = (
                    ("wms_document_post", {"id": ids[0]}) if size == 1 else ("wms_documents_post", {"ids": ids})
                )
                answer = self.web[n].post(f"rpc/{function}", json=body)
                while answer.status_code == 503:  # wms.busy: nothing was changed; send the request again
                    answer = self.web[n].post(f"rpc/{function}", json=body)
                if answer.status_code != 200:
                    raise CannotRun(f"{function}: {answer.status_code} {answer.text}")


@contextmanager
def unlimited() -> Iterator[None]:
    """Let the gateway that is started here pass as much as comes."""
    before = {name: os.environ.get(name) for name in ("ERPGRES_RATE_USER", "ERPGRES_RATE_ADDRESS")}
    os.environ.update(dict.fromkeys(before, "600000r/m burst=10000"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _one(connection: Connection, query: str, *values: Any) -> Any:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row[0]


def _together(clients: int, work: Callable[[int], None]) -> float:
    """Let clients work at the same time; returns the seconds until the last has done."""
    start, failed = threading.Barrier(clients + 1), []

    def client(n: int) -> None:
        start.wait()
        try:
            work(n)
        except Exception as error:  # which would end this thread only
            failed.append(error)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    if failed:
        raise CannotRun(f"a posting failed: {failed[0]}") from failed[0]
    return time.perf_counter() - began
