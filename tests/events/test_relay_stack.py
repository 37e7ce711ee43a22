"""The relay where it may be disturbed: many listeners, its death, the database's, new keys, and a page in a browser."""

from __future__ import annotations

import asyncio
import functools
import http.server
import json
import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from browser import browser, chromium_program  # noqa: F401 - fixtures
from conftest import Organization, erpgres, organization
from erpgres import keys
from erpgres.bench import relay as bench
from erpgres.settings import ROOT
from erpgres.stack import relay
from erpgres.stack.state import State
from erpgres.stack.supervise import Supervisor
from erpgres.tokens import sign
from events.relay_client import Listener, dial, listening

Make = Callable[[], Organization]

PAGE = """<!doctype html><title>live</title><ul id="list"></ul><p id="state"></p>
<script type="module">
import { Realtime } from './realtime.js';
const [url, token] = JSON.parse(decodeURIComponent(location.hash.slice(1)));
window.downs = 0;
new Realtime(url, {
  token: async () => token,
  filters: [{ entity: ['partner'], type: ['partner.created'] }],
  onReady: () => { document.getElementById('state').textContent = 'ready'; },
  onDown: () => { window.downs += 1; document.getElementById('state').textContent = 'down'; },
  onEvent: (event) => {
    const item = document.createElement('li');
    item.textContent = event.after.name;
    document.getElementById('list').append(item);
  },
});
</script>"""


@pytest.fixture
def own(disturbed: State) -> State:
    """A running stack whose parts may be killed."""
    return disturbed


@pytest.fixture
def db(own: State) -> Iterator[psycopg.Connection[Any]]:
    """The tools' connection to that stack."""
    with psycopg.connect(own.dsn("migrator"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def make(own: State, db: psycopg.Connection[Any]) -> Make:
    """Make an organisation in that stack."""

    return lambda: organization(own, db)


class Writer(threading.Thread):
    """Creates partners, some of them in transactions that are undone, until it is told to stop."""

    def __init__(self, dsn: str, org_ids: list[uuid.UUID], pause: float = 0.01, seed: int = 1) -> None:
        super().__init__(daemon=True)
        self.dsn = dsn
        self.org_ids = org_ids
        self.pause = pause
        self.random = random.Random(seed)
        self.committed: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                with psycopg.connect(self.dsn, autocommit=True) as connection:
                    while not self.stopping.wait(self.pause):
                        self.write(connection)
            except psycopg.OperationalError:
                self.stopping.wait(0.1)

    def write(self, connection: psycopg.Connection[Any]) -> None:
        org_id = self.random.choice(self.org_ids)
        names = [uuid.uuid4().hex[:16].upper() for _ in range(self.random.randint(1, 3))]
        is_undone = self.random.random() < 0.2
        with connection.transaction(force_rollback=is_undone):
            for name in names:
                connection.execute(
                    "insert into core.partner (org_id, code, name) values (%s, %s, %s)", [org_id, name, name]
                )
        if not is_undone:
            self.committed += names


@contextmanager
def writing(state: State, *org_ids: uuid.UUID, count: int = 1, pause: float = 0.01) -> Iterator[list[Writer]]:
    """Write all the time."""
    writers = [Writer(state.dsn("migrator"), list(org_ids), pause, seed) for seed in range(count)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer.stopping.set()
        for writer in writers:
            writer.join(20)


def committed(db: psycopg.Connection[Any], org_id: uuid.UUID) -> list[str]:
    """Names of the partners there are, in the order of the feed."""
    rows = db.execute(
        "select after ->> 'name' from events.event where org_id = %s and type = 'partner.created' order by xid, id",
        [org_id],
    ).fetchall()
    return [row[0] for row in rows]


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["after"]["name"] for event in events if event["type"] == "partner.created"]


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.05)
    return found


def pid_of(state: State, part: str) -> int:
    return int(Supervisor(state).parts().get(part, {}).get("pid", 0))


def kill(state: State, part: str) -> None:
    pid = until(lambda: pid_of(state, part))
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid_of(state, part) not in (0, pid))


def persistent(
    state: State,
    token: str,
    ready: threading.Event,
    stop: threading.Event,
    found: list[dict[str, Any]],
    ends: list[Any],
) -> None:
    """Listen, and come back with the cursor whenever the connection ends, until told to stop."""
    cursor: str | None = None
    while not stop.is_set():
        listener: Listener | None = None
        try:
            with listening(state, token, cursor=cursor) as listener:
                cursor = listener.cursor
                ready.set()
                while not stop.is_set():
                    try:
                        message = listener.hear(0.2)
                    except TimeoutError:
                        continue
                    found += message.get("events", [])
                    cursor = listener.cursor
        except ConnectionClosed as closed:
            ends.append(closed.rcvd.code if closed.rcvd else None)
        except (OSError, websockets.exceptions.InvalidHandshake, TimeoutError):
            stop.wait(0.05)


@contextmanager
def keeping(state: State, token: str) -> Iterator[tuple[list[dict[str, Any]], list[Any]]]:
    """Run `persistent` beside the test, once it listens; yields what it hears and how its connections ended."""
    ready, stop, found, ends = threading.Event(), threading.Event(), list[dict[str, Any]](), list[Any]()
    thread = threading.Thread(target=persistent, args=(state, token, ready, stop, found, ends), daemon=True)
    thread.start()
    try:
        assert ready.wait(30), "nobody listens"
        yield found, ends
    finally:
        stop.set()
        thread.join(20)


def test_fifty_listeners_hear_exactly_what_was_committed(own: State, db: psycopg.Connection[Any], make: Make) -> None:
    orgs = [make(), make()]
    tokens = [(org, org.token()) for org in orgs for _ in range(25)]
    before = relay.health(own)[0]["reads"]

    async def listen(org: Organization, token: str, ready: asyncio.Semaphore, done: asyncio.Event) -> list[Any]:
        url = f"{own.url}/realtime/ws".replace("http", "ws", 1)
        heard: list[Any] = []
        async with websockets.connect(url, compression=None, max_size=None) as socket:
            await socket.send(json.dumps({"type": "hello", "token": token, "filters": [{"entity": "partner"}]}))
            assert json.loads(await socket.recv())["type"] == "ready"
            ready.release()
            while not (done.is_set() and len(heard) >= len(expected[org.id])):
                async with asyncio.timeout(20):
                    message = json.loads(await socket.recv())
                heard += message.get("events", [])
        return names(heard)

    expected: dict[uuid.UUID, list[str]] = {}

    async def run() -> list[list[Any]]:
        ready, done = asyncio.Semaphore(0), asyncio.Event()
        tasks = [asyncio.create_task(listen(org, token, ready, done)) for org, token in tokens]
        for _ in tasks:
            await ready.acquire()
        with writing(own, *(org.id for org in orgs), count=4) as writers:
            await asyncio.sleep(2)
        expected.update({org.id: committed(db, org.id) for org in orgs})
        assert sum(len(writer.committed) for writer in writers) == sum(map(len, expected.values()))
        done.set()
        for org in orgs:  # one more each, so that nobody waits for what has come already
            db.execute("insert into core.partner (org_id, code, name) values (%s, 'LAST', 'LAST')", [org.id])
            expected[org.id].append("LAST")
        return await asyncio.gather(*tasks)

    for (org, _), heard in zip(tokens, asyncio.run(run()), strict=True):
        assert heard == expected[org.id]
    transactions = sum(map(len, expected.values()))
    reads = relay.health(own)[0]["reads"] - before
    assert 0 < reads < transactions * 3, "alike listeners are served by one read"


def test_the_measurement_counts_what_arrives(own: State, db: psycopg.Connection[Any], make: Make) -> None:
    org = make()
    tokens = bench.tokens_of(own, db, org.id, 12)
    measured = bench.measure(own, org.id, tokens, bench.Load(12, 10, 20), 1)
    assert (measured.written, measured.delivered, measured.is_whole) == (20, 200, True)
    assert 0 < measured.median_ms <= measured.p99_ms <= measured.longest_ms


def test_the_death_of_the_relay_loses_nothing(own: State, db: psycopg.Connection[Any], make: Make) -> None:
    org = make()
    restarts = Supervisor(own).restarts().get("relay", (0, None))[0]
    with keeping(own, org.token()) as (found, ends), writing(own, org.id) as writers:
        until(lambda: len(names(found)) > 20)
        kill(own, "relay")
        written, heard = len(writers[0].committed), len(names(found))
        until(lambda: len(writers[0].committed) > written)  # nobody who writes notices
        until(lambda: len(names(found)) > heard + 20)
    assert ends and names(found) == committed(db, org.id)[: len(names(found))]
    until(lambda: Supervisor(own).restarts().get("relay", (0, None))[0] == restarts + 1)
    report = json.loads(erpgres("status", "--state", str(own.path), "--format", "json").stdout)
    assert {part["name"]: part["restarts"] for part in report["parts"]}["relay"] == restarts + 1


def test_a_restart_tells_everybody_to_come_back(own: State, db: psycopg.Connection[Any], make: Make) -> None:
    org = make()
    with listening(own, org.token()) as listener:
        Supervisor(own).signal("relay", "TERM")
        assert listener.end() == (1012, "realtime.restarting")
        assert listener.error is not None and listener.error["reconnect"]
    until(lambda: relay.health(own)[1] is None)


def test_the_death_of_the_database_ends_no_connection(own: State, make: Make) -> None:
    org = make()
    with keeping(own, org.token()) as (found, ends), writing(own, org.id, pause=0.02):
        until(lambda: len(names(found)) > 10)
        kill(own, "postgres")
        heard = len(names(found))
        until(lambda: len(names(found)) > heard + 10, 40)
        assert ends == []
    with psycopg.connect(own.dsn("migrator"), autocommit=True) as db:
        told = names(found)
        assert told == committed(db, org.id)[: len(told)]


def test_new_keys_are_known_and_old_ones_end(own: State, db: psycopg.Connection[Any], make: Make) -> None:
    org = make()
    claims = org.claims(org.user())
    old = sign(claims, own.secret("jwt.key"))
    keys.rotate(State(own.path))
    for token in (old, sign(claims, own.secret("jwt.key"))):
        with listening(own, token):
            pass
    keys.retire(State(own.path))
    with dial(own) as listener:
        listener.say(type="hello", token=old)
        assert listener.end() == (4401, "gateway.token_invalid")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Address of a page that uses docs/examples/realtime.js."""
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "realtime.js").write_text((ROOT / "docs" / "examples" / "realtime.js").read_text())

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()


def test_a_page_shows_live_changes_and_loses_none_when_the_relay_is_killed(
    own: State, db: psycopg.Connection[Any], make: Make, site: str, browser: Any  # noqa: F811
) -> None:  # fmt: skip
    org = make()
    start = json.dumps([f"{own.url}/realtime/ws".replace("http", "ws", 1), org.token()])
    page = browser.new_page()
    page.goto(f"{site}#{start}")
    page.wait_for_function("document.getElementById('state').textContent === 'ready'")
    with writing(own, org.id):
        page.wait_for_function("document.querySelectorAll('li').length > 20")
        kill(own, "relay")
        page.wait_for_function("window.downs >= 1 && state.textContent === 'ready'")
        shown = page.evaluate("document.querySelectorAll('li').length")
        page.wait_for_function(f"document.querySelectorAll('li').length > {shown + 10}")
    expected = committed(db, org.id)
    page.wait_for_function(f"document.querySelectorAll('li').length >= {len(expected)}")
    assert page.evaluate("[...document.querySelectorAll('li')].map((item) => item.textContent)") == expected
