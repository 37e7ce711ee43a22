"""docs/frontends.md: totals, and what its two helpers do on a network that fails."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, TypedDict

import psycopg
import pytest

from api.network import Network
from conftest import Organization
from erpgres import npm
from erpgres.apitypes import python, typescript
from erpgres.docs import catalog
from erpgres.docs.model import Model
from erpgres.settings import ROOT
from erpgres.stack.state import State
from erpgres.tokens import sign

EXAMPLES = ROOT / "docs/examples"
PAGE = (ROOT / "docs/frontends.md").read_text()
# Names in another order than codes, some of them twice, with what a filter would read as its own signs.
NAMES = ['Al, "Jute" & Co', "Børge (Oslo)", "back\\slash", "a.b,c", "100%"]
SMALL = [(f"P{number:02}", NAMES[number * 7 % 5]) for number in range(35)]
BUSY = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Partner(TypedDict):
    id: str
    code: str
    name: str
    version: int


@pytest.fixture(scope="module")
def helper() -> ModuleType:
    """docs/examples/erpgres.py, under a name that is not that of this package."""
    spec = importlib.util.spec_from_file_location("frontend_helper", EXAMPLES / "erpgres.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def world(stack: State) -> Iterator[Organization]:
    """An organisation with 35 partners P… and 10,000 partners Q…, which the tests of this module share."""
    with psycopg.connect(stack.dsn("migrator"), autocommit=True) as db:
        code = f"T{uuid.uuid4().hex[:12].upper()}"
        row = db.execute("select core.create_organization(%s, %s, 'BD', 'USD')", [code, f"Test {code}"]).fetchone()
        assert row
        with db.cursor() as cursor:
            cursor.executemany(
                "insert into core.partner (org_id, code, name) values (%s, %s, %s)", [(row[0], *one) for one in SMALL]
            )
        db.execute(
            "insert into core.partner (org_id, code, name)"
            " select %s, 'Q' || n, 'Partner ' || n from generate_series(1, 10000) as n",
            [row[0]],
        )
        yield Organization(row[0], code, db, stack)


@pytest.fixture(scope="module")
def model(stack: State) -> Model:
    return catalog.read(stack.dsn("migrator"))


@pytest.fixture
def erp(helper: ModuleType, world: Organization, stack: State) -> Callable[..., Any]:
    """Make clients of the helper: `erp()` straight to the gateway, `erp(network)` through one that fails."""

    def make(network: Network | None = None, **options: Any) -> Any:
        options = {"token": lambda renew: world.admin_token, **options}
        return helper.connect(network.url if network else stack.url, **options)

    return make


@pytest.fixture
def address() -> str:
    """A loopback address of its own, so that no limit that counts addresses is shared."""
    return "127." + ".".join(str(1 + secrets.randbelow(250)) for _ in range(3))


def expired(org: Organization) -> str:
    now = int(time.time())
    claims = {**org.claims(org.users["admin"]), "iat": now - 1000, "exp": now - 100}
    return sign(claims, org.stack.secret("jwt.key"))


# ---- totals ----------------------------------------------------------------------------------------------------------


def test_a_total_is_exact_up_to_ten_thousand(api: Any, world: Organization) -> None:
    client = api(world.admin_token, Prefer="count=exact")

    def told(query: str, method: str = "GET", **headers: str) -> tuple[Any, ...]:
        answer = client.request(method, f"partners?{query}", headers=headers)
        assert answer.is_success, answer.text
        fields = ("X-Total-Count", "Content-Range", "Preference-Applied")
        return answer.status_code, *(answer.headers.get(field) for field in fields)

    exact = "count=exact"
    assert told("code=like.P*") == (206, "35", "0-19/35", exact)
    assert told("code=like.P*&limit=50") == (200, "35", "0-34/35", exact)
    assert told("code=eq.NONE") == (200, "0", "*/0", exact)
    assert told("code=like.Q*&limit=1") == (206, "10000", "0-0/10000", exact)
    assert told("code=like.Q*&limit=1&offset=9999&order=code", "HEAD") == (206, "10000", "9999-9999/10000", exact)
    more = client.post("partners", json={"code": "Q10001", "name": "One more"}, headers={"Prefer": "return=minimal"})
    assert more.status_code == 201
    assert told("code=like.Q*&limit=1") == (200, "10000+", "0-0/*", None)
    assert told("code=like.Q*&order=code.desc&%6Cimit=5", "HEAD") == (200, "10000+", "0-4/*", None)
    assert told("code=like.Q*;offset=10000") == (200, "10000+", "10000-10000/*", None)
    assert told("code=like.Q*&limit=1", Prefer="timezone=UTC, count=exact ,handling=lenient")[1] == "10000+"
    assert told("code=like.Q*&limit=1", Accept="text/csv")[1] == "10000+"
    # With rows of another view, by which it may be filtered as well.
    assert told("code=like.Q*&select=code,contacts(name)&limit=1")[1] == "10000+"
    assert told("code=like.Q*&select=code,contacts!inner(name)&limit=1")[1] == "0"
    client.patch("partners?code=eq.Q10001", json={"code": "R10001"}).raise_for_status()
    assert told("code=like.Q*&limit=1")[1] == "10000"


def test_a_total_counts_what_its_caller_sees(api: Any, world: Organization, org: Organization) -> None:
    answer = api(org.admin_token, Prefer="count=exact").get("partners")
    assert (answer.json(), answer.headers["X-Total-Count"], answer.headers["Content-Range"]) == ([], "0", "*/0")
    refused = api(org.admin_token, Prefer="count=exact").get("partners?nonsense=eq.1")
    assert (refused.status_code, "X-Total-Count" in refused.headers) == (400, False)
    beyond = api(world.admin_token, Prefer="count=exact").get("partners?code=like.P*&offset=40")
    assert (beyond.status_code, beyond.json()["code"]) == (416, "PGRST103")
    # Functions and writes are counted to the end: their rows have been made.
    made = api(world.admin_token, Prefer="count=exact,return=minimal")
    assert made.patch("partners?code=eq.P01", json={"note": "x"}).headers["Content-Range"] == "0-0/1"
    assert made.get("rpc/me").status_code == 200


# ---- the helper in Python --------------------------------------------------------------------------------------------


def test_pages_by_cursor_cover_every_row_once(helper: ModuleType, erp: Any) -> None:
    client = erp()

    def codes(**options: Any) -> list[str]:
        def query() -> Any:
            return client.from_("partners").select("id", "code", "name").like("code", "P%")

        found = list(helper.pages(query, Partner, size=10, **options))
        assert [len(page) for page in found] == [10, 10, 10, 5]
        return [row["code"] for page in found for row in page]

    assert codes() == [code for code, _ in reversed(SMALL)]
    assert codes(descending=False) == [code for code, _ in SMALL]
    upwards = codes(by="name", descending=False)
    assert sorted(upwards) == [code for code, _ in SMALL]
    assert codes(by="name") == upwards[::-1]
    with pytest.raises(ValueError, match="tax_id is null"):
        list(helper.pages(lambda: client.from_("partners").select("id", "tax_id"), Partner, by="tax_id", size=10))


def test_a_total_can_be_shown(helper: ModuleType, erp: Any) -> None:
    client = erp()
    few = helper.total(lambda: client.from_("partners").select("id").like("code", "P%"))
    many = helper.total(lambda: client.from_("partners").select("id"))
    assert (few, str(few)) == (helper.Total(35, True), "35")
    assert (many, str(many)) == (helper.Total(10000, False), "10000+")


def test_an_error_has_one_shape(helper: ModuleType, erp: Any, stack: State) -> None:
    with pytest.raises(helper.ErpgresError) as refused:
        erp().from_("partners").insert({"code": "X", "name": "X", "country_code": "ZZ"}).execute()
    error = refused.value
    assert (error.code, error.status, error.is_retryable) == ("23503", 409, False)
    assert error.message and uuid.UUID(error.request_id).version == 7
    deadline = time.monotonic() + 20
    while error.request_id not in (stack.log / "access.log").read_text():  # written after the answer has gone out
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("fate", ["unsent", "unanswered", "torn"])
def test_a_post_that_was_cut_has_one_effect(erp: Any, stack: State, world: Organization, fate: str) -> None:
    with Network(stack.port, [fate, fate]) as network:
        client = erp(network)
        made = client.from_("partners").insert({"code": f"CUT-{fate}", "name": fate}).execute().data
        found = client.from_("partners").select("*").eq("code", f"CUT-{fate}").execute().data
    assert made == found and len(found) == 1
    assert len(network.keys) == 4 and len(set(network.keys[:3])) == 1 and uuid.UUID(network.keys[0]).version == 7
    assert network.statuses == ([201, 200] if fate == "unsent" else [201, 201, 201, 200])


def test_a_post_that_is_still_being_worked_on_is_waited_for(erp: Any, stack: State, world: Organization) -> None:
    """The first attempt waits for a lock and is given up; the next ones are told so, and get its answer in the end."""
    with psycopg.connect(stack.dsn("migrator")) as other, Network(stack.port) as network:
        other.execute("insert into core.partner (org_id, code, name) values (%s, 'SLOW', 'Slow')", [world.id])

        def release() -> None:
            deadline = time.monotonic() + 20
            while 409 not in network.statuses and time.monotonic() < deadline:
                time.sleep(0.02)
            other.rollback()

        thread = threading.Thread(target=release)
        thread.start()
        insert = erp(network, timeout=0.5, attempts=20).from_("partners").insert({"code": "SLOW", "name": "Slow"})
        (made,) = insert.execute().data
        thread.join()
    assert set(network.statuses) == {409, 201} and len(set(network.keys)) == 1
    found = world.db.execute("select id from core.partner where org_id = %s and code = 'SLOW'", [world.id]).fetchall()
    assert found == [(uuid.UUID(made["id"]),)]


def test_what_takes_no_key_is_sent_without(helper: ModuleType, erp: Any, stack: State) -> None:
    with Network(stack.port, ["", "unanswered"]) as network:
        client = erp(network)
        with pytest.raises(helper.ErpgresError) as refused:
            client.rpc("api_key_create", {"name": "Scanner", "permissions": []}).execute()
        assert refused.value.code == "client.unreachable"  # it may have been made: not for the helper to send again
        assert client.from_("partners").insert({"code": "COUNT", "name": "Count"}, count="exact").execute().count == 1
    assert network.statuses == [400, 200, 400, 201]
    assert [key != "" for key in network.keys] == [True, False, True, False]


def test_waiting_has_a_measure_and_an_end(helper: ModuleType, erp: Any, stack: State, address: str) -> None:
    with Network(stack.port, [BUSY]) as network:
        begun = time.monotonic()
        assert len(erp(network).from_("partners").select("id").limit(3).execute().data) == 3
        assert 1 <= time.monotonic() - begun < 20
    with Network(stack.port, ["unsent"] * 9) as network:
        with pytest.raises(helper.ErpgresError) as refused:
            erp(network, attempts=3).from_("partners").insert({"code": "X", "name": "X"}).execute()
        assert (refused.value.code, refused.value.status) == ("client.unreachable", 0)
        assert refused.value.is_retryable
        assert network.keys == [refused.value.request_id] * 3
    # Five a minute: the next would have to wait for longer than there is patience.
    with Network(stack.port, address=address) as network:
        anonymous = erp(network, token=None, patience=5)
        with pytest.raises(helper.ErpgresError) as refused:
            for _ in range(9):
                anonymous.rpc("password_reset_request", {"email": "nobody@example.com"}).execute()
        assert (refused.value.code, refused.value.status) == ("gateway.rate_limited", 429)
        assert refused.value.is_retryable and refused.value.retry_after == 12
        assert network.statuses.count(429) == 1


def test_an_answer_that_is_still_good_is_not_sent_again(erp: Any, stack: State) -> None:
    (partner,) = erp().from_("partners").insert({"code": "ETAG", "name": "Tag"}).execute().data
    with Network(stack.port) as network:
        client = erp(network)

        def read() -> Any:
            return client.from_("partners").select("*").eq("code", "ETAG").single().execute().data

        assert read() == read() == partner
        assert network.statuses == [200, 304]
        erp().from_("partners").update({"name": "Other"}).eq("id", partner["id"]).execute()
        assert read()["name"] == read()["name"] == "Other"
        assert network.statuses == [200, 304, 200, 304]


def test_a_stale_change_is_a_conflict_that_shows_the_row(helper: ModuleType, erp: Any) -> None:
    client = erp()
    (seen,) = client.from_("partners").insert({"code": "STALE", "name": "One"}).execute().data
    changed = helper.update(client, "partners", seen, {"name": "Two"})
    assert (changed["name"], changed["version"]) == ("Two", seen["version"] + 1)
    with pytest.raises(helper.Conflict) as refused:
        helper.update(client, "partners", seen, {"name": "Three"})
    assert (refused.value.code, refused.value.status) == ("core.stale_version", 412)
    assert refused.value.current == changed
    assert helper.update(client, "partners", refused.value.current, {"name": "Three"})["name"] == "Three"
    with pytest.raises(helper.Conflict) as refused:
        helper.update(client, "partners", changed | {"id": helper.uuid7()}, {"name": "Nobody"})
    assert (refused.value.code, refused.value.current) == ("core.if_match_gone", None)
    with pytest.raises(helper.ErpgresError) as other:
        helper.update(client, "partners", changed | {"version": changed["version"] + 1}, {"country_code": "ZZ"})
    assert (other.value.status, isinstance(other.value, helper.Conflict)) == (409, False)


def test_an_expired_token_is_renewed_once_for_all(
    helper: ModuleType, erp: Any, stack: State, world: Organization
) -> None:
    good, old = world.admin_token, expired(world)
    asked: list[bool] = []

    def token(renew: bool) -> str:
        asked.append(renew)
        return good if renew else old

    client = erp(token=token)
    found: list[int] = []

    def read() -> None:
        found.append(len(client.from_("partners").select("id").limit(2).execute().data))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, asked) == ([2] * 4, [False, True])
    with pytest.raises(helper.ErpgresError) as refused:
        erp(token=lambda renew: old).from_("partners").select("id").execute()
    assert (refused.value.code, refused.value.status) == ("gateway.token_expired", 401)


@pytest.mark.drill
def test_the_python_is_strictly_typed(model: Model, tmp_path: Path) -> None:
    (tmp_path / "erpgres.py").write_text((EXAMPLES / "erpgres.py").read_text())
    (tmp_path / "erpgres_types.py").write_text(python.render(model))
    (tmp_path / "client.py").write_text((Path(__file__).parent / "frontends/client.py").read_text())
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path / 'cache'}", "client.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


# ---- the helper in TypeScript ----------------------------------------------------------------------------------------

SITE = """
declare const process: { argv: string[] }
const { url, email, password } = JSON.parse(process.argv[2] ?? '') as Record<'url' | 'email' | 'password', string>
const shown: string[] = []
const show = (text: string) => shown.push(text)
"""
SHOWN = "console.log(JSON.stringify([shown, first, second, made, renamed, await accessToken(true)]))\n"


@pytest.fixture(scope="module")
def built(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The helper, the client that tries it and the code of the page, as strict TypeScript makes JavaScript of them."""
    folder = tmp_path_factory.mktemp("frontends")
    packages = npm.project("types") / "node_modules"
    (folder / "node_modules").symlink_to(packages)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "database.ts").write_text(typescript.render(model))
    (folder / "erpgres.ts").write_text((EXAMPLES / "erpgres.ts").read_text())
    (folder / "client.ts").write_text((Path(__file__).parent / "frontends/client.ts").read_text())
    (folder / "page.ts").write_text("\n".join([SITE, *re.findall(r"```ts\n(.*?)```", PAGE, re.DOTALL), SHOWN]))
    done = subprocess.run(
        [npm.node().program, packages / "typescript" / "bin" / "tsc", "--strict", "--skipLibCheck", "--pretty", "false",
         "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--erasableSyntaxOnly",
         "--noUncheckedIndexedAccess", "--outDir", "out", "client.ts", "page.ts"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder / "out"


def run(program: Path, **given: Any) -> Any:
    return json.loads(npm.node().run(program, json.dumps(given)))


def test_the_typescript_keeps_what_it_promises(built: Path, stack: State, world: Organization) -> None:
    good, old = world.admin_token, expired(world)
    fates: dict[str, list[str]] = {
        "plain": [], "unsent": ["unsent"] * 2, "unanswered": ["unanswered"] * 2, "torn": ["torn"] * 2, "busy": [BUSY],
        "dead": ["unsent"] * 9, "expiring": [], "remembering": [],
    }  # fmt: skip
    with ExitStack() as running:
        networks = {name: running.enter_context(Network(stack.port, fate)) for name, fate in fates.items()}
        urls = {name: network.url for name, network in networks.items()}
        said = run(built / "client.js", urls=urls, token=good, expired=old)

    codes = [code for code, _ in SMALL]
    assert [len(page) for page in said["newest"]] == [10, 10, 10, 5]
    newest, upwards, downwards = (list(chain(*said[name])) for name in ("newest", "byName", "byNameDown"))
    assert newest == codes[::-1] and sorted(upwards) == codes and downwards == upwards[::-1]
    assert said["total"] == {"count": 35, "isExact": True, "text": "35"}
    assert said["capped"] == {"count": 10000, "isExact": False, "text": "10000+"}
    assert "tax_id is null" in said["byNothing"]
    assert (said["error"]["code"], said["error"]["status"], said["error"]["isRetryable"]) == ("23503", 409, False)
    assert said["error"]["name"] == "ErpgresError" and uuid.UUID(said["error"]["requestId"]).version == 7

    for name in ("unsent", "unanswered", "torn"):
        keys = networks[name].keys
        assert said[name] == name.upper() and len(keys) == 3 and len(set(keys)) == 1
        assert networks[name].statuses == ([201] if name == "unsent" else [201] * 3)
        count = "select count(*) from core.partner where org_id = %s and code = %s"
        assert world.db.execute(count, [world.id, name.upper()]).fetchone() == (1,)
    assert said["busy"] == "TORN" and 1000 <= said["waited"] < 20000
    assert networks["dead"].keys == [said["dead"][3]] * 3 and said["dead"][:3] == ["client.unreachable", 0, True]
    assert said["kept"][0] == said["kept"][1] and said["keyless"]["key"].startswith("erk_")

    assert said["same"] and said["changed"] == ["Key Ltd", 1, "Key Ltd"]
    assert networks["remembering"].statuses == [200, 304, 200]
    assert said["conflict"] == ["core.stale_version", 412, "Key Ltd"]
    assert said["renewed"] == [[1, 1, 1], 1] and sorted(networks["expiring"].statuses) == [200] * 3 + [401] * 3
    assert said["expired"] == ["gateway.token_expired", 401]


# ---- the page --------------------------------------------------------------------------------------------------------


@pytest.fixture
def somebody(org: Organization) -> dict[str, str]:
    """Address and password of an administrator, and three partners for him to list."""
    user = org.user(administrator=True)
    org.db.execute("select core.set_password(%s, 'Indigo-and-Jute-1971')", [user])
    for code in ("A", "B", "C"):
        org.db.execute("insert into core.partner (org_id, code, name) values (%s, %s, %s)", [org.id, code, code * 3])
    row = org.db.execute("select email from core.app_user where id = %s", [user]).fetchone()
    assert row
    return {"email": row[0], "password": "Indigo-and-Jute-1971"}


def judge(told: list[Any], network: Network) -> None:
    """What either program of the page tells: what it showed, currencies twice, a partner twice, a renewed token."""
    shown, first, second, made, renamed, token = told
    assert shown[:4] == ["A AAA", "B BBB", "C CCC", "3 partners"]
    assert re.fullmatch(r".+ \(23503, request [0-9a-f-]{36}\)", shown[4])
    assert shown[5:] == ["It is called Oslo Mote AS by now."]
    assert first == second and len(first) == 20 and first[0] == {"code": "AED", "name": "UAE Dirham"}
    assert (made["code"], renamed["name"], renamed["version"] - made["version"]) == ("OSLO", "Oslo Mote AS", 1)
    assert token.count(".") == 2 and network.statuses.count(304) == 1


def test_the_typescript_of_the_page_works(built: Path, stack: State, somebody: dict[str, str], address: str) -> None:
    with Network(stack.port, address=address) as network:
        judge(run(built / "page.js", url=network.url, **somebody), network)


def test_the_python_of_the_page_works(
    model: Model, stack: State, somebody: dict[str, str], address: str, tmp_path: Path
) -> None:
    (tmp_path / "erpgres.py").write_text((EXAMPLES / "erpgres.py").read_text())
    (tmp_path / "erpgres_types.py").write_text(python.render(model))
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    site = "import json, sys\nurl, email, password = sys.argv[1:]\nshown = []\nshow = shown.append\n"
    told = "print(json.dumps([shown, first, second, made, renamed, access_token(True)]))\n"
    (tmp_path / "page.py").write_text("\n".join([site, *blocks, told]))
    with Network(stack.port, address=address) as network:
        done = subprocess.run(
            [sys.executable, tmp_path / "page.py", network.url, somebody["email"], somebody["password"]],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        judge(json.loads(done.stdout), network)
