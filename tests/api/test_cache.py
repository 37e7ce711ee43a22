"""The gateway's cache: who gets kept answers, who must not, and what ends them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import jwt
import psycopg
import pytest

from api.test_gateway_site import OURS, Site, running
from conftest import Organization, organization
from erpgres.relay import versions
from erpgres.settings import ROOT
from erpgres.stack import gateway
from erpgres.stack.state import State
from erpgres.tokens import open_session, sign

FAST = "60000r/m burst=10000"
TELL = """
import asyncio, sys
from pathlib import Path
from erpgres.relay.versions import Versions
asyncio.run(Versions(sys.argv[1], Path(sys.argv[2])).run())
"""
QUERY = "partners?select=id,code,name&order=code"
HIT = "erpgres; hit"


@contextmanager
def telling(site: Site, stack: State) -> Iterator[subprocess.Popen[bytes]]:
    """A process that tells the gateway the versions, as the relay does."""
    words = [sys.executable, "-c", TELL, stack.dsn("relay"), str(gateway.versions_socket(site))]
    process = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(ROOT / "tools")})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def site(stack: State) -> Iterator[Site]:
    """A gateway with a cache."""
    with running(stack, ERPGRES_RATE_USER=FAST, ERPGRES_CACHE="8m") as started:
        yield started


@pytest.fixture(scope="module")
def teller(site: Site, stack: State) -> Iterator[subprocess.Popen[bytes]]:
    with telling(site, stack) as process:
        yield process


@pytest.fixture
def client(site: Site, teller: subprocess.Popen[bytes]) -> Iterator[Callable[..., httpx.Client]]:
    """Make clients of the gateway with the cache."""
    made: list[httpx.Client] = []

    def make(token: str) -> httpx.Client:
        made.append(site.client(token))
        return made[-1]

    yield make
    for one in made:
        one.close()


def is_hit(answer: httpx.Response) -> bool:
    return answer.headers.get("Cache-Status") == HIT


def warm(client: httpx.Client, path: str = QUERY, method: str = "GET", **headers: str) -> httpx.Response:
    """Read until the answer comes from the cache: on a busy machine the relay may be late."""
    deadline = time.monotonic() + 20
    while True:
        answer = client.request(method, path, headers=headers)
        if is_hit(answer):
            return answer
        assert answer.status_code in (200, 206, 304), answer.text
        assert time.monotonic() < deadline, "never from the cache"
        time.sleep(0.01)


def by_sql(db: psycopg.Connection[Any], org: Organization, name: str, code: str = "A") -> float:
    """Change or make a partner; return when that was acknowledged."""
    db.execute(
        "insert into core.partner (org_id, code, name) values (%s, %s, %s) on conflict (org_id, code) do update "
        "set name = excluded.name",
        [org.id, code, name],
    )
    return time.monotonic()


@pytest.fixture
def db(stack: State) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(stack.dsn("migrator"), autocommit=True) as connection:
        yield connection


# ---- who gets what --------------------------------------------------------------------------------------------------


def test_a_repeated_read_is_answered_from_the_cache(client: Any, org: Organization, db: Any, site: Site) -> None:
    by_sql(db, org, "Würth")
    member = client(org.token())
    kept = warm(member)
    fresh = member.get(QUERY, headers={"Cache-Control": "no-cache"})
    assert not is_hit(fresh)
    assert kept.json() == fresh.json() and [row["name"] for row in kept.json()] == ["Würth"]
    names = ("Content-Type", "Content-Range", "ETag", "Cache-Control", "RateLimit-Policy", "Content-Security-Policy")
    assert {name: kept.headers[name] for name in names} == {name: fresh.headers[name] for name in names}
    assert set(kept.headers.get_list("Vary", True)) >= {"Authorization", "Origin"}
    assert kept.headers["X-Request-ID"] != fresh.headers["X-Request-ID"]
    assert not member.get("partners?id=eq.x").is_success and not is_hit(member.get("partners?id=eq.x"))
    lines = [json.loads(line) for line in (site.log / "access.log").read_text().splitlines()]
    own = [line for line in lines if line["org"] == str(org.id) and line["path"] == "/api/partners"]
    assert {line["tier"] for line in own} == {"user"}
    assert {line["upstream_seconds"] is None for line in own} == {True, False}


def test_members_of_an_organisation_share_and_no_others(
    client: Any, org: Organization, new_org: Callable[[], Organization], db: Any
) -> None:
    by_sql(db, org, "ours")
    warm(client(org.token()))
    colleague = client(org.token())
    colleague.get("units?limit=1")
    assert warm(colleague).json() == warm(client(org.token())).json()
    other = new_org()
    by_sql(db, other, "theirs")
    assert [row["name"] for row in warm(client(other.token())).json()] == ["theirs"]
    partner_id = db.execute("select id from core.partner where org_id = %s", [org.id]).fetchone()[0]
    partner = client(org.token(partner_id=partner_id))
    assert partner.get(QUERY).status_code in (401, 403) or partner.get(QUERY).json() == []
    assert [row["name"] for row in warm(partner, "own_partner?select=name").json()] == ["ours"]
    by_sql(db, org, "second", "B")
    second = db.execute("select id from core.partner where org_id = %s and code = 'B'", [org.id]).fetchone()[0]
    stranger = client(org.token(partner_id=second))
    assert [row["name"] for row in warm(stranger, "own_partner?select=name").json()] == ["second"]
    assert [row["name"] for row in warm(partner, "own_partner?select=name").json()] == ["ours"]


def test_what_is_never_kept(client: Any, org: Organization, db: Any, stack: State) -> None:
    by_sql(db, org, "A")
    member = client(org.token(administrator=True))
    warm(member)
    for path in ("partners?select=id,contacts(id)", "wms_documents?limit=1", "users?select=id", "rpc/me", "sessions"):
        assert not any(is_hit(member.get(path)) for _ in range(3)), path
    for name, value in (("If-Match", '"1"'), ("Pragma", "no-cache"), ("Cache-Control", "max-age=0")):
        assert not is_hit(member.get(QUERY, headers={name: value})), name
    user = db.execute(
        "insert into core.app_user (email, name, kind) values (%s, 'S', 'SUPER_ADMIN') returning id",
        [f"{uuid.uuid4().hex}@example.com"],
    ).fetchone()[0]
    claims = {"role": "superadmin", "sub": str(user), "org_id": str(org.id)}
    root = client(sign({**claims, "sid": open_session(db, claims)}, stack.secret("jwt.key")))
    assert not any(is_hit(root.get(QUERY)) for _ in range(3))


def test_variants_have_answers_of_their_own(client: Any, org: Organization, db: Any) -> None:
    for n in range(40):
        by_sql(db, org, f"Company number {n}", f"C{n:02}")
    member = client(org.token())
    kept = warm(member)
    table = warm(member, Accept="text/csv")
    assert table.headers["Content-Type"].startswith("text/csv") and table.text.startswith("id,code,name")
    counted = member.get(QUERY, headers={"Prefer": "count=exact"})  # totals are counted anew each time
    assert not is_hit(counted) and counted.status_code == 206 and counted.headers["Content-Range"] == "0-19/40"
    assert len(kept.json()) == 20 and len(warm(member, f"{QUERY}&limit=40").json()) == 40
    packed = warm(member, **{"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip" and "Accept-Encoding" in packed.headers["Vary"]
    assert packed.json() == kept.json()
    head = warm(member, method="HEAD")
    assert head.content == b"" and head.headers["ETag"] == kept.headers["ETag"]
    tag = kept.headers["ETag"]
    for wanted in (tag, f'"x", {tag}', tag.removeprefix("W/"), "*"):
        same = warm(member, **{"If-None-Match": wanted})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag), wanted
    assert member.get(QUERY, headers={"If-None-Match": '"x"'}).status_code == 200
    acknowledged = by_sql(db, org, "Another", "C00")
    asked = time.monotonic()
    while (changed := member.get(QUERY, headers={"If-None-Match": tag})).status_code == 304:
        assert asked - acknowledged < 0.1
        asked = time.monotonic()
    assert changed.status_code == 200 and changed.headers["ETag"] != tag


def test_a_kept_answer_is_what_postgrest_said_to_the_last_byte(client: Any, org: Organization, db: Any) -> None:
    """Names that are not ASCII are kept in another way than names that are."""
    member = client(org.token())
    for n, name in enumerate(["plain", "Würth & Söhne", "ঢাকা টেক্সটাইল", "\U0001d11e clef", 'tab\t"quote" \\ line\nend']):
        by_sql(db, org, name, f"N{n}")
        for kind in ("application/json", "text/csv"):
            until = time.monotonic() + 20
            while True:  # until both are of after the change
                fresh = member.get(QUERY, headers={"Accept": kind, "Cache-Control": "no-cache"})
                kept = warm(member, Accept=kind)
                if kept.content == fresh.content:
                    break
                assert time.monotonic() < until, (kept.content, fresh.content)
            assert name.split("\t")[0] in kept.text and kept.headers["Content-Length"] == str(len(kept.content))


def test_a_kept_answer_has_the_headers_of_any_other(client: Any, org: Organization, db: Any) -> None:
    for n in range(20):  # long enough to be compressed
        by_sql(db, org, f"Company number {n}", f"C{n:02}")
    member = client(org.token())

    def headers(answer: httpx.Response) -> list[tuple[str, str]]:
        own = ("date", "x-request-id", "cache-status", "content-length", "transfer-encoding")
        return sorted((name, value) for name, value in answer.headers.multi_items() if name not in own)

    for asked in ({}, {"Origin": OURS}, {"Accept": "text/csv"}, {"Accept-Encoding": "gzip"}):
        kept = warm(member, **asked)
        assert headers(kept) == headers(member.get(QUERY, headers={"Cache-Control": "no-cache", **asked})), asked
        same = {"If-None-Match": kept.headers["ETag"], **asked}
        unchanged = warm(member, **same)
        fresh = member.get(QUERY, headers={"Cache-Control": "no-cache", **same})
        assert (unchanged.status_code, fresh.status_code) == (304, 304)
        assert headers(unchanged) == headers(fresh), asked


def test_the_rules_hold_where_an_answer_is_kept(client: Any, org: Organization, db: Any, site: Site) -> None:
    by_sql(db, org, "A")
    token = org.token()
    member = client(token)
    warm(member)
    for status, code, headers in (
        (400, "header_repeated", [("Foo", "1"), ("foo", "2")]),
        (400, "header_repeated", [("Accept", "text/csv"), ("Accept", "application/json")]),
        (400, "range_refused", [("Range", "0-9")]),
        (400, "count_refused", [("Prefer", "count=planned")]),
        (406, "profile_refused", [("Accept-Profile", "core")]),
        (406, "plan_refused", [("Accept", "application/vnd.pgrst.plan")]),
    ):
        answer = member.get(QUERY, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, f"gateway.{code}"), headers
    assert member.get(f"{QUERY}&limit=101").json()["code"] == "gateway.limit_out_of_range"
    assert not is_hit(member.get(QUERY, headers={"If-Modified-Since": "Mon, 23 Nov 2026 00:00:00 GMT"}))
    assert not is_hit(member.request("GET", QUERY, content=b"{}"))
    head, claims, signature = token.split(".")
    forged = jwt.encode(jwt.decode(token, options={"verify_signature": False}), "x" * 48, "HS256")
    for wrong in (f"{head}.{claims}.{'A' * len(signature)}", f"{head}.{claims}.", forged):
        with site.client(wrong) as stranger:
            assert stranger.get(QUERY).json()["code"] == "gateway.token_invalid"
    with site.client() as nobody:
        assert not is_hit(nobody.get(QUERY))
    warm(member)


def test_a_token_that_expires_gets_no_kept_answer(client: Any, org: Organization, db: Any, stack: State) -> None:
    by_sql(db, org, "A")
    claims = org.claims(org.user())
    expires = int(time.time()) + 4
    member = client(sign({**claims, "exp": expires}, stack.secret("jwt.key")))
    warm(member)
    while (answer := member.get(QUERY)).status_code == 200:
        assert time.time() < expires + 1
    assert answer.json()["code"] == "gateway.token_expired" and time.time() >= expires


def test_requests_that_alternate_share_nothing(
    client: Any, org: Organization, new_org: Callable[[], Organization], db: Any, site: Site
) -> None:
    """Users of two organisations and a partner, each on connections of his own, all at once."""
    other = new_org()
    by_sql(db, org, "ours")
    by_sql(db, other, "theirs")
    partner_id = db.execute("select id from core.partner where org_id = %s", [org.id]).fetchone()[0]
    callers = [
        (org.token(), QUERY, "ours", org), (other.token(), QUERY, "theirs", other), (org.token(), QUERY, "ours", org),
        (org.token(partner_id=partner_id), "own_partner?select=name", "ours", org),
    ]  # fmt: skip
    members = [(client(token), path, name, own) for token, path, name, own in callers]
    for member, path, _, _ in members:
        warm(member, path)

    def read(number: int) -> tuple[str, str, str, bool]:
        member, path, name, own = members[number % len(members)]
        answer = member.get(path, headers={"X-Request-ID": f"alternate-{number:04}"})
        assert [row["name"] for row in answer.json()] == [name]
        return (
            f"alternate-{number:04}",
            str(own.id),
            jwt.decode(callers[number % len(members)][0], options={"verify_signature": False})["sub"],
            is_hit(answer),
        )

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(read, range(240)))
    assert sum(hit for *_, hit in told) > 60
    logged = {
        line["request_id"]: (line["org"], line["user"])
        for line in map(json.loads, (site.log / "access.log").read_text().splitlines())
    }
    assert {name: logged[name] for name, *_ in told} == {name: (own, user) for name, own, user, _ in told}


# ---- what ends an answer --------------------------------------------------------------------------------------------


def test_a_user_reads_what_he_wrote(client: Any, org: Organization, db: Any) -> None:
    by_sql(db, org, "v0")
    token = org.token(administrator=True)
    member, elsewhere = client(token), client(token)
    for n in range(1, 13):
        warm(member)
        assert member.patch("partners?code=eq.A", json={"name": f"v{n}"}).is_success
        assert elsewhere.get(QUERY).json()[0]["name"] == f"v{n}"


def test_nobody_reads_what_is_older_than_a_tenth_of_a_second(client: Any, org: Organization, db: Any) -> None:
    by_sql(db, org, "v0")
    member = client(org.token())
    for n in range(1, 9):
        warm(member)
        until_new(member, f"v{n}", by_sql(db, org, f"v{n}"))


def until_new(client: httpx.Client, name: str, acknowledged: float) -> None:
    while True:
        asked = time.monotonic()
        if client.get(QUERY).json()[0]["name"] == name:
            return
        assert asked - acknowledged < 0.1, "older than a tenth of a second"


def until_refused(client: httpx.Client, acknowledged: float, status: int = 401) -> None:
    while True:
        asked = time.monotonic()
        if client.get(QUERY).status_code == status:
            return
        assert asked - acknowledged < 0.1, "answered although the session had ended"


def test_an_ended_session_gets_no_kept_answers(client: Any, org: Organization, db: Any, stack: State) -> None:
    by_sql(db, org, "A")
    leaving = client(org.token())
    warm(leaving)
    assert leaving.post("rpc/sign_out", json={}).is_success
    assert leaving.get(QUERY).status_code == 401
    for statement in (
        "update core.session set revoked_at = now(), revoked_because = 'REVOKED' where user_id = %s",
        "update core.session set expires_at = now() where user_id = %s",
        "delete from core.session where user_id = %s",
        "update core.app_user set is_active = false where id = %s",
        "update core.membership set is_active = false where user_id = %s",
    ):
        user = org.user()
        member = client(sign(org.claims(user), stack.secret("jwt.key")))
        warm(member)
        db.execute(statement, [user])
        until_refused(member, time.monotonic())
    user = org.user()
    limited = client(sign(org.claims(user), stack.secret("jwt.key")))
    warm(limited)
    db.execute("update core.session set is_limited = true where user_id = %s", [user])
    until_refused(limited, time.monotonic(), 403)


def test_a_token_ends_with_its_session(stack: State, org: Organization, db: Any) -> None:
    """So that whoever believes a token need not ask."""
    user = org.user()
    session = open_session(db, {"sub": str(user), "org_id": str(org.id)}, 2)
    with psycopg.connect(stack.dsn("postgres", stack.database)) as boss:
        row = boss.execute(
            "select core.give_tokens(%s, %s), (select expires_at from core.session where id = %s)",
            [session, json.dumps(org.claims(user)), session],
        ).fetchone()
    assert row is not None
    given, expires_at = row
    payload = jwt.decode(given["access_token"], options={"verify_signature": False})
    assert 0 < given["expires_in"] <= 120 and payload["exp"] <= expires_at.timestamp()


# ---- what the relay must be alive for -------------------------------------------------------------------------------


def test_a_stopped_relay_means_no_cache(
    client: Any, org: Organization, db: Any, teller: subprocess.Popen[bytes]
) -> None:
    by_sql(db, org, "v0")
    member = client(org.token())
    warm(member)
    os.kill(teller.pid, signal.SIGSTOP)
    try:
        stopped = time.monotonic()
        by_sql(db, org, "v1")
        while True:
            asked = time.monotonic()
            if not is_hit(member.get(QUERY)):
                break
            assert asked - stopped < 0.1
        assert not any(is_hit(member.get(QUERY)) for _ in range(5))
        assert member.get(QUERY).json()[0]["name"] == "v1"
    finally:
        os.kill(teller.pid, signal.SIGCONT)
    assert warm(member).json()[0]["name"] == "v1"


def test_a_new_relay_or_gateway_gives_nothing_of_before(org: Organization, db: Any, stack: State) -> None:
    by_sql(db, org, "v0")
    with running(stack, ERPGRES_RATE_USER=FAST, ERPGRES_CACHE="8m") as own, own.client(org.token()) as member:
        assert not any(is_hit(member.get(QUERY)) for _ in range(3)), "nobody tells versions"
        with telling(own, stack):
            warm(member)
        acknowledged = by_sql(db, org, "v1")
        with telling(own, stack):
            until_new(member, "v1", acknowledged)
            assert warm(member).json()[0]["name"] == "v1"
            os.kill(int((own.run / "nginx.pid").read_text()), signal.SIGHUP)
            until_new(member, "v2", by_sql(db, org, "v2"))
            warm(member)


def test_a_lost_database_connection_begins_anew(disturbed: State) -> None:
    with psycopg.connect(disturbed.dsn("migrator"), autocommit=True) as db:
        org = organization(disturbed, db)
        by_sql(db, org, "v0")
        headers = {"Authorization": f"Bearer {org.token()}"}
        with httpx.Client(base_url=f"{disturbed.url}/api/", headers=headers, verify=False) as member:
            warm(member)
            with psycopg.connect(disturbed.dsn("postgres", disturbed.database), autocommit=True) as boss:
                ended = boss.execute(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    " where application_name = 'erpgres versions'"
                ).fetchone()
            assert ended is not None and ended[0] >= 1
            until_new(member, "v1", by_sql(db, org, "v1"))
            assert warm(member).json()[0]["name"] == "v1"


# ---- figures and limits ---------------------------------------------------------------------------------------------


def test_the_figures_are_for_who_runs_the_installation(
    client: Any, org: Organization, db: Any, stack: State, api: Callable[..., httpx.Client]
) -> None:
    user = db.execute(
        "insert into core.app_user (email, name, kind) values (%s, 'S', 'SUPER_ADMIN') returning id",
        [f"{uuid.uuid4().hex}@example.com"],
    ).fetchone()[0]
    claims = {"role": "superadmin", "sub": str(user)}
    root = api(sign({**claims, "sid": open_session(db, claims)}, stack.secret("jwt.key")))

    def figures() -> dict[str, Any]:
        rows = root.get("rpc/cache_stats").json()
        return {row["view_name"] or row["cache_class"] or "all": row for row in rows}

    by_sql(db, org, "A")
    member = client(org.token())
    before = figures().get("partners", {"hits": 0, "misses": 0, "bypassed": 0, "not_modified": 0})
    tag = warm(member).headers["ETag"]
    deadline = time.monotonic() + 20
    while True:
        warm(member)
        member.get(QUERY, headers={"If-None-Match": tag})
        member.get(QUERY, headers={"Cache-Control": "no-cache"})
        after = figures().get("partners", before)
        if all(after[name] > before[name] for name in ("hits", "misses", "bypassed", "not_modified")):
            break
        assert time.monotonic() < deadline, after
    assert 0 < after["hit_rate"] < 1
    assert after["cache_class"] == "lookup" and figures()["all"]["hits"] >= figures()["lookup"]["hits"] >= after["hits"]
    assert member.get("rpc/cache_stats").status_code in (403, 404)
    with psycopg.connect(stack.dsn("monitor"), autocommit=True) as monitor:
        row = monitor.execute("select hits > 0 from ops.cache_stats() where view_name = 'partners'").fetchone()
        assert row == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            monitor.execute("select * from ops.cache_use")


def test_kept_answers_count_for_the_limits(org: Organization, db: Any, stack: State) -> None:
    by_sql(db, org, "A")
    token = org.token()
    with (
        running(stack, ERPGRES_CACHE="8m", ERPGRES_RATE_USER="30r/m burst=200") as own,
        telling(own, stack),
        own.client(token) as member,
        own.client(org.token()) as colleague,
    ):
        warm(colleague)
        hits = 0
        while (answer := member.get(QUERY)).status_code == 200:
            hits += is_hit(answer)
        assert answer.json()["code"] == "gateway.rate_limited" and answer.headers["Retry-After"] == "2"
        assert hits > 0


def test_views_that_members_share_are_told_from_the_catalog(db: Any) -> None:
    shared = {name for (name,) in db.execute("select core.shared_views()").fetchall()}
    assert {"partners", "items", "units", "locations", "countries"} <= shared
    # What a policy or the view asks the caller's rights, partner or session for is his own.
    assert not shared & {"sessions", "api_keys", "notifications", "notification_preferences"}


@pytest.mark.parametrize("setting", ["64", "64g", "0m", "big"])
def test_a_size_that_cannot_be_read_is_refused(stack: State, tmp_path: Any, setting: str) -> None:
    from erpgres.errors import CannotRun

    own = Site(tmp_path / "state", stack, {"ERPGRES_CACHE": setting})
    own.port = 1
    with pytest.raises(CannotRun, match="ERPGRES_CACHE"):
        gateway.site(own, gateway.inspect(stack.nginx_binary))


def test_a_note_that_is_pruned_before_anybody_saw_it_counts() -> None:
    book = versions.Book("e", [versions.View("partners", frozenset({"core.partner"}), "lookup", True)])
    assert book.remember(["o core.partner 105"], ()) == ["o core.partner"]
    assert book.remember([], [100]) == ["o core.partner"], "it ended late, and the newer note had its own removed"
    assert book.remember([], [106]) == [], "nothing newer would have removed it"
