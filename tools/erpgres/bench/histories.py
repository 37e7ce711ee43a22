"""Random histories through the gateway's cache: does anybody get an answer older than it may be?

Organisations with registers, which are partners whose name is a number that grows by one with every commit. Writers
change them by SQL, with pauses between the change and its commit (so that commits come in another order than
transaction numbers) and with rollbacks; users change them by the API and read at once; readers read all the time.
Guests are users of a partner and read what is their own. Sessions end meanwhile: by their own users, by others, with a
user who is disabled, and with a guest who gets another partner. Of every answer it is asked:

- does it show only what was committed, of this organisation, whole?
- is it at least as new as the newest commit that was acknowledged to this user before he asked?
- is it at least as new as everything that anybody had acknowledged 100 ms before he asked?
- was a session that had ended refused: at once to the user who ended it, after 100 ms to everybody?

A history is one change and what was read until the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, LiteralString

import psycopg

from erpgres.database import connect
from erpgres.stack.state import State
from erpgres.tokens import open_session, sign

LIMIT_MS = 100.0
REGISTERS = 6
_NEW_PARTNER = "insert into core.partner (org_id, code, name) values (%s, %s, 'v0') returning id"

Progress = Callable[[str], None]


@dataclass
class Found:
    """What the histories showed."""

    histories: int = 0
    reads: int = 0
    hits: int = 0
    seconds: float = 0.0
    longest_ms: float = 0.0  # the oldest answer: how long before the question its successor was acknowledged
    longest_session_ms: float = 0.0  # how long after its end was acknowledged a session was still answered
    kinds: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing was older than it may be, and the cache was at work."""
        return (
            not self.problems and self.longest_ms <= LIMIT_MS and self.longest_session_ms <= LIMIT_MS and self.hits > 0
        )

    def public(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "kinds": dict(self.kinds), "limit_ms": LIMIT_MS, "is_good": self.is_good}


class Line:
    """One connection to the gateway."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, token: str, body: object = None) -> tuple[int, str, bytes]:
        """Send a request; return status, head and body."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token}"]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + data)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head[9:12])
        lower = head.lower()
        if status in (204, 304):
            whole = b""
        elif "transfer-encoding: chunked" in lower:
            whole = b""
            while size := int(await self._reader.readline(), 16):
                whole += (await self._reader.readexactly(size + 2))[:size]
            await self._reader.readline()
        else:
            whole = await self._reader.readexactly(int(lower.split("content-length:")[1].split("\r\n")[0]))
        if "\r\nconnection: close" in lower:  # after so many requests
            self.close()
            self._reader = self._writer = None
        return status, head, whole

    def close(self) -> None:
        """Close it."""
        if self._writer:
            self._writer.close()


@dataclass
class Register:
    """One partner: the number it shows, and when each number was acknowledged."""

    id: str
    value: int = 0
    acknowledged: list[tuple[int, float]] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def age(self, value: int, asked: float) -> float:
        """Return for how long, when somebody asked, it had been acknowledged that this is not the newest value."""
        for number, moment in reversed(self.acknowledged):
            if number <= value:
                break
            if number == value + 1:
                return asked - moment
        return 0.0


class World:
    """An organisation, its registers and users."""

    def __init__(self, state: State, connection: psycopg.Connection[Any], seed: int) -> None:
        self.state = state
        self.key = state.secret("jwt.key").strip()
        code = f"S{uuid.uuid4().hex[:12].upper()}"
        self.org = str(_one(connection, "select core.create_organization(%s, %s, 'BD', 'USD')", code, code))
        self.registers = [
            Register(str(_one(connection, _NEW_PARTNER, self.org, f"R{n}"))) for n in range(REGISTERS)
        ]  # fmt: skip
        self.by_id = {register.id: register for register in self.registers}
        self.random = random.Random(seed)

    def _account(self, connection: psycopg.Connection[Any], kind: str, partner_id: str | None = None) -> str:
        """Make an account with a membership; return its id."""
        tag = uuid.uuid4().hex[:12]
        user = str(
            _one(
                connection, "insert into core.app_user (email, name, kind) values (%s, %s, %s) returning id",
                f"{tag}@example.com", tag, kind,
            )
        )  # fmt: skip
        connection.execute(
            "insert into core.membership (org_id, user_id, kind, partner_id) values (%s, %s, %s, %s)",
            [self.org, user, kind, partner_id],
        )
        return user

    def guest(self, connection: psycopg.Connection[Any], partner_id: str) -> dict[str, str]:
        """Make an EXTERNAL user of a partner; return his claims."""
        with connection.transaction():
            user = self._account(connection, "EXTERNAL", partner_id)
        return {"role": "partner", "sub": user, "org_id": self.org, "partner_id": partner_id}

    def user(self, connection: psycopg.Connection[Any]) -> dict[str, str]:
        """Make a user who may change partners; return his claims."""
        with connection.transaction():
            user = self._account(connection, "INTERNAL")
            role = _one(
                connection,
                "insert into core.role (org_id, code, name, is_administrator) values (%s, %s, %s, true) returning id",
                self.org, f"r_{uuid.uuid4().hex[:12]}", "Administrator",
            )  # fmt: skip
            connection.execute(
                "insert into core.user_role (org_id, user_id, role_id) values (%s, %s, %s)", [self.org, user, role]
            )
        return {"role": "member", "sub": user, "org_id": self.org}


class Actor:
    """A user: reads, changes and reads again, signs out; keeps what was acknowledged to him."""

    def __init__(self, world: World, found: Found, connection: psycopg.Connection[Any]) -> None:
        self.world = world
        self.found = found
        self.connection = connection
        self.line = Line(world.state.port)
        self.own: Counter[str] = Counter()
        self.ended_at: float | None = None  # acknowledged to somebody
        self.is_out = False  # acknowledged to this user
        self.is_ending = False  # somebody is about to end the session
        self.is_disabled = False
        self.next_claims: dict[str, str] | None = None
        self.claims = self.new_claims()
        self.sign_in()

    def new_claims(self) -> dict[str, str]:
        """Make the user; return his claims."""
        return self.world.user(self.connection)

    def sign_in(self) -> None:
        """Open a session; of a new user when this one is disabled."""
        if self.is_disabled:
            self.claims, self.is_disabled = self.new_claims(), False
            self.own.clear()
        elif self.next_claims is not None:
            self.claims, self.next_claims = self.next_claims, None
        self.session = open_session(self.connection, self.claims, 600)
        self.token = sign({**self.claims, "sid": self.session}, self.world.key, 600)
        self.ended_at, self.is_out = None, False

    def question(self) -> tuple[str, set[str]]:
        """Choose what to read; return the path and the registers that the answer must have."""
        chance = self.world.random.random()
        if chance < 0.7:
            return "partners?select=id,name&order=id", set(self.world.by_id)
        if chance < 0.8:
            return "partners?order=code.desc&limit=50", set(self.world.by_id)
        register = self.world.random.choice(self.world.registers)
        return f"partners?select=id,name&id=eq.{register.id}", {register.id}

    async def read(self) -> None:
        """Read some registers and judge the answer."""
        path, wanted = self.question()
        own = dict(self.own)
        ended_at, is_out, is_ending = self.ended_at, self.is_out, self.is_ending
        asked = time.monotonic()
        status, head, body = await self.line.ask("GET", f"/api/{path}", self.token)
        self.found.reads += 1
        if status == 401:
            if self.ended_at is None and not (is_ending or self.is_ending):
                self.found.problems.append("an open session was refused")
            self.sign_in()
            return
        if status != 200:
            self.found.problems.append(f"status {status}: {body[:200].decode(errors='replace')}")
            return
        if ended_at is not None:
            self.found.longest_session_ms = max(self.found.longest_session_ms, 1000 * (asked - ended_at))
            if is_out:
                self.found.problems.append("a user who had signed out was answered")
        is_hit = "Cache-Status: erpgres; hit" in head
        self.found.hits += is_hit
        rows = {row["id"]: row["name"] for row in json.loads(body)}
        if set(rows) != wanted:
            self.found.problems.append(f"{len(rows)} rows instead of {len(wanted)}, or others")
            return
        for id, name in rows.items():
            register = self.world.by_id[id]
            if not name[1:].isdigit() or name[0] != "v":
                self.found.problems.append(f"what was never committed was shown: {name}")
                continue
            value = int(name[1:])
            age = 1000 * register.age(value, asked)
            if age > LIMIT_MS:
                came = "the cache" if is_hit else "the database"
                self.found.problems.append(f"an answer from {came} was {age:.0f} ms old")
            self.found.longest_ms = max(self.found.longest_ms, age)
            if value < own.get(id, 0):
                self.found.problems.append(f"older than the user's own commit: {value} instead of {own[id]}")

    async def change(self) -> None:
        """Change a register by the API, and read."""
        register = self.world.random.choice(self.world.registers)
        async with register.lock:
            status, _, body = await self.line.ask(
                "PATCH", f"/api/partners?id=eq.{register.id}", self.token, {"name": f"v{register.value + 1}"}
            )
            if status == 401 and (self.ended_at is not None or self.is_ending):
                self.sign_in()
                return
            if status not in (200, 204):
                self.found.problems.append(f"a change was refused, {status}: {body[:200].decode(errors='replace')}")
                return
            register.value += 1
            register.acknowledged.append((register.value, time.monotonic()))
        self.own[register.id] = register.value
        self.found.kinds["by a user"] += 1
        self.found.histories += 1
        await self.read()

    async def sign_out(self) -> None:
        """Sign out and try to read."""
        status, _, _ = await self.line.ask("POST", "/api/rpc/sign_out", self.token, {})
        if status == 401 and (self.ended_at is not None or self.is_ending):
            self.sign_in()
            return
        self.ended_at, self.is_out = time.monotonic(), True
        self.found.kinds["signing out"] += 1
        self.found.histories += 1
        await self.read()
        if self.is_out:
            self.sign_in()

    async def run(self, is_over: Callable[[], bool]) -> None:
        """Act until it is over."""
        while not is_over():
            chance = self.world.random.random()
            if chance < 0.02:
                await self.change()
            elif chance < 0.0225:
                await self.sign_out()
            else:
                await self.read()
        self.line.close()


class Guest(Actor):
    """A user of a partner: reads what is his own, and is given another partner now and then."""

    def new_claims(self) -> dict[str, str]:
        """Make the user; return his claims."""
        return self.world.guest(self.connection, self.world.random.choice(self.world.registers).id)

    def question(self) -> tuple[str, set[str]]:
        """He reads his own partner."""
        more = self.world.random.choice(("", "&limit=1", f"&id=eq.{self.claims['partner_id']}"))
        return f"own_partner?select=id,name{more}", {self.claims["partner_id"]}

    async def run(self, is_over: Callable[[], bool]) -> None:
        """Read until it is over."""
        while not is_over():
            await self.read()
        self.line.close()


async def _end(connection: psycopg.AsyncConnection[Any], actor: Actor, found: Found, chance: float) -> None:
    """End somebody's session in one of the ways there are."""
    if actor.ended_at is not None or actor.is_ending:
        return
    session, claims, random = actor.session, actor.claims, actor.world.random
    actor.is_ending = True  # from now on he may be refused, and need not be
    query: LiteralString
    if chance < 0.5:
        how, values = "ending a session", [session]
        query = (
            "update core.session set revoked_at = clock_timestamp(), revoked_because = 'REVOKED' "
            "where id = %s and revoked_at is null"
        )
    elif isinstance(actor, Guest) and chance < 0.75:
        others = [register.id for register in actor.world.registers if register.id != claims["partner_id"]]
        partner_id = random.choice(others)
        how, values = "another partner", [partner_id, claims["org_id"], claims["sub"]]
        query = "update core.membership set partner_id = %s where org_id = %s and user_id = %s"
        actor.next_claims = {**claims, "partner_id": partner_id}
    else:
        how, values = "disabling a user", [claims["sub"]]
        query = "update core.app_user set is_active = false where id = %s"
        actor.is_disabled = True
    await connection.execute(query, values)
    if actor.session == session:
        actor.ended_at = time.monotonic()
    actor.is_ending = False
    found.kinds[how] += 1
    found.histories += 1


async def _write(world: World, found: Found, actors: list[Actor], is_over: Callable[[], bool], rate: float) -> None:
    """Change registers by SQL: now and then slowly, in vain, or by ending a session of somebody."""
    dsn = world.state.dsn("migrator")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, prepare_threshold=0) as connection:
        while not is_over():
            await asyncio.sleep(world.random.expovariate(rate))
            chance = world.random.random()
            if chance < 0.04:
                await _end(connection, world.random.choice(actors), found, world.random.random())
                continue
            register = world.random.choice(world.registers)
            fails = chance > 0.9
            async with register.lock:
                with contextlib.suppress(psycopg.Rollback):
                    async with connection.transaction():
                        name = "never" if fails else f"v{register.value + 1}"
                        await connection.execute(
                            "update core.partner set name = %s where org_id = %s and id = %s",
                            [name, world.org, register.id],
                        )
                        if world.random.random() < 0.4:
                            await asyncio.sleep(world.random.uniform(0.001, 0.04))
                        if fails:
                            raise psycopg.Rollback
                if not fails:
                    register.value += 1
                    register.acknowledged.append((register.value, time.monotonic()))
            found.kinds["in vain" if fails else "by SQL"] += 1
            found.histories += 1


def run(
    state: State,
    histories: int,
    progress: Progress,
    *,
    users: int = 3,
    writers: int = 2,
    rate: float = 25.0,
    seed: int = 1,
) -> Found:
    """Run so many histories on a running stack, in two new organisations. `rate`: changes a second of each writer."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_run(state, histories, progress, users, writers, rate, seed))
    return uvloop.run(_run(state, histories, progress, users, writers, rate, seed))


async def _run(
    state: State, histories: int, progress: Progress, users: int, writers: int, rate: float, seed: int
) -> Found:
    found = Found()
    with connect(state.dsn("migrator"), autocommit=True) as connection:
        worlds = [World(state, connection, seed + n) for n in range(2)]
        actors = {
            n: [kind(world, found, connection) for kind in (*[Actor] * users, Guest)] for n, world in enumerate(worlds)
        }
        began = time.monotonic()
        told = began

        def is_over() -> bool:
            nonlocal told
            if time.monotonic() - told > 10:
                told = time.monotonic()
                progress(
                    f"{found.histories:,} histories, {found.reads:,} reads, oldest answer {found.longest_ms:.0f} ms"
                )
            return found.histories >= histories or len(found.problems) > 20

        tasks = [
            *(actor.run(is_over) for same in actors.values() for actor in same),
            *(_write(world, found, actors[n], is_over, rate) for n, world in enumerate(worlds) for _ in range(writers)),
        ]
        await asyncio.gather(*tasks)
        found.seconds = round(time.monotonic() - began, 1)
    return found


def _one(connection: psycopg.Connection[Any], query: LiteralString, *values: object) -> Any:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row[0]
