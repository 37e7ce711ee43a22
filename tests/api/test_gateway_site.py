"""A gateway with settings of its own before the stack's PostgREST: limits, origins, proxies, failures, rendering."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from erpgres.errors import CannotRun
from erpgres.stack import gateway
from erpgres.stack.state import State

OURS = "https://app.example.com"
SETTINGS = {
    "ERPGRES_RATE_USER": "6r/m burst=2",
    "ERPGRES_RATE_ADDRESS": "6r/m burst 3",
    "ERPGRES_RATE_SIGN_IN": "5r/m burst 4",
    "ERPGRES_RATE_BULK": "1000r/m burst 200",
    "ERPGRES_RATE_REALTIME": "6r/m burst 4",
    "ERPGRES_REALTIME_CONNECTIONS": "2",
    "ERPGRES_CORS_ORIGINS": f"{OURS}, http://localhost:3000",
    "ERPGRES_TRUSTED_PROXIES": "127.9.9.0/24",
}


class Site(State):
    """A state directory with nothing running but a gateway; it borrows PostgREST, key and certificate of the stack."""

    def __init__(self, path: Path, stack: State, settings: dict[str, str]) -> None:
        super().__init__(path)
        self.settings = settings
        self.lender = stack
        self.upstream = stack.postgrest_socket

    def setting(self, name: str, default: Any = None) -> Any:
        return self.settings.get(name, default)

    @property
    def postgrest_socket(self) -> Path:
        return self.upstream

    @property
    def relay_socket(self) -> Path:
        return self.lender.relay_socket

    def fill(self) -> None:
        self.prepare()
        self.write(self.secrets / "jwt.key", self.lender.secret("jwt.key"), mode=0o600)
        for name in ("ca.pem", "cert.pem", "key.pem"):
            shutil.copyfile(self.lender.tls / name, self.tls / name)
            self.give(self.tls / name)

    def client(self, token: str | None = None, address: str | None = None) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.url}/api/",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            transport=httpx.HTTPTransport(local_address=address or somewhere()),
        )

    def token(self, user: str | None = None, key: str | None = None) -> str:
        claims = {
            "role": "member",
            "sub": user or str(uuid.uuid4()),
            "org_id": str(uuid.uuid4()),
            "exp": int(time.time()) + 600,
        }
        return jwt.encode(claims, key or self.secret("jwt.key"), "HS256")


def somewhere() -> str:
    """Return a loopback address that no other test uses."""
    return "127." + ".".join(str(10 + secrets.randbelow(240)) for _ in range(3))


def free_ports() -> int:
    """Return a port that is free together with the third after it."""
    while True:
        port = 30000 + secrets.randbelow(20000)
        try:
            for wanted in (port, port + 3):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", wanted))
        except OSError:
            continue
        return port


@contextmanager
def running(stack: State, upstream: Path | None = None, **settings: str) -> Iterator[Site]:
    """Start a gateway in a directory whose name holds blanks; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="a gateway of its own "))
    folder.chmod(0o711)
    site = Site(folder / "state", stack, {**SETTINGS, **settings})
    site.port = free_ports()
    site.upstream = upstream or site.upstream
    site.fill()
    gateway.render(site)
    account: dict[str, Any] = {}
    if site.account:
        account = {"user": site.account.uid, "group": site.account.gid, "extra_groups": []}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [site.nginx_binary, *gateway.nginx_arguments(site)], stderr=log, stdout=log, cwd="/", **account
        )
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx.get(f"{site.url}/")
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
        yield site
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)
        shutil.rmtree(site.run, ignore_errors=True)
        shutil.rmtree(site.control, ignore_errors=True)


@pytest.fixture(scope="module")
def site(stack: State) -> Iterator[Site]:
    with running(stack) as started:
        yield started


def statuses(
    client: httpx.Client, number: int, path: str = "rpc/health", method: str = "GET", **more: Any
) -> list[bool]:
    """Send requests and say for each whether the limit let it through."""
    return [client.request(method, path, **more).status_code != 429 for _ in range(number)]


def limited(answer: httpx.Response, tier: str, wait: int) -> None:
    """Check an answer that says: not now."""
    assert answer.status_code == 429
    body = answer.json()
    assert body["code"] == "gateway.rate_limited"
    assert set(body) == {"code", "message", "details", "hint"}
    assert answer.headers["Retry-After"] == str(wait)
    assert answer.headers["RateLimit"] == f'"{tier}";r=0;t={wait}'
    assert answer.headers["RateLimit-Policy"].startswith(f'"{tier}";q=')
    assert answer.headers["X-Request-ID"]


# ---- limits ---------------------------------------------------------------------------------------------------------


def test_a_user_is_limited_wherever_he_comes_from(site: Site) -> None:
    token = site.token()
    with site.client(token) as here, site.client(token) as there, site.client(site.token()) as another:
        assert statuses(here, 2) + statuses(there, 2) == [True, True, True, False]
        limited(here.get("rpc/health"), "user", 10)
        assert statuses(another, 1) == [True]
        assert another.get("rpc/health").headers["RateLimit-Policy"] == '"user";q=6;w=60'


def test_a_forged_token_counts_for_the_address(site: Site) -> None:
    user = str(uuid.uuid4())
    with site.client(site.token(user, key="k" * 40)) as forger, site.client(site.token(user)) as owner:
        assert statuses(forger, 5) == [True, True, True, True, False]
        limited(forger.get("rpc/health"), "address", 10)
        assert statuses(owner, 3) == [True, True, True]


def test_the_anonymous_are_limited_by_address(site: Site) -> None:
    with site.client() as one, site.client() as another:
        assert statuses(one, 5) == [True, True, True, True, False]
        limited(one.get("countries"), "address", 10)
        assert statuses(another, 1) == [True]


def test_refused_requests_count_too(site: Site) -> None:
    with site.client(site.token()) as client:
        assert [client.get("countries?limit=500").status_code for _ in range(4)] == [400, 400, 400, 429]


@pytest.mark.parametrize("function", ["sign_in", "password_reset_request"])
def test_signing_in_is_limited_by_address(site: Site, function: str) -> None:
    with site.client() as client:
        assert statuses(client, 6, f"rpc/{function}", "POST", json={}) == [True] * 5 + [False]
        limited(client.post(f"rpc/{function}", json={}), "sign_in", 12)
        # Another spelling of the path is the same path, a token does not help, and the rest of the API is not touched.
        assert statuses(client, 1, f"r%70c/{function}", "POST", json={}) == [False]
        assert statuses(
            client, 1, f"rpc/{function}", "POST", json={}, headers={"Authorization": f"Bearer {site.token()}"}
        ) == [False]
        assert statuses(client, 1, "rpc/health") == [True]


@pytest.mark.parametrize("function", ["sync_push", "sync_pull", "import_partners"])
def test_bulk_work_has_a_limit_of_its_own(site: Site, function: str) -> None:
    with site.client(site.token()) as client, site.client() as stranger:
        answer = client.post(f"rpc/{function}", json={})
        assert answer.headers["RateLimit-Policy"] == '"bulk";q=1000;w=60'
        assert all(statuses(client, 20, f"rpc/{function}", "POST", json={}))
        assert statuses(client, 4) == [True, True, True, False]
        assert stranger.post(f"rpc/{function}", json={}).headers["RateLimit-Policy"] == '"address";q=6;w=60'


def test_realtime_connections_are_counted_by_address(site: Site) -> None:
    address, another = somewhere(), somewhere()

    def dial(source: str) -> tuple[socket.socket, int]:
        """Ask for a WebSocket from an address; return the connection and the status."""
        connection = socket.create_connection(("127.0.0.1", site.port), timeout=20, source_address=(source, 0))
        connection.sendall(
            b"GET /realtime/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        return connection, int(connection.recv(4096).split()[1])

    with ExitStack() as opened:
        statuses = []
        for source in (address, address, address, another):
            connection, status = dial(source)
            opened.enter_context(connection)
            statuses.append(status)
        assert statuses == [101, 101, 429, 101]  # two at once
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address)) as client:
        answers = [client.get(f"{site.url}/realtime/events") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]  # and five within a moment
        limited(answers[-1], "realtime", 10)


def test_health_has_a_limit_of_its_own(site: Site) -> None:
    with site.client() as client:
        assert all(statuses(client, 20, f"{site.url}/health"))
        assert statuses(client, 5) == [True, True, True, True, False]


def test_connections_of_an_address_are_limited(site: Site) -> None:
    address = somewhere()
    lines = [
        "POST /api/rpc/sync_push HTTP/1.1",
        "Host: a",
        f"Authorization: Bearer {site.token()}",
        "Content-Length: 5",
    ]
    start = "\r\n".join([*lines, "", ""])
    with ExitStack() as held:
        for _ in range(100):
            connection = held.enter_context(
                socket.create_connection(("127.0.0.1", site.port), source_address=(address, 0))
            )
            connection.sendall(start.encode())
        with site.client(site.token(), address) as client, site.client(site.token()) as another:
            deadline = time.monotonic() + 5
            while (answer := client.post("rpc/sync_push", json={})).status_code != 429:
                assert time.monotonic() < deadline
            assert "connections" in answer.json()["hint"]
            assert answer.headers["Retry-After"] == "1"
            assert another.post("rpc/sync_push", json={}).status_code != 429


# ---- origins --------------------------------------------------------------------------------------------------------


def cors(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def test_our_origins_may_read_answers(site: Site) -> None:
    with site.client() as client:
        for path in ("rpc/health", "countries?limit=500", f"{site.url}/nothing"):
            answer = client.get(path, headers={"Origin": OURS})
            assert answer.headers.get_list("Access-Control-Allow-Origin") == [OURS]
            assert answer.headers["Access-Control-Allow-Credentials"] == "true"
            assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
            assert "Origin" in answer.headers["Vary"]


def test_a_preflight_is_answered_by_the_gateway(site: Site) -> None:
    headers = {
        "Origin": OURS,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization",
    }
    with site.client() as client:
        answer = client.options("partners", headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example.com", "null", f"{OURS}.evil.com", "http://app.example.com", "https://app.example.com:444"],
)
def test_other_origins_get_nothing(site: Site, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    with site.client() as client:
        assert cors(client.options("partners", headers=headers)) == {}
        answer = client.get("rpc/health", headers={"Origin": origin})
        assert (answer.status_code, cors(answer)) == (200, {})
        assert "Origin" in answer.headers["Vary"]


# ---- proxies, failures ----------------------------------------------------------------------------------------------


def _address(site: Site, client: httpx.Client, forwarded: str) -> str:
    mark = f"address.{uuid.uuid4()}"
    client.get("rpc/health", headers={"X-Forwarded-For": forwarded, "X-Request-ID": mark})
    deadline = time.monotonic() + 20
    while mark not in (text := (site.log / "access.log").read_text()):
        assert time.monotonic() < deadline
    return next(line for line in text.splitlines() if mark in line).split('"address":"')[1].split('"')[0]


def test_only_a_trusted_proxy_says_who_asks(site: Site) -> None:
    address = somewhere()
    with site.client(address="127.9.9.4") as proxy, site.client(address=address) as client:
        assert _address(site, proxy, "198.51.100.7") == "198.51.100.7"
        assert _address(site, proxy, "10.1.1.1, 198.51.100.8") == "198.51.100.8"
        assert _address(site, client, "198.51.100.7") == address


def test_without_postgrest_the_gateway_says_so(stack: State) -> None:
    with running(stack, upstream=Path("/nonexistent/postgrest.sock")) as site, site.client() as client:
        answer = client.get("countries")
        assert (answer.status_code, answer.json()["code"]) == (503, "gateway.upstream_unavailable")
        assert answer.headers["Retry-After"] == "2"
        assert "RateLimit" not in answer.headers
        health = client.get(f"{site.url}/health")
        assert health.status_code == 503
        assert (health.json()["status"], health.json()["database"], health.json()["migration"]) == (
            "unhealthy",
            "down",
            None,
        )


# ---- the written files ----------------------------------------------------------------------------------------------


@pytest.fixture
def unstarted(stack: State) -> Iterator[Callable[..., Site]]:
    folders = []

    def make(name: str = "state", **settings: str) -> Site:
        folders.append(Path(tempfile.mkdtemp(prefix="a gateway of its own ")))
        made = Site(folders[-1] / name, stack, {**SETTINGS, **settings})
        made.fill()
        return made

    yield make
    for folder in folders:
        shutil.rmtree(folder)


def test_rendering_is_repeatable_and_keeps_the_key(unstarted: Callable[..., Site]) -> None:
    site = unstarted()
    assert gateway.prepare(site)
    assert not gateway.prepare(site)
    assert gateway.render(site) == site.etc / "nginx.conf"
    holders = [path.name for path in site.etc.iterdir() if site.secret("jwt.key") in path.read_text()]
    assert holders == ["gateway.json"]
    assert stat.S_IMODE((site.etc / "gateway.json").stat().st_mode) == 0o600
    site.settings["ERPGRES_CORS_ORIGINS"] = ""
    assert gateway.prepare(site)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("ERPGRES_RATE_USER", "fast"),
        ("ERPGRES_RATE_ADDRESS", "0r/m"),
        ("ERPGRES_RATE_SIGN_IN", "5r/m; return 200"),
        ("ERPGRES_CORS_ORIGINS", "*"),
        ("ERPGRES_CORS_ORIGINS", "https://a.example.com/path"),
        ("ERPGRES_CORS_ORIGINS", 'https://a";'),
        ("ERPGRES_TRUSTED_PROXIES", "everybody"),
        ("ERPGRES_RATE_REALTIME", "many"),
        ("ERPGRES_REALTIME_CONNECTIONS", "500; return 200"),
    ],
)
def test_a_setting_that_cannot_be_read_is_refused(unstarted: Callable[..., Site], setting: str, value: str) -> None:
    with pytest.raises(CannotRun) as refusal:
        gateway.render(unstarted(**{setting: value}))
    assert setting in refusal.value.message
    assert refusal.value.hint


def test_a_path_that_nginx_cannot_name_is_refused(unstarted: Callable[..., Site]) -> None:
    with pytest.raises(CannotRun, match="variable"):
        gateway.render(unstarted("a$b"))


def test_rates_are_read() -> None:
    assert gateway.rate("x", "100r/m burst 50") == gateway.Rate(100, 60, 50)
    assert gateway.rate("x", "10r/s") == gateway.Rate(10, 1, 0)
    assert (gateway.Rate(5, 60, 0).wait, gateway.Rate(100, 60, 0).wait, gateway.Rate(10, 1, 0).wait) == (12, 1, 1)


def test_the_gateway_keeps_idle_connections_for_less_than_postgrest(stack: State) -> None:
    """What is sent on a connection that PostgREST is closing is lost, and a write is not sent again."""
    kept = re.findall(r"keepalive (\d+);\s+keepalive_timeout (\d+)s;", (stack.etc / "gateway-http.conf").read_text())
    assert kept == [("64", "15"), ("64", "15")]


@pytest.mark.drill
def test_postgrest_keeps_idle_connections_for_longer_than_the_gateway(stack: State) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(stack.postgrest_socket))
        connection.sendall(b"GET /rpc/health HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            answer += connection.recv(65536)
        connection.settimeout(20)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_an_older_nginx_gets_its_own_words(unstarted: Callable[..., Site]) -> None:
    site = unstarted()
    old = gateway.site(
        site, gateway.Nginx((1, 22, 1), Path("/usr/lib/nginx/modules/ngx_http_js_module.so"), False, False)
    )
    assert "ssl http2;" in old["gateway-server.conf"]
    assert 'load_module "/usr/lib/nginx/modules/ngx_http_js_module.so";' in old["gateway-main.conf"]
    new = gateway.site(site, gateway.Nginx((1, 31, 3), None, True, True))
    assert "http2 on;" in new["gateway-server.conf"]
    assert ("js_shared_dict_zone" in old["gateway-http.conf"], "js_shared_dict_zone" in new["gateway-http.conf"]) == (
        False, True,
    )  # fmt: skip
    assert "load_module" not in new["gateway-main.conf"]
    assert ("js_engine" in old["gateway-http.conf"], "js_engine njs;" in new["gateway-http.conf"]) == (False, True)


def test_a_program_that_is_not_nginx_is_refused() -> None:
    with pytest.raises(CannotRun):
        gateway.inspect(Path(os.devnull))
    with pytest.raises(CannotRun, match="not nginx"):
        gateway.inspect(Path("/bin/true"))


def test_an_engine_whose_variables_outlive_a_request_is_refused(stack: State, tmp_path: Path) -> None:
    assert gateway.inspect(stack.nginx_binary).has_engines
    only = tmp_path / "nginx"
    only.write_text(
        "#!/bin/sh\n[ $1 = -V ] && { echo nginx/1.31.3 --add-module=njs >&2; exit; }\n! grep -q 'js_engine njs' $6\n"
    )
    only.chmod(0o755)
    with pytest.raises(CannotRun, match="QuickJS"):
        gateway.inspect(only)
