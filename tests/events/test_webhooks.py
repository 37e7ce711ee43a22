"""Webhooks: signed, tried again, logged, only what their user may see, only to where they may go."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest
import trustme

from conftest import Organization, conninfo
from erpgres.jobs import outbound, webhooks, worker
from erpgres.settings import ROOT
from erpgres.stack.state import State
from erpgres.tokens import sign

from .support import Connection, Receiver, Request, allow_loopback, caught_up, receiver, refused, settled, until

Api = Callable[..., httpx.Client]
MANAGE = [f"core.webhook.{action}" for action in ("create", "read", "update", "delete")]
ANYWHERE = outbound.Rules(http=True, networks=outbound.networks("127.0.0.0/8, ::1/128"))


@pytest.fixture
def hook(db: Connection) -> Iterator[Receiver]:
    """A receiver that the installation lets webhooks reach."""
    allow_loopback(db)
    with receiver() as made:
        yield made


@pytest.fixture
def admin(org: Organization, api: Api) -> httpx.Client:
    return api(org.admin_token)


def call(client: httpx.Client, function: str, **values: Any) -> Any:
    response = client.post(f"rpc/{function}", json=values)
    assert response.status_code == 200, response.text
    return response.json()


def partner(client: httpx.Client, code: str) -> str:
    response = client.post("partners", json={"code": code, "name": code}, headers={"Prefer": "return=representation"})
    assert response.status_code == 201, response.text
    return str(response.json()[0]["id"])


def rows(client: httpx.Client, view: str, **filters: str) -> list[dict[str, Any]]:
    response = client.get(view, params={"order": "id.desc", **filters})
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()
    return found


def is_signed(request: Request, secret: str) -> bool:
    """Verify as the specification tells receivers to."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request.id}.{request.headers['webhook-timestamp']}.".encode() + request.body
    want = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return want in request.headers["webhook-signature"].split(" ")


def due(db: Connection, org: Organization, **changes: Any) -> None:
    """Let what waits be due now."""
    db.execute(
        "update events.webhook_delivery set next_attempt_at = now() where org_id = %s and state = 'WAITING'", [org.id]
    )
    db.execute("update events.webhook_state set resume_at = '-infinity' where org_id = %s", [org.id])


def test_the_signature_of_the_specification() -> None:
    """The example of the reference libraries of Standard Webhooks."""
    body = b'{"test": 2432232314}'
    made = webhooks.sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_event_is_sent_signed_and_logged(
    org: Organization, db: Connection, admin: httpx.Client, hook: Receiver
) -> None:
    made = call(admin, "webhook_create", name="ERP", url=f"{hook.url}/hook", event_types=["partner.*"])
    other = call(admin, "webhook_create", name="Items", url=f"{hook.url}/items", event_types=["item.created"])
    partner_id = partner(admin, "P")
    request = until(hook.got)[0]
    message = request.message
    assert is_signed(request, made["secret"]) and not is_signed(request, other["secret"])
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs/events.md").read_text(), re.DOTALL):
        if "is_genuine" in block:  # the receiver of the documentation
            code: dict[str, Any] = {}
            exec(block, code)
            assert code["is_genuine"](request.headers, request.body, made["secret"])
            assert not code["is_genuine"](request.headers, request.body + b" ", made["secret"])
    assert (message["type"], message["data"]["entity_id"], message["data"]["after"]["code"]) == (
        "partner.created", partner_id, "P",
    )  # fmt: skip
    assert (request.id, message["data"]["org_id"]) == (message["data"]["id"], str(org.id))
    assert request.headers["content-type"] == "application/json"
    delivery = until(lambda: rows(admin, "webhook_deliveries", state="eq.DELIVERED"))[0]
    assert (delivery["event_id"], delivery["attempts"], delivery["last_error"]) == (request.id, 1, None)
    attempt = rows(admin, "webhook_attempts", delivery_id=f"eq.{delivery['id']}")[0]
    assert (attempt["http_status"], attempt["answer"], attempt["error"]) == (200, "taken", None)
    caught_up(db, org.id, "webhooks")
    assert (len(hook.got()), hook.got("/items")) == (1, [])
    assert rows(admin, "webhooks", id=f"eq.{made['id']}")[0]["last_success_at"]
    # A rotation signs with both secrets for a while.
    fresh = call(admin, "webhook_secret_rotate", id=made["id"])["secret"]
    partner(admin, "Q")
    second = until(lambda: hook.got()[1:])[0]
    assert is_signed(second, made["secret"]) and is_signed(second, fresh) and fresh != made["secret"]
    # No secret is shown again, in no view and in no event.
    assert "secret" not in rows(admin, "webhooks")[0]
    text = db.execute("select string_agg(e::text, '') from events.event as e where org_id = %s", [org.id]).fetchone()
    assert text is not None and "webhook.created" in text[0]
    assert not any(secret.removeprefix("whsec_") in text[0] for secret in (made["secret"], fresh, other["secret"]))


def test_a_failure_is_tried_again_and_holds_up_nothing(
    org: Organization, db: Connection, admin: httpx.Client, hook: Receiver
) -> None:
    call(admin, "webhook_create", name="W", url=f"{hook.url}/hook", event_types=["partner.created"])
    hook.status["/hook"] = 500
    partner(admin, "A")
    failed = until(lambda: rows(admin, "webhook_deliveries", attempts="eq.1"))[0]
    assert (failed["state"], failed["last_error"]) == ("WAITING", "HTTP 500")
    row = db.execute(
        "select extract(epoch from next_attempt_at - now()) from events.webhook_delivery where id = %s", [failed["id"]]
    ).fetchone()
    assert row is not None and 5 < row[0] < 19
    hook.status["/hook"] = 200
    partner(admin, "B")
    until(lambda: len(rows(admin, "webhook_deliveries", state="eq.DELIVERED")) == 1)
    assert [request.message["data"]["after"]["code"] for request in hook.got()] == ["A", "B"]
    due(db, org)
    until(lambda: len(rows(admin, "webhook_deliveries", state="eq.DELIVERED")) == 2)
    assert len({request.id for request in hook.got()}) == 2
    assert [row["http_status"] for row in rows(admin, "webhook_attempts", delivery_id=f"eq.{failed['id']}")] == [
        200,
        500,
    ]


def test_dead_letters_are_kept_and_sent_again(
    org: Organization, db: Connection, admin: httpx.Client, hook: Receiver
) -> None:
    call(admin, "webhook_create", name="W", url=f"{hook.url}/hook", event_types=["partner.created"])
    hook.status["/hook"] = 302
    hook.headers["Location"] = f"{hook.url}/elsewhere"
    partner(admin, "A")
    until(lambda: rows(admin, "webhook_deliveries", attempts="eq.1"))
    db.execute("update events.webhook_delivery set attempts = 9 where org_id = %s", [org.id])
    due(db, org)
    dead = until(lambda: rows(admin, "webhook_deliveries", state="eq.DEAD"))[0]
    assert (dead["attempts"], dead["last_error"], hook.got("/elsewhere")) == (10, "HTTP 302", [])
    hook.status["/hook"] = 204
    assert call(admin, "webhook_redeliver", delivery_id=dead["id"])["state"] == "WAITING"
    until(lambda: rows(admin, "webhook_deliveries", state="eq.DELIVERED"))
    assert {request.id for request in hook.got()} == {dead["event_id"]}


def test_what_fails_for_days_or_is_gone_is_switched_off_and_told(
    org: Organization, db: Connection, admin: httpx.Client, hook: Receiver, api: Api, stack: State
) -> None:
    watcher = api(org.token(["core.webhook.read"]))
    made = call(admin, "webhook_create", name="W", url=f"{hook.url}/hook", event_types=["partner.created"])
    hook.status["/hook"] = 410
    partner(admin, "A")
    off = until(lambda: rows(admin, "webhooks", is_active="is.false"))[0]
    assert off["disabled_because"] == "GONE"
    note = until(lambda: rows(watcher, "notifications"))[0]
    assert (note["event_type"], note["entity_id"]) == ("webhook.disabled", made["id"])
    partner(admin, "B")
    caught_up(db, org.id, "webhooks")
    assert len(hook.got()) == 1
    hook.status["/hook"] = 503
    assert call(admin, "webhook_enable", id=made["id"])["is_active"] is True
    db.execute(
        "update events.webhook_state set failures = 11, failing_since = now() - interval '4 days' where org_id = %s",
        [org.id],
    )
    partner(admin, "C")
    until(lambda: rows(admin, "webhooks", disabled_because="eq.FAILING"))
    # And switched on again it goes on where it stood.
    hook.status["/hook"] = 200
    call(admin, "webhook_enable", id=made["id"])
    due(db, org)
    until(lambda: rows(admin, "webhook_deliveries", state="eq.DELIVERED"))
    assert rows(admin, "webhooks")[0]["failures"] == 0


def test_failures_in_a_row_let_the_whole_webhook_rest(
    org: Organization, db: Connection, admin: httpx.Client, hook: Receiver
) -> None:
    call(admin, "webhook_create", name="W", url=f"{hook.url}/hook", event_types=["partner.created"])
    hook.status["/hook"] = 500
    for code in "ABCDE":
        partner(admin, code)
    until(lambda: len(hook.got()) == 3)
    until(lambda: rows(admin, "webhooks", failures="eq.3"))
    row = db.execute(
        "select extract(epoch from resume_at - now()) from events.webhook_state where org_id = %s", [org.id]
    ).fetchone()
    assert row is not None and 5 < row[0] < 19
    assert len(rows(admin, "webhook_deliveries", attempts="eq.0")) == 2


def test_a_webhook_gets_what_its_user_may_see_now(
    org: Organization, db: Connection, admin: httpx.Client, hook: Receiver, api: Api, stack: State
) -> None:
    limited_id = org.user([*MANAGE, "core.partner.create"])
    limited = api(sign(org.claims(limited_id), stack.secret("jwt.key")))
    made = call(limited, "webhook_create", name="All", url=f"{hook.url}/hook")
    call(admin, "api_key_create", name="K", permissions=[])  # seen with core.api_key.read only
    partner(admin, "A")
    until(lambda: any(request.message["type"] == "partner.created" for request in hook.got()))
    skipped = until(lambda: rows(admin, "webhook_deliveries", state="eq.SKIPPED"))
    assert [row["event_type"] for row in skipped] == ["api_key.created"]
    # Who changes the address becomes the user of the webhook: the administrator sees keys.
    assert rows(admin, "webhooks")[0]["user_id"] == str(limited_id)
    where = {"id": f"eq.{made['id']}"}
    changed = admin.patch("webhooks", params=where, json={"name": "Mine"}, headers={"Prefer": "return=representation"})
    assert changed.json()[0]["user_id"] == str(limited_id)
    admin.patch("webhooks", params=where, json={"url": f"{hook.url}/new"})
    assert rows(admin, "webhooks")[0]["user_id"] == str(org.users["admin"])
    call(admin, "api_key_create", name="L", permissions=[])
    until(lambda: any(request.message["type"] == "api_key.created" for request in hook.got("/new")))
    # And back, so that the rest of the administrator's events do not reach somebody who is gone.
    limited.patch("webhooks", params=where, json={"url": f"{hook.url}/left"})
    db.execute("update core.membership set is_active = false where user_id = %s", [limited_id])
    partner(admin, "B")
    until(lambda: rows(admin, "webhooks", disabled_because="eq.USER_INACTIVE"))
    assert not any(request.message["data"]["after"].get("code") == "B" for request in hook.got("/left"))


def test_who_may_not_is_refused(
    org: Organization, new_org: Any, db: Connection, admin: httpx.Client, hook: Receiver, api: Api, stack: State
) -> None:
    made = call(admin, "webhook_create", name="W", url=f"{hook.url}/hook")
    partner(admin, "A")
    delivery = until(lambda: rows(admin, "webhook_deliveries"))[0]["id"]
    calls: list[tuple[str, dict[str, Any]]] = [
        ("webhook_create", {"name": "W", "url": "https://example.com"}), ("webhook_enable", {"id": made["id"]}),
        ("webhook_disable", {"id": made["id"]}), ("webhook_secret_rotate", {"id": made["id"]}),
        ("webhook_redeliver", {"delivery_id": delivery}),
    ]  # fmt: skip
    nobody = api(org.token())
    stranger = api(new_org().admin_token)
    for function, values in calls:
        refused(nobody.post(f"rpc/{function}", json=values), 403, "core.permission_missing")
        if function != "webhook_create":
            refused(stranger.post(f"rpc/{function}", json=values), 404, "core.not_found")
    for view in ("webhooks", "webhook_deliveries", "webhook_attempts"):
        assert (rows(nobody, view), rows(stranger, view)) == ([], [])
    where = {"id": f"eq.{made['id']}"}
    for client in (nobody, stranger):
        client.patch("webhooks", params=where, json={"url": "https://evil.example"})
        client.delete("webhooks", params=where)
    assert rows(admin, "webhooks")[0]["url"] == f"{hook.url}/hook"
    refused(admin.patch("webhooks", params=where, json={"name": "X", "version": 0}), 412, "core.stale_version")
    refused(admin.patch("webhooks", params=where, json={"user_id": str(uuid.uuid4())}), 403, "42501")
    for url in ("ftp://example.com", "https://user:pass@example.com", "https://example.com/#x", "https://", "nothing",
                "https://example.com/ x", "https://" + "x" * 2000):  # fmt: skip
        refused(admin.post("rpc/webhook_create", json={"name": "W", "url": url}), 422, "events.webhook_url")
    for types in ([], ["*", "Partner.created"], ["partner"]):
        body = {"name": "W", "url": "https://example.com", "event_types": types}
        assert admin.post("rpc/webhook_create", json=body).status_code == 400
    # Not for keys: a key may do less than its user, and the webhook would get what the user sees.
    key = call(admin, "api_key_create", name="K", permissions=MANAGE)["key"]
    machine = api(call(api(address="127.9.8.7"), "api_key_sign_in", key=key)["access_token"])
    refused(machine.post("rpc/webhook_create", json=calls[0][1]), 403, "core.api_key_refused")
    refused(machine.patch("webhooks", params=where, json={"url": "https://x.example"}), 403, "core.api_key_refused")
    assert call(admin, "webhook_disable", id=made["id"])["is_active"] is False
    assert admin.delete("webhooks", params=where).status_code == 204
    assert (rows(admin, "webhooks"), rows(admin, "webhook_deliveries")) == ([], [])


def test_http_is_refused_unless_the_installation_allows_it(
    org: Organization, db: Connection, admin: httpx.Client, hook: Receiver
) -> None:
    made = call(admin, "webhook_create", name="W", url=f"{hook.url}/hook")
    with db.transaction(force_rollback=True):
        db.execute("delete from core.installation_setting where code = 'events.webhook_http'")
        with pytest.raises(psycopg.DatabaseError, match="webhook_url"), db.transaction():
            db.execute("update events.webhook set url = 'http://example.com' where id = %s", [made["id"]])
        db.execute("update events.webhook set url = 'https://example.com' where id = %s", [made["id"]])


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False), ("10.1.2.3", False),
        ("172.16.0.1", False), ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
        ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("::", False),
        ("fe80::1", False), ("fd00::1", False), ("::ffff:10.0.0.1", False), ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False), ("ff02::1", False), ("::127.0.0.1", False),
    ],
)  # fmt: skip
def test_only_public_addresses_are_reached(address: str, allowed: bool) -> None:
    assert outbound.is_allowed(ipaddress.ip_address(address), outbound.Rules()) is allowed
    assert outbound.is_allowed(ipaddress.ip_address(address), outbound.Rules(networks=outbound.networks(address)))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "[::1]", "169.254.169.254"]
)
def test_nothing_is_sent_to_a_private_address(host: str) -> None:
    rules = outbound.Rules(http=True)
    with receiver() as hidden:
        url = hidden.url.replace("127.0.0.1", host)
        with pytest.raises((outbound.Refused, OSError)):
            outbound.post(f"{url}/hook", b"{}", {}, rules, outbound.certificates())
        assert hidden.requests == []
        if host == "localhost":  # a negative control
            assert outbound.post(f"{url}/hook", b"{}", {}, ANYWHERE, outbound.certificates()).status == 200


def test_a_webhook_to_a_private_address_fails_and_says_why(
    org: Organization, db: Connection, admin: httpx.Client, hook: Receiver
) -> None:
    call(admin, "webhook_create", name="W", url="https://169.254.169.254/latest", event_types=["partner.created"])
    partner(admin, "A")
    attempt = until(lambda: rows(admin, "webhook_attempts"))[0]
    assert (attempt["http_status"], "not a public address" in attempt["error"]) == (None, True)


def serve(answer: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> int:
    """Answer one connection in a thread; return the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with listener:
            plain, _ = listener.accept()
        try:
            with context.wrap_socket(plain, server_side=True) if context else plain as connection:
                # All of it: who closes with something unread resets the connection, and his answer may be lost.
                asked = b""
                while not asked.endswith(b"{}") and (part := connection.recv(65536)):
                    asked += part
                answer(connection)
        except OSError:
            pass

    threading.Thread(target=run, daemon=True).start()
    return int(listener.getsockname()[1])


def test_an_answer_is_bounded_in_time_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not stop.wait(0.05):
            connection.sendall(b"X: 1\r\n")

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000)

    monkeypatch.setattr(outbound, "SECONDS", 0.5)
    try:
        with pytest.raises(TimeoutError):
            outbound.post(f"http://127.0.0.1:{serve(trickle)}", b"{}", {}, ANYWHERE, outbound.certificates())
    finally:
        stop.set()
    answer = outbound.post(f"http://127.0.0.1:{serve(flood)}", b"{}", {}, ANYWHERE, outbound.certificates())
    assert (answer.status, len(answer.text)) == (200, 16_384)


def test_certificates_are_verified_for_the_name() -> None:
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    def server(name: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        return context

    def good(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    def post(name: str, context: ssl.SSLContext) -> outbound.Answer:
        return outbound.post(f"https://localhost:{serve(good, server(name))}/", b"{}", {}, ANYWHERE, context)

    assert post("localhost", trusting).status == 202
    for name, context in (("localhost", outbound.certificates()), ("other.example", trusting)):
        with pytest.raises(ssl.SSLCertVerificationError):
            post(name, context)


@pytest.fixture
def alone(stack: State, clone: str) -> Iterator[tuple[Connection, str, Organization]]:
    """A database that the worker of the stack does not serve: tools' session, worker's conninfo, an organisation."""
    database = psycopg.conninfo.conninfo_to_dict(clone)["dbname"]
    with psycopg.connect(conninfo(stack.dsn("migrator"), dbname=database), autocommit=True) as db:
        row = db.execute("select core.create_organization('ORG', 'Org', 'BD', 'USD')").fetchone()
        assert row is not None
        allow_loopback(db)
        yield db, conninfo(stack.dsn("worker"), dbname=database), Organization(row[0], "ORG", db, stack)


def subscribe(db: Connection, org: Organization, url: str) -> None:
    db.execute(
        "insert into events.webhook (org_id, name, url, event_types, user_id, secret) "
        "values (%s, 'W', %s, '{partner.updated}', %s, 'whsec_c2VjcmV0')",
        [org.id, url, org.user()],
    )


def emit(db: Connection, org: Organization, count: int) -> list[str]:
    return [
        str(row[0])
        for _ in range(count)
        for row in db.execute("select events.emit('partner.updated', 'partner', uuidv7(), org_id => %s)", [org.id])
    ]


def test_senders_at_once_send_each_event_once_and_in_order(alone: tuple[Connection, str, Organization]) -> None:
    db, dsn, org = alone
    with receiver() as hook:
        for name in "abc":
            subscribe(db, org, f"{hook.url}/{name}")
        events = emit(db, org, 20)
        settled(db, org.id)

        context = outbound.certificates()

        def work(_: int) -> None:
            with worker.connect(dsn) as connection:
                busy = True
                while busy:
                    read = connection.execute("select events.plan_deliveries(11)").fetchone()
                    busy = webhooks.serve_next(connection, context) or read != (0,)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        work(0)
        assert {name: [request.id for request in hook.got(f"/{name}")] for name in "abc"} == dict.fromkeys(
            "abc", events
        )
    assert db.execute("select distinct state, attempts from events.webhook_delivery").fetchall() == [("DELIVERED", 1)]


def test_a_worker_killed_while_sending_loses_nothing(stack: State, alone: tuple[Connection, str, Organization]) -> None:
    db, dsn, org = alone
    with receiver() as hook:
        hook.gate.clear()
        subscribe(db, org, f"{hook.url}/hook")
        events = emit(db, org, 3)
        process = subprocess.Popen(
            [sys.executable, "-m", "erpgres", "jobs", "work", "--state", str(stack.path), "--database-url", dsn],
            env={**os.environ, "PYTHONPATH": str(ROOT / "tools")}, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            until(hook.got)
            process.send_signal(signal.SIGKILL)
        finally:
            process.kill()
            process.wait()
        hook.gate.set()
        with worker.connect(dsn) as connection:
            until(lambda: webhooks.serve_next(connection, outbound.certificates()), 10)
        # At least once: the one under way came twice, under one id; the others once.
        assert [request.id for request in hook.got()] == [events[0], *events]
    assert db.execute("select count(*) from events.webhook_delivery where state = 'DELIVERED'").fetchone() == (3,)
