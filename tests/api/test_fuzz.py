"""Whatever is sent, no answer is a server error, and none tells of what is inside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

ROLLBACK = {"Prefer": "tx=rollback"}
EXAMPLES = 2  # of each operation, the same in each run

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
            assert not INSIDE.search(told), what
            assert not private.search(told), what

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


def test_nothing_that_fits_or_misfits_the_description_breaks_the_server(
    admin: httpx.Client, judge: Callable[[httpx.Response], None]
) -> None:
    """Every operation of the OpenAPI description with made-up parameters and bodies."""
    described = admin.get("").json()
    described["basePath"] = "/api"
    schema = schemathesis.openapi.from_dict(described)
    sent = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:
            nonlocal sent
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
                return  # not a request that this client could send
            sent += 1
            judge(admin.send(request))

        send()
    assert sent > 150


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


def test_no_argument_of_a_function_is_taken_for_sql(
    admin: httpx.Client, judge: Callable[[httpx.Response], None], db: psycopg.Connection[Any]
) -> None:
    functions = db.execute(
        "select p.proname, coalesce(p.proargnames[1:p.pronargs], '{}') from pg_proc p "
        "where p.pronamespace = 'api'::regnamespace and p.prokind = 'f' "
        "and has_function_privilege('member', p.oid, 'execute') order by 1"
    ).fetchall()
    assert len(functions) > 30
    for name, arguments in functions:
        if re.fullmatch(r"sign_in|password_reset\w*", name):  # five a minute; tests of their own
            continue
        for number, value in enumerate(NASTY[:: 1 if arguments else 10]):
            body = {a: (value, [value], {"x": value}, 1e300)[(number + i) % 4] for i, a in enumerate(arguments)}
            judge(admin.post(f"rpc/{name}", json=body))
        judge(admin.post(f"rpc/{name}", content=b"{", headers={"Content-Type": "application/json"}))
        judge(admin.post(f"rpc/{name}", content=b"\xff\xfe", headers={"Content-Type": "application/json"}))
        judge(admin.post(f"rpc/{name}", content=b"[" * 5000, headers={"Content-Type": "application/json"}))
        judge(admin.post(f"rpc/{name}", content=b"<a/>", headers={"Content-Type": "text/xml"}))


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
