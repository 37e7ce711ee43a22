"""Whatever is sent, no answer is a server error, and none tells of what is inside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from urllib.parse import unquote_plus

import httpx
import psycopg
import pytest
import schemathesis
from hypothesis.control import BuildContext
from hypothesis.errors import StopTest, UnsatisfiedAssumption
from hypothesis.internal import constants_ast
from hypothesis.internal.conjecture import providers
from hypothesis.internal.conjecture.data import ConjectureData
from hypothesis.internal.entropy import deterministic_PRNG
from hypothesis.strategies import SearchStrategy

ROLLBACK = {"Prefer": "tx=rollback"}

# What an attacker writes where a value is expected.
NASTY = (
    "' or '1'='1",
    "'; drop table partners; --",
    '" or ""="',
    "\\'; select pg_sleep(9); --",
    "$$;select 1;$$",
    "%00",
    "\x00",
    "${jndi:ldap://x}",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "🦆" * 50,
    "9" * 400,
    "-1",
    "NaN",
    "{}",
    "[]",
    "(select version())",
    "eq.1",
    "a,b),(c",
    "\ud7ff",
)

# Words of the machinery that no answer may hold.
INSIDE = re.compile(
    r"PL/pgSQL function|SQL statement|Traceback|\bCONTEXT:|line \d+ at |/(tmp|var|home|usr)/|libpq|postgrest"
    r"|\bnjs\b|hasql|password_hash|key_hash|search_path|search_text|pg_catalog",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def private(stack: Any) -> Iterator[re.Pattern[str]]:
    """A pattern of the qualified names of private tables and functions."""
    with psycopg.connect(stack.dsn("migrator"), autocommit=True) as connection:
        rows = connection.execute(
            "select n.nspname || '\\.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where n.nspname in ('core', 'wms', 'ops', 'events', 'apparel', 'records', 'cotton') "
            "and c.relkind in ('r', 'p') "
            "union select n.nspname || '\\.' || p.proname || '\\(' from pg_proc p "
            "join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('core', 'wms', 'ops', 'events')"
        ).fetchall()
    yield re.compile("|".join(rf"\b{name}" if name.endswith("(") else rf"\b{name}\b(?!\.)" for (name,) in rows))


@pytest.fixture
def judge(private: re.Pattern[str]) -> Callable[[httpx.Response], None]:
    """Fail for a server error, a body in another shape, or a word from inside; `judge(answer)`."""

    def check(answer: httpx.Response) -> None:
        what = f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500 or answer.status_code == 503, what
        if answer.status_code >= 400 and answer.content:
            body = answer.json()
            assert set(body) == {"code", "message", "details", "hint"}, what
            told = " ".join(str(body[name]) for name in ("message", "details", "hint"))
            asked = f"{unquote_plus(str(answer.request.url))} {answer.request.content.decode(errors='replace')}".lower()
            for pattern in (INSIDE, private):  # what the request itself said is no news
                assert not [word for found in pattern.finditer(told) if (word := found[0]).lower() not in asked], what

    return check


@pytest.fixture
def admin(api: Callable[..., httpx.Client], org: Any) -> httpx.Client:
    client = api(org.admin_token)
    client.headers.update(ROLLBACK)
    return client


def test_the_description_is_swagger_2_and_lists_what_there_is(admin: httpx.Client) -> None:
    described = admin.get("").json()
    assert described["swagger"] == "2.0"
    assert len(described["paths"]) > 60


def made_up(strategy: SearchStrategy[Any], seed: int) -> Any:
    """One value of a strategy, the same for the same seed: what @given makes, without the search for a smaller one."""
    for number in range(seed, seed + 20):
        data = ConjectureData(random=Random(number))
        try:
            with deterministic_PRNG(), BuildContext(data, wrapped_test=made_up):
                return data.draw(strategy)
        except (StopTest, UnsatisfiedAssumption):  # too long, or filtered out too often
            continue
        finally:
            data.freeze()
    raise AssertionError(f"nothing to be made of {strategy}")


def send_made_up(admin: httpx.Client, judge: Callable[[httpx.Response], None], each: int, more: int) -> int:
    """Send requests to every operation of the OpenAPI description; `more` is added to the seeds. Returns how many."""
    described = admin.get("").json()
    described["basePath"] = "/api"
    sent = 0
    for place, result in enumerate(schemathesis.openapi.from_dict(described).get_all_operations()):
        strategy = result.ok().as_strategy()
        for number in range(each):
            case = made_up(strategy, more + 1000 * place + 20 * number)
            made = case.as_transport_kwargs(base_url="http://gateway")
            headers = {
                k: v for k, v in dict(made.get("headers") or {}).items() if k.lower() in ("content-type", "accept")
            }
            body = {k: made[k] for k in ("json", "data", "content") if made.get(k) is not None}
            if "data" in body:
                body = {"content": body["data"]}
            path = made["url"].removeprefix("http://gateway").removeprefix("/api").lstrip("/")
            params = {k: v for k, v in dict(made.get("params") or {}).items()}
            try:
                request = admin.build_request(case.method, path, params=params, headers=headers, **body)
            except (UnicodeEncodeError, ValueError, TypeError, httpx.InvalidURL):
                continue  # not a request that this client could send
            sent += 1
            judge(admin.send(request))
    return sent


@pytest.fixture
def own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis takes words from the modules that are loaded: which ones, is a matter of the tests before this one."""
    monkeypatch.setattr(providers, "_get_local_constants", constants_ast.Constants)


@pytest.mark.usefixtures("own_words")
def test_nothing_that_fits_or_misfits_the_description_breaks_the_server(
    admin: httpx.Client, judge: Callable[[httpx.Response], None]
) -> None:
    """Every operation of the OpenAPI description with made-up parameters and bodies."""
    assert send_made_up(admin, judge, each=1, more=0) > 150


@pytest.mark.drill
@pytest.mark.usefixtures("own_words")
def test_drill_nothing_breaks_the_server_in_many_tries(
    admin: httpx.Client, judge: Callable[[httpx.Response], None]
) -> None:
    assert send_made_up(admin, judge, each=5, more=1_000_000) > 750


def test_no_value_of_a_filter_is_taken_for_sql(
    admin: httpx.Client, judge: Callable[[httpx.Response], None], db: psycopg.Connection[Any]
) -> None:
    """Each type of column that a view shows, each operator, each nasty value."""
    rows = db.execute(
        "select distinct on (a.atttypid) c.relname, a.attname "
        "from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 "
        "where c.relnamespace = 'api'::regnamespace and c.relkind = 'v' order by a.atttypid, 1, 2"
    ).fetchall()
    assert len(rows) > 8
    for view, column in rows:
        for number, value in enumerate(NASTY):
            operator = ("eq", "like", "in", "cs", "fts", "gt", "not.is", "match")[number % 8]
            value = f"({value})" if operator == "in" else value
            judge(admin.get(view, params={column: f"{operator}.{value}"}))
    for value in NASTY:
        for name in ("select", "order", "or", "columns", "on_conflict", "offset", value):
            judge(admin.get("partners", params={name: value}))
        judge(admin.post("partners", params={"columns": value}, json={"code": "A", "name": "A"}))
        judge(admin.patch("partners", params={"id": f"eq.{value}"}, json={"name": value}))


def send_nasty(
    admin: httpx.Client, judge: Callable[[httpx.Response], None], db: psycopg.Connection[Any], each: int
) -> None:
    """Call every function with nasty values, `each` times; one function begins where the one before it ended."""
    functions = db.execute(
        "select p.proname, coalesce(p.proargnames[1:p.pronargs], '{}') from pg_proc p "
        "where p.pronamespace = 'api'::regnamespace and p.prokind = 'f' "
        "and has_function_privilege('member', p.oid, 'execute') order by 1"
    ).fetchall()
    assert len(functions) > 30
    garbled = [(b"{", "application/json"), (b"\xff\xfe", "application/json"), (b"[" * 5000, "application/json")]
    garbled.append((b"<a/>", "text/xml"))
    for place, (name, arguments) in enumerate(functions):
        if re.fullmatch(r"sign_in|password_reset\w*", name):  # five a minute; tests of their own
            continue
        for turn in range(each if arguments else min(each, 2)):
            number = place * each + turn
            value = NASTY[number % len(NASTY)]
            forms = (value, [value], {"x": value}, 1e300)
            body = {a: forms[(turn + i) % 4] for i, a in enumerate(arguments)}
            judge(admin.post(f"rpc/{name}", json=body))
        for content, kind in garbled[place % 4 : place % 4 + 1] if each < len(NASTY) else garbled:
            judge(admin.post(f"rpc/{name}", content=content, headers={"Content-Type": kind}))


def test_no_argument_of_a_function_is_taken_for_sql(
    admin: httpx.Client, judge: Callable[[httpx.Response], None], db: psycopg.Connection[Any]
) -> None:
    send_nasty(admin, judge, db, each=6)


@pytest.mark.drill
def test_drill_no_argument_of_any_function_is_taken_for_sql(
    admin: httpx.Client, judge: Callable[[httpx.Response], None], db: psycopg.Connection[Any]
) -> None:
    send_nasty(admin, judge, db, each=len(NASTY))


def test_the_check_can_fail(judge: Callable[[httpx.Response], None]) -> None:
    request = httpx.Request("GET", "http://gateway/api/x")
    for status, message in (
        (500, "x"),
        (400, "relation core.partner"),
        (400, "PL/pgSQL function f()"),
        (400, "at /var/lib/x"),
    ):
        body = {"code": "x", "message": message, "details": None, "hint": None}
        with pytest.raises(AssertionError):
            judge(httpx.Response(status, json=body, request=request))
    judge(httpx.Response(400, json={"code": "x", "message": "no", "details": None, "hint": None}, request=request))
