"""Messages to people: handed to a real mail server, tried again, given up, and never kept longer than needed."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from conftest import conninfo
from erpgres.errors import CannotRun
from erpgres.jobs import settings, worker
from erpgres.jobs.settings import Mail, Settings
from erpgres.settings import ROOT
from erpgres.stack.state import State

Connection = psycopg.Connection[Any]


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.02)
    return found


class Mailbox:
    """What a mail server took; `refuse` is its answer to a recipient, `gate` holds it back before it takes anything."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.asked = 0
        self.refuse: str | None = None
        self.gate = threading.Event()
        self.gate.set()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:
        self.asked += 1
        await asyncio.to_thread(self.gate.wait, 60)
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.taken.append(message_from_bytes(envelope.content))
        return "250 taken"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextmanager
def serving(authority: trustme.CA) -> Iterator[tuple[Mailbox, Mail]]:
    """A mail server that wants TLS and a password, and how to reach it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    def login(server: Any, session: Any, envelope: Any, mechanism: Any, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"erp", b"secret")
        return AuthResult(success=good, handled=False)

    box = Mailbox()
    controller = Controller(
        box, hostname="localhost", port=0, tls_context=context, require_starttls=True, authenticator=login,
        auth_required=True, auth_require_tls=True,
    )  # fmt: skip
    controller.port = free_port()
    controller.start()
    try:
        yield box, Mail("localhost", controller.port, "starttls", "erp@example.com", "erp", "secret", trusting)
    finally:
        box.gate.set()
        controller.stop()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def mail(authority: trustme.CA) -> Iterator[tuple[Mailbox, Mail]]:
    with serving(authority) as found:
        yield found


@pytest.fixture
def boss(clone: str) -> Iterator[Connection]:
    """The superuser of a database whose messages nobody else delivers."""
    with psycopg.connect(clone, autocommit=True) as connection:
        yield connection


@pytest.fixture
def dsn(stack: State, boss: Connection) -> str:
    return conninfo(stack.dsn("worker"), dbname=boss.info.dbname)


def put(boss: Connection, kind: str = "PASSWORD_RESET", lasts: str = "30 minutes") -> Any:
    row = boss.execute(
        "select core.send_message(%s, 'anna@example.com', '{\"token\": \"epr_abc\"}', %s::interval)", [kind, lasts]
    ).fetchone()
    assert row is not None
    return row[0]


def look(boss: Connection, message: Any) -> tuple[Any, ...]:
    row = boss.execute(
        "select sent_at is not null, failed_at is not null, attempts, payload, last_error from core.message_outbox "
        "where id = %s",
        [message],
    ).fetchone()
    assert row is not None
    return row


def test_messages_are_sent_and_their_secrets_forgotten(boss: Connection, dsn: str, mail: tuple[Mailbox, Mail]) -> None:
    box, server = mail
    made = [put(boss, kind) for kind in ("INVITATION", "PASSWORD_RESET", "PASSWORD_CHANGED")]
    assert worker.once(dsn, Settings()) == 0  # no mail server is set: they wait
    assert worker.once(dsn, Settings(server, "https://app.example.com")) == 3
    assert [look(boss, message) for message in made] == [(True, False, 1, {}, None)] * 3
    first = box.taken[0]
    assert (first["To"], first["From"]) == ("anna@example.com", "erp@example.com")
    assert first["Message-ID"] == f"<{made[0]}@erpgres>"
    texts = [message.get_payload(decode=True).decode() for message in box.taken]
    assert ["https://app.example.com/password-reset#token=epr_abc" in text for text in texts] == [True, True, False]
    assert worker.once(dsn, Settings(server)) == 0


def test_what_fails_is_tried_again_until_it_is_too_old(boss: Connection, dsn: str, mail: tuple[Mailbox, Mail]) -> None:
    box, server = mail
    message = put(boss)
    box.refuse = "451 later"
    assert worker.once(dsn, Settings(server)) == 1
    sent, failed, attempts, payload, error = look(boss, message)
    assert (sent, failed, attempts, payload, "451" in error) == (False, False, 1, {"token": "epr_abc"}, True)
    wait = "select extract(epoch from next_attempt_at - now()) from core.message_outbox where id = %s"
    assert 8 < (boss.execute(wait, [message]).fetchone() or (0,))[0] < 12
    assert worker.once(dsn, Settings(server)) == 0
    boss.execute("update core.message_outbox set next_attempt_at = now()")
    box.refuse = None
    worker.once(dsn, Settings(server))
    assert look(boss, message) == (True, False, 2, {}, None)
    # Refused for good, and too old: given up, and the secret is gone.
    box.refuse = "550 nobody of that name"
    refused = put(boss)
    worker.once(dsn, Settings(server))
    assert look(boss, refused)[:4] == (False, True, 1, {})
    old = put(boss, lasts="-1 second")
    worker.once(dsn, Settings(server))
    assert look(boss, old) == (False, True, 0, {}, "not delivered in time")
    assert len(box.taken) == 1


def test_an_unknown_server_gets_neither_password_nor_message(
    boss: Connection, dsn: str, mail: tuple[Mailbox, Mail]
) -> None:
    box, server = mail
    message = put(boss)
    stranger = Mail(server.host, server.port, "starttls", server.sender, "erp", "secret", ssl.create_default_context())
    worker.once(dsn, Settings(stranger))
    assert "CERTIFICATE_VERIFY_FAILED" in look(boss, message)[4]
    boss.execute("update core.message_outbox set next_attempt_at = now()")
    wrong = Mail(server.host, server.port, "starttls", server.sender, "erp", "wrong", server.context)
    worker.once(dsn, Settings(wrong))
    assert (look(boss, message)[:2], "535" in look(boss, message)[4]) == ((False, False), True)
    assert (box.asked, box.taken) == (0, [])


def test_a_worker_killed_while_sending_sends_once(
    stack: State, boss: Connection, dsn: str, mail: tuple[Mailbox, Mail], authority: trustme.CA, tmp_path: Path
) -> None:
    box, server = mail
    box.gate.clear()
    message = put(boss)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "password").write_text("secret\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "erpgres", "jobs", "work", "--state", str(stack.path), "--database-url", dsn],
        env={
            **os.environ, "PYTHONPATH": str(ROOT / "tools"), "ERPGRES_SMTP_HOST": "localhost",
            "ERPGRES_SMTP_PORT": str(server.port), "ERPGRES_SMTP_USER": "erp", "ERPGRES_SMTP_FROM": "erp@example.com",
            "ERPGRES_SMTP_PASSWORD_FILE": str(tmp_path / "password"), "ERPGRES_SMTP_CA_FILE": str(tmp_path / "ca.pem"),
        },
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: box.asked)
        # Meanwhile nobody else sends it, and nothing holds up the feed.
        assert worker.once(dsn, Settings(server)) == 0
        open_long = (
            "select count(*) from pg_stat_activity where datname = current_database() and backend_xid is not null"
        )
        until(lambda: boss.execute(open_long).fetchone() == (0,), 10)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    box.gate.set()
    until(lambda: worker.once(dsn, Settings(server)), 10)
    assert (look(boss, message)[:2], len(box.taken)) == ((True, False), 1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ERPGRES_SMTP_SECURITY": "maybe"}, "ERPGRES_SMTP_SECURITY"),
        ({"ERPGRES_SMTP_PORT": "0"}, "ERPGRES_SMTP_PORT"),
        ({"ERPGRES_SMTP_FROM": ""}, "ERPGRES_SMTP_FROM"),
        ({"ERPGRES_SMTP_USER": "erp", "ERPGRES_SMTP_SECURITY": "none"}, "in the clear"),
        ({"ERPGRES_SMTP_USER": "erp", "ERPGRES_SMTP_PASSWORD_FILE": "/nowhere/at/all"}, "cannot be read"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, str], said: str
) -> None:
    good = {"ERPGRES_SMTP_HOST": "localhost", "ERPGRES_SMTP_FROM": "a@example.com"}
    for name, value in {**good, **values}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CannotRun, match=said):
        settings.load(State(tmp_path / "none"))
    for name in values:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ERPGRES_SMTP_FROM", "a@example.com")
    found = settings.load(State(tmp_path / "none")).mail
    assert found is not None and (found.port, found.security) == (587, "starttls")
