"""Whether the feed keeps its word: many writers, long transactions, aborts, a killed server, and a reader that checks.

Writers change the prices of a few items over and over, several items a transaction, some transactions slowly, some
rolled back, some in an order that deadlocks. The reader calls `api.events_since` as a frontend would, with the cursor
of the last answer. In the end what it was given is compared with what the table holds:

- lost: committed, and never delivered
- repeated: delivered twice
- invented: delivered, and not in the table
- disordered: the version of an item not above the one delivered before
- forgotten: a writer was told that it is committed, and it is not in the table

`bug` breaks the reader on purpose, to show that the check finds something: `id` reads by `id > last` alone, as by a
sequence or a timestamp; `xid` stores the transaction alone as position, as most feeds of this kind do.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import socket
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from erpgres import database
from erpgres.errors import CannotRun
from erpgres.stack.state import State

Connection = psycopg.Connection[Any]
Progress = Callable[[str], None]

BUGS = ("id", "xid")
ITEMS = 60
NOBODY = uuid.UUID(int=0)
GONE = (psycopg.OperationalError, psycopg.InterfaceError)


@dataclass
class Outcome:
    """What happened, and what the check found; each list holds event ids, of `disordered` item, versions and events."""

    seconds: float = 0
    writers: int = 0
    bug: str | None = None
    commits: int = 0
    rollbacks: int = 0
    failures: int = 0
    disconnected: int = 0
    kills: int = 0
    polls: int = 0
    longest_transaction: float = 0
    events: int = 0
    delivered: int = 0
    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    @property
    def violations(self) -> int:
        """How many there are of all kinds."""
        return sum(map(len, (self.lost, self.repeated, self.invented, self.disordered, self.forgotten)))


@dataclass
class _Run:
    """What writers and reader share."""

    dsn: str
    claims: str
    org_id: uuid.UUID
    items: list[uuid.UUID]
    bug: str | None
    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    outcome: Outcome = field(default_factory=Outcome)
    error: Exception | None = None
    acknowledged: list[tuple[str, int]] = field(default_factory=list)
    delivered: list[tuple[str, str, int]] = field(default_factory=list)

    def connect(self) -> Connection:
        """Connect, for as long as it takes a killed server to come back."""
        deadline = time.monotonic() + 90
        while True:
            try:
                return psycopg.connect(self.dsn, application_name="erpgres bench feed", connect_timeout=5)
            except GONE:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


def check(
    dsn: str,
    seconds: float,
    writers: int,
    bug: str | None = None,
    kill: Callable[[], None] | None = None,
    seed: int = 0,
) -> Outcome:
    """Let `writers` write for some seconds and check what a reader gets; `dsn` is migrator's.

    `kill` is called at a third of the time and must end the server, which must come back by itself. With the bug `xid`
    the table of the database is changed: a throw-away one.
    """
    run = _prepare(dsn, bug)
    run.outcome.writers, run.outcome.bug = writers, bug
    threads = [_thread(run, _write, run, seed * 1000 + n) for n in range(writers)]
    reader = _thread(run, _read, run)
    began = time.monotonic()
    for thread in (*threads, reader):
        thread.start()
    if kill is not None:
        run.stop.wait(seconds / 3)
        kill()
        run.outcome.kills += 1
    run.stop.wait(max(0.0, seconds - (time.monotonic() - began)))
    run.stop.set()
    for thread in threads:
        _join(thread)
    run.ended.set()
    _join(reader)
    if run.error is not None:
        raise CannotRun(f"a session of the check failed: {run.error}") from run.error
    run.outcome.seconds = round(time.monotonic() - began, 1)
    _compare(run)
    return run.outcome


def _thread(run: _Run, target: Callable[..., None], *arguments: Any) -> threading.Thread:
    """Return a thread whose failure is kept."""

    def work() -> None:
        try:
            target(*arguments)
        except Exception as error:
            run.error = error
            run.stop.set()

    return threading.Thread(target=work, daemon=True)


def _join(thread: threading.Thread) -> None:
    thread.join(timeout=120)
    if thread.is_alive():
        raise CannotRun("a session of the check does not end")


def _prepare(dsn: str, bug: str | None) -> _Run:
    with database.connect(dsn, autocommit=True) as connection:
        if bug == "xid":
            connection.execute("set role owner")
            for (table,) in connection.execute(
                "select 'events.event' union all select i.inhrelid::regclass::text from pg_inherits as i "
                "where i.inhparent = 'events.event'::regclass"
            ).fetchall():
                connection.execute(f"alter table {table} alter column xid set default pg_current_xact_id()")
            for (definition,) in connection.execute(
                "select pg_get_functiondef(p.oid) from pg_proc as p where p.pronamespace = 'events'::regnamespace "
                "and p.prorettype = 'trigger'::regtype and p.prosrc like '%v_xid xid8 :=%'"
            ).fetchall():
                connection.execute(re.sub(r"greatest\(\s*pg_current_xact_id\(\),.*?::xid8\s*\)", "pg_current_xact_id()",
                                          definition, count=1, flags=re.DOTALL))  # fmt: skip
            connection.execute("reset role")
        code = f"F{uuid.uuid4().hex[:12].upper()}"
        row = connection.execute("select core.create_organization(%s, %s, 'BD', 'USD')", [code, code]).fetchone()
        assert row is not None
        items = connection.execute(
            "insert into core.item (org_id, sku, name, class, unit_code, price, currency) "
            "select %s, 'S' || n, 'Item ' || n, 'GOODS', 'C62', n, 'USD' from generate_series(1, %s) as n returning id",
            [row[0], ITEMS],
        ).fetchall()
    claims = json.dumps({"role": "member", "org_id": str(row[0]), "sub": str(NOBODY)})
    return _Run(dsn, claims, row[0], [item for (item,) in items], bug)


# ---- writers -------------------------------------------------------------------------------------------------------


def _write(run: _Run, seed: int) -> None:
    choose = random.Random(seed)
    connection = run.connect()
    while not run.stop.is_set():
        try:
            _transaction(run, connection, choose)
        except psycopg.Error:
            if not connection.closed:  # a deadlock, a lock that took too long
                connection.rollback()
                with run.lock:
                    run.outcome.failures += 1
                continue
            connection = run.connect()  # the server is gone, and whether the last commit was done is not known
            with run.lock:
                run.outcome.disconnected += 1
    connection.close()


def _transaction(run: _Run, connection: Connection, choose: random.Random) -> None:
    """Change some items, slowly now and then, and commit or roll back."""
    chosen = choose.sample(run.items, choose.randint(1, 3))
    if choose.random() < 0.9:
        chosen.sort()
    is_long = choose.random() < 0.02
    began = time.monotonic()
    versions = []
    for item in chosen:
        row = connection.execute(
            "update core.item set price = price + 1 where org_id = %s and id = %s returning version", [run.org_id, item]
        ).fetchone()
        assert row is not None
        versions.append((str(item), int(row[0])))
        if is_long:
            connection.execute("select pg_sleep(%s)", [choose.uniform(0.1, 1.0)])
    if choose.random() < 0.1:
        connection.rollback()
        with run.lock:
            run.outcome.rollbacks += 1
        return
    connection.commit()
    with run.lock:
        run.outcome.commits += 1
        run.outcome.longest_transaction = round(max(run.outcome.longest_transaction, time.monotonic() - began), 2)
        run.acknowledged += versions


# ---- the reader ----------------------------------------------------------------------------------------------------


def _read(run: _Run) -> None:
    """Read until the writers have stopped and nothing more comes."""
    connection = run.connect()
    cursor: str | None = None
    while True:
        is_last = run.ended.is_set()
        try:
            with connection.transaction():
                read = _by_id if run.bug == "id" else _since
                events, cursor, is_complete = read(run, connection, cursor)
        except GONE:
            if not connection.closed:
                raise
            connection = run.connect()
            continue
        run.delivered += [(e["id"], e["entity_id"], e["entity_version"]) for e in events if e["entity"] == "item"]
        run.outcome.polls += 1
        if not events:
            if is_last and is_complete:
                break
            time.sleep(0.005)
    connection.close()


Answer = tuple[list[dict[str, Any]], str | None, bool]


def _since(run: _Run, connection: Connection, cursor: str | None) -> Answer:
    """Ask as a frontend would; complete when nothing waits for a transaction, of this database or another, to end."""
    connection.execute("select set_config('request.jwt.claims', %s, true)", [run.claims])
    connection.execute("set local role member")
    row = connection.execute("select api.events_since(%s, 100)", [cursor]).fetchone()
    assert row is not None
    return row[0]["events"], row[0]["cursor"], row[0]["lag_seconds"] == 0


def _by_id(run: _Run, connection: Connection, cursor: str | None) -> Answer:
    """The deliberate bug: the newest id seen is taken for all that has happened."""
    rows = connection.execute(
        "select e.id, e.entity, e.entity_id, e.entity_version from events.event as e "
        "where e.org_id = %s and e.id > %s order by e.id limit 100",
        [run.org_id, cursor or str(NOBODY)],
    ).fetchall()
    keys = ("id", "entity", "entity_id", "entity_version")
    events = [dict(zip(keys, (str(r[0]), r[1], str(r[2]), r[3]), strict=True)) for r in rows]
    return events, events[-1]["id"] if events else cursor, True


# ---- the check -----------------------------------------------------------------------------------------------------


def _compare(run: _Run) -> None:
    outcome = run.outcome
    with database.connect(run.dsn, autocommit=True) as connection:
        rows = connection.execute(
            "select e.id, e.entity_id, e.entity_version from events.event as e "
            "where e.org_id = %s and e.entity = 'item'",
            [run.org_id],
        ).fetchall()
    committed = {str(event): (str(item), int(version)) for event, item, version in rows}
    counts = Counter(event for event, _, _ in run.delivered)
    outcome.events, outcome.delivered = len(committed), len(run.delivered)
    outcome.lost = sorted(committed.keys() - counts.keys())
    outcome.repeated = sorted(event for event, count in counts.items() if count > 1)
    outcome.invented = sorted(counts.keys() - committed.keys())
    newest: dict[str, int] = {}
    for event, item, version in run.delivered:
        if version <= newest.get(item, 0):
            outcome.disordered.append(f"{item}: {version} after {newest[item]} ({event})")
        newest[item] = max(version, newest.get(item, 0))
    there = set(committed.values())
    outcome.forgotten = [f"{item}: {version}" for item, version in run.acknowledged if (item, version) not in there]


# ---- a server to kill ----------------------------------------------------------------------------------------------


@contextmanager
def throw_away(progress: Progress) -> Iterator[State]:
    """Start a stack of its own and delete it in the end."""
    from erpgres.stack import lifecycle

    place = Path(tempfile.mkdtemp(prefix="erpgres-feed-"))
    place.chmod(0o711)  # the services may run as another account
    state = State(place / "state")
    try:
        lifecycle.up(state, lifecycle.Asked(port=_free_port()), progress)
        yield state
    finally:
        lifecycle.down(state)
        shutil.rmtree(place, ignore_errors=True)


def _free_port(count: int = 4) -> int:
    """Return the first of `count` free ports in a row on the loopback address."""
    for port in range(24000, 60000, count):
        try:
            for offset in range(count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port
    raise CannotRun("there are no four free ports in a row")


def kill_server(state: State) -> None:
    """Kill PostgreSQL with all its processes at once, as a power failure would; supervisord starts it again."""
    pid = int((state.pgdata / "postmaster.pid").read_text().split()[0])
    master = psutil.Process(pid)
    for process in (master, *master.children(recursive=True)):
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
