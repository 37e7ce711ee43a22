"""Fixtures of every test: a throw-away stack for all, one to disturb, organisations, HTTP clients, cloned databases."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import make_conninfo
from pytest_postgresql.janitor import DatabaseJanitor

from browser import browser as browser
from browser import chromium_program as chromium_program
from erpgres.cli import main
from erpgres.settings import ROOT
from erpgres.stack import lifecycle, relay, supervise
from erpgres.stack.state import State
from erpgres.tokens import open_session, sign

SHARED = "ERPGRES_TEST_SHARED"
TEMPLATE = "erpgres_template"
DISTURBED = "one % of it"  # a blank and a percent sign, which a path may have
DISTURBED_RATE = "6000r/m burst 2000"


def erpgres(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line tool as a user would, without the settings of whoever runs the tests."""
    clean = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith("ERPGRES_") or k in ("ERPGRES_RUNTIME", "ERPGRES_RUN_AS")
    }
    return subprocess.run(
        [sys.executable, "-m", "erpgres", *arguments],
        env={**clean, "PYTHONPATH": str(ROOT / "tools"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def called(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Do what `erpgres(…)` does within this process, without the time that Python takes to start and to import."""
    unset = {k: None for k in os.environ if k.startswith("ERPGRES_") and k not in ("ERPGRES_RUNTIME", "ERPGRES_RUN_AS")}
    done = CliRunner().invoke(main, arguments, prog_name="erpgres", env={**unset, **environment})
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def free_port(count: int = 4) -> int:
    """Return the first of `count` free ports in a row on the loopback address."""
    for port in range(20000 + os.getpid() % 3000 * 4, 60000, count):  # below the ports that clients are given
        try:
            for offset in range(count):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port
    raise RuntimeError("no free ports")


@contextmanager
def locked(name: str) -> Iterator[Path]:
    """Hold a lock that all workers of this run share; yields the directory they share."""
    shared = Path(os.environ[SHARED])
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield shared


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A background job of a shell ignores it, and so would all that tests start and interrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        shared = Path(tempfile.mkdtemp(prefix="erpgres-test-"))
        shared.chmod(0o711)  # the services run as another account when the tests run as root
        os.environ[SHARED] = str(shared)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and SHARED in os.environ:
        shared = Path(os.environ.pop(SHARED))
        for state in (shared / "state", shared / DISTURBED):
            if state.exists():
                erpgres("down", "--state", str(state))
        shutil.rmtree(shared, ignore_errors=True)


@pytest.fixture(scope="session")
def stack() -> State:
    """The running stack, started by the first test that asks for it and shared by all workers."""
    with locked("stack") as shared:
        state = shared / "state"
        if not (shared / "up").exists():
            done = erpgres(
                "up", "-d", "--state", str(state), "--port", str(free_port()),
                ERPGRES_RATE_USER="6000r/m burst=1000", ERPGRES_RATE_ADDRESS="6000r/m burst=1000",
                ERPGRES_CORS_ORIGINS="https://app.example.com",
                ERPGRES_CACHE="off",  # tests write by SQL and read at once; test_cache.py has a gateway of its own
            )  # fmt: skip
            if done.returncode:
                pytest.exit(f"the stack did not start:\n{done.stdout}{done.stderr}", returncode=2)
            (shared / "up").touch()
    return State(state)


@pytest.fixture
def disturbed() -> Iterator[State]:
    """The stack whose parts a test may kill, whose database it may lock, whose keys it may change.

    One a run; the test has it alone and leaves it as it was, but for what repairs itself.
    """
    with locked("disturbed") as shared:
        state = State(shared / DISTURBED)
        if not (shared / "disturbed-up").exists():
            done = erpgres(
                "up", "-d", "--state", str(state.path), "--port", str(free_port()),
                ERPGRES_RATE_USER=DISTURBED_RATE, ERPGRES_RATE_ADDRESS=DISTURBED_RATE,
                ERPGRES_RATE_REALTIME=DISTURBED_RATE,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            (shared / "disturbed-up").touch()
            state = State(state.path)
        elif not is_whole(state):
            done = erpgres("up", "-d", "--state", str(state.path))
            assert done.returncode == 0, done.stderr
        yield state


def is_whole(state: State, seconds: float = 5) -> bool:
    """Say whether every part runs and the gateway, PostgREST, the database and the relay answer, or soon do."""
    supervisor = supervise.Supervisor(state)
    deadline = time.monotonic() + seconds
    while parts := supervisor.parts().values():
        if all(part["statename"] == supervise.RUNNING for part in parts) and not (
            lifecycle.health(state)[1] or relay.health(state)[1]
        ):
            return True
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory for a stack of a module's own; the service account can enter it, too."""
    path = Path(tempfile.mkdtemp(prefix="erpgres-place-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def db(stack: State) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection of the tools: sees every organisation, each statement its own transaction."""
    with psycopg.connect(stack.dsn("migrator"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def clone(stack: State) -> Iterator[str]:
    """The conninfo (as superuser) of a database of one's own, cloned from a freshly migrated one."""
    with cloned(stack) as name:
        yield stack.dsn("postgres", name)


@contextmanager
def cloned(stack: State) -> Iterator[str]:
    """Have a clone of a freshly migrated database; gives its name."""
    from erpgres.migrate import cluster, runner

    with locked("template") as shared:
        if not (shared / "template").exists():
            cluster.apply(stack.dsn("postgres"), stack.secret, TEMPLATE)
            runner.migrate(stack.dsn("migrator", TEMPLATE))
            (shared / "template").touch()
    name = f"clone_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(stack.dsn("postgres")) as connection:
        info = connection.info
        janitor = DatabaseJanitor(
            user=info.user, host=info.host, port=info.port, dbname=name, template_dbname=TEMPLATE,
            password=info.password,
        )  # fmt: skip
    with locked("template"):  # a database cannot be cloned twice at the same moment
        janitor.init()
    try:
        yield name
    finally:
        janitor.drop()


@pytest.fixture
def api(stack: State) -> Iterator[Callable[..., httpx.Client]]:
    """Make clients of the HTTP API: `api(token, address="127.0.0.7")`; the address is where the client comes from."""
    clients: list[httpx.Client] = []

    def make(token: str | None = None, address: str | None = None, **headers: str) -> httpx.Client:
        if token:
            headers["Authorization"] = f"Bearer {token}"
        # Plain HTTP: a certificate store for each client would take longer than the requests.
        transport = httpx.HTTPTransport(local_address=address, verify=False) if address else None
        client = httpx.Client(
            base_url=f"{stack.url}/api/", headers=headers, transport=transport, verify=False, timeout=60
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def address() -> Callable[[], str]:
    """Make addresses that nobody came from yet: the gateway lets one sign in five times a minute."""
    return lambda: f"127.{random.randint(16, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"


@dataclass
class Organization:
    """An organisation made for one test, and the users it needs."""

    id: uuid.UUID
    code: str
    db: psycopg.Connection[tuple[Any, ...]]
    stack: State
    users: dict[str, uuid.UUID] = field(default_factory=dict)

    def user(
        self, permissions: Sequence[str] = (), *, administrator: bool = False, partner_id: Any = None
    ) -> uuid.UUID:
        """Make a user with a role of his own that holds the permissions; return his id."""
        tag = uuid.uuid4().hex[:12]
        kind = "EXTERNAL" if partner_id else "INTERNAL"
        with self.db.transaction():
            user_id: uuid.UUID = self._one(
                "insert into core.app_user (email, name, kind) values (%s, %s, %s) returning id",
                f"{tag}@example.com", f"User {tag}", kind,
            )  # fmt: skip
            self.db.execute(
                "insert into core.membership (org_id, user_id, kind, partner_id) values (%s, %s, %s, %s)",
                [self.id, user_id, kind, partner_id],
            )
            role_id = self._one(
                "insert into core.role (org_id, code, name, is_administrator) values (%s, %s, %s, %s) returning id",
                self.id, f"role_{tag}", f"Role {tag}", administrator,
            )  # fmt: skip
            for permission in permissions:
                self.db.execute(
                    "insert into core.role_permission (org_id, role_id, permission) values (%s, %s, %s)",
                    [self.id, role_id, permission],
                )
            self.db.execute(
                "insert into core.user_role (org_id, user_id, role_id) values (%s, %s, %s)", [self.id, user_id, role_id]
            )
        return user_id

    def claims(self, user_id: uuid.UUID, *, role: str = "member", partner_id: Any = None) -> dict[str, Any]:
        """The claims of a token of the user in this organisation, and a session for it."""
        claims = {"role": role, "sub": str(user_id), "org_id": str(self.id)}
        claims["sid"] = open_session(self.db, claims)
        return {**claims, "partner_id": str(partner_id)} if partner_id else claims

    def token(self, permissions: Sequence[str] = (), *, administrator: bool = False, partner_id: Any = None) -> str:
        """Sign a token for a new user: INTERNAL with the permissions, or EXTERNAL of the partner."""
        user_id = self.user(permissions, administrator=administrator, partner_id=partner_id)
        role = "partner" if partner_id else "member"
        return sign(self.claims(user_id, role=role, partner_id=partner_id), self.stack.secret("jwt.key"))

    @property
    def admin_token(self) -> str:
        """A token of an administrator of the organisation."""
        if "admin" not in self.users:
            self.users["admin"] = self.user(administrator=True)
        return sign(self.claims(self.users["admin"]), self.stack.secret("jwt.key"))

    def _one(self, query: str, *values: Any) -> Any:
        row = self.db.execute(query, values).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return row[0]


def organization(stack: State, db: psycopg.Connection[tuple[Any, ...]]) -> Organization:
    """Make an organisation in a stack."""
    code = f"T{uuid.uuid4().hex[:12].upper()}"
    row = db.execute("select core.create_organization(%s, %s, 'BD', 'USD')", [code, f"Test {code}"]).fetchone()
    assert row is not None
    return Organization(row[0], code, db, stack)


@pytest.fixture
def new_org(stack: State, db: psycopg.Connection[tuple[Any, ...]]) -> Callable[[], Organization]:
    """Make organisations: `new_org()`; none is shared with another test."""

    return lambda: organization(stack, db)


@pytest.fixture
def org(new_org: Callable[[], Organization]) -> Organization:
    """An organisation of the test's own."""
    return new_org()


def conninfo(dsn: str, **changes: Any) -> str:
    """A conninfo with some of its parts changed."""
    return make_conninfo(dsn, **changes)
