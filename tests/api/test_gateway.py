"""The gateway's rules on the running stack: what passes, what is refused and how a refusal looks."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest

from erpgres.settings import VERSION

SECURITY_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-XSS-Protection": "0",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
DESCRIBED = "GET /api/ describes all that the caller may use."


@pytest.fixture
def address() -> str:
    """A loopback address of its own for a test, so that no limit that counts addresses is shared."""
    return "127." + ".".join(str(1 + secrets.randbelow(250)) for _ in range(3))


@pytest.fixture
def member(api: Callable[..., httpx.Client], org: Any, address: str) -> Iterator[httpx.Client]:
    with api(org.token(permissions=[]), address) as client:
        yield client


@pytest.fixture
def anonymous(api: Callable[..., httpx.Client], address: str) -> Iterator[httpx.Client]:
    with api(None, address) as client:
        yield client


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check the status, the code and the one shape of errors; return the body."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, f"gateway.{code}"), body
    assert set(body) == {"code", "message", "details", "hint"}
    assert body["message"]
    assert answer.headers["Content-Type"].startswith("application/json")
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["X-Request-ID"]
    return body


def passed(answer: httpx.Response) -> None:
    """Check that the gateway let the request through, whatever PostgREST made of it."""
    assert "gateway." not in answer.text, answer.text
    assert answer.status_code < 500


# ---- pages ----------------------------------------------------------------------------------------------------------


def test_a_page_has_twenty_rows_unless_asked(member: httpx.Client) -> None:
    assert len(member.get("countries").json()) == 20
    assert len(member.get("countries", params={"order": "code.desc"}).json()) == 20
    assert len(member.get("countries", params={"limit": 100}).json()) == 100
    assert len(member.get("countries", params={"limit": 1, "offset": 3}).json()) == 1


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1.5",
        "limit=%2050",
        "limit=0x10",
        "limit=(5)",
        "li%6dit=500",
    ],
)
def test_a_limit_outside_one_to_hundred_is_refused(member: httpx.Client, query: str) -> None:
    refused(member.get(f"countries?{query}"), 400, "limit_out_of_range")


def test_a_limit_cannot_be_hidden(member: httpx.Client) -> None:
    refused(member.get("countries?select=*,lines(*)&lines.limit=500"), 400, "limit_out_of_range")
    refused(member.get("countries?limit=5&limit=500"), 400, "parameter_repeated")
    # PostgREST's parser takes a semicolon for an ampersand.
    refused(member.get("countries?order=code;limit=500"), 400, "limit_out_of_range")
    refused(member.post("rpc/health?limit=500"), 400, "limit_out_of_range")
    refused(member.get("countries?order=%FF"), 400, "query_malformed")


def test_a_semicolon_separates_an_allowed_limit_too(member: httpx.Client) -> None:
    assert len(member.get("countries?order=code;limit=3").json()) == 3


@pytest.mark.parametrize("offset", ["-1", "x", "", "1e3"])
def test_an_offset_is_a_number(member: httpx.Client, offset: str) -> None:
    refused(member.get("countries", params={"offset": offset}), 400, "offset_out_of_range")


def test_rows_are_not_asked_for_by_range(member: httpx.Client) -> None:
    refused(member.get("countries", headers={"Range-Unit": "items", "Range": "0-99"}), 400, "range_refused")
    assert len(member.get("countries", headers={"Range": "bytes=0-5"}).json()) == 20


def test_a_scalar_function_is_called_as_ever(anonymous: httpx.Client) -> None:
    assert anonymous.get("rpc/health").json()["database"] == "up"


# ---- counts, plans, schemas -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prefer", ["count=planned", "count=estimated", "tx=rollback, count=planned", "return=minimal,COUNT=estimated"]
)
def test_counts_that_leak_are_refused(member: httpx.Client, prefer: str) -> None:
    refused(member.get("countries", headers={"Prefer": prefer}), 400, "count_refused")


def test_an_exact_count_is_given(member: httpx.Client) -> None:
    answer = member.get("countries", headers={"Prefer": "count=exact"}, params={"limit": 1})
    assert answer.status_code in (200, 206)
    assert int(answer.headers["Content-Range"].split("/")[1]) > 100


@pytest.mark.parametrize(
    "accept", ["application/vnd.pgrst.plan", 'text/csv, application/vnd.pgrst.PLAN+json; for="application/json"']
)
def test_plans_are_refused(member: httpx.Client, accept: str) -> None:
    refused(member.get("countries", headers={"Accept": accept}), 406, "plan_refused")


def test_csv_is_given(member: httpx.Client) -> None:
    answer = member.get("countries", headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert len(answer.text.splitlines()) == 21


def test_only_the_schema_api_is_offered(member: httpx.Client) -> None:
    refused(member.get("countries", headers={"Accept-Profile": "core"}), 406, "profile_refused")
    refused(member.post("partners", headers={"Content-Profile": "core"}, json={}), 406, "profile_refused")
    assert member.get("countries", headers={"Accept-Profile": "api"}).status_code == 200


# ---- writes without a filter ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "?select=id",
        "?limit=5&order=id",
        "?columns=eq.name",
        "?id=",
        "?or=()",
        "?lines.id=eq.1",
        "?on_conflict=eq.id",
        "?id",
        "?;",
    ],
)
def test_a_write_without_a_filter_is_refused(member: httpx.Client, method: str, query: str) -> None:
    refused(member.request(method, f"partners{query}", json={"name": "x"}), 400, "filter_required")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    "query", ["id=eq.{}", "id=not.in.({})&id=eq.{}", "or=(id.eq.{},id.eq.{})", "id=eq(any).{{{}}}"]
)
def test_a_write_with_a_filter_passes(member: httpx.Client, method: str, query: str) -> None:
    nobody = str(uuid.uuid4())
    passed(
        member.request(
            method, f"partners?{query.format(nobody, nobody)}", json={"name": "x"}, headers={"Prefer": "tx=rollback"}
        )
    )


# ---- methods, paths, headers, bodies --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "BREW"])
def test_other_methods_are_refused(anonymous: httpx.Client, method: str) -> None:
    refused(anonymous.request(method, "countries"), 405, "method_not_allowed")


def test_other_paths_are_not_found(anonymous: httpx.Client, stack: Any) -> None:
    for path in ("/nothing", "/api", "/api/a/b", "/api/rpc/", "/api/countries/", "/_gateway/error", "/_gateway/health"):
        refused(anonymous.get(f"{stack.url}{path}"), 404, "not_found")
    refused(anonymous.post(f"{stack.url}/"), 405, "method_not_allowed")


def test_the_root_links_to_what_there_is(anonymous: httpx.Client, stack: Any) -> None:
    answer = anonymous.get(f"{stack.url}/").json()
    assert (answer["api"], answer["health"], answer["version"]) == ("/api/", "/health", VERSION)
    assert anonymous.get(f"{stack.url}{answer['openapi']}").json()["swagger"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Prefer", ("count=exact", "count=planned")),
        ("Accept", ("text/csv", "application/json")),
        ("Accept-Profile", ("api", "core")),
        ("Range", ("bytes=1-2", "0-99")),
        ("Idempotency-Key", ("a", "b")),
        ("X-Request-ID", ("a" * 8, "b" * 8)),
        ("X-Forwarded-For", ("10.0.0.1", "10.0.0.2")),
        ("X-Whatever", ("1", "2")),
    ],
)
def test_a_header_sent_twice_is_refused(member: httpx.Client, name: str, values: tuple[str, str]) -> None:
    request = member.build_request("GET", "countries")
    pairs = [(key, value) for key, value in request.headers.items() if key.lower() != name.lower()]
    request.headers = httpx.Headers([*pairs, *((name, value) for value in values)])
    assert refused(member.send(request), 400, "header_repeated")["details"] == name.lower()


def test_the_rules_hold_for_a_caller_who_is_known(member: httpx.Client, org: Any, stack: Any) -> None:
    # From the second request on the gateway makes the rules only for what is not ordinary (hits.js).
    view = "wms_documents"
    entries = []
    for query in ("", "select=id&status=eq.DRAFT&limit=5&offset=3", "select=id&status=eq.DRAFT", "nonsense=eq.1"):
        for other in ({"Cache-Control": "max-age=5"}, {}):
            mark = f"log.{uuid.uuid4()}"
            answer = member.get(f"{view}?{query}", headers={"X-Request-ID": mark, **other})
            entries.append({**logged(stack, mark), "answer": (answer.status_code, answer.text)})
        unlike = {"time", "request_id", "seconds", "upstream_seconds", "bytes"}
        first, second = ({key: entry[key] for key in entry.keys() - unlike} for entry in entries[-2:])
        assert first == second
    assert [entry["query_keys"] for entry in entries[::2]] == [
        "",
        "select,status,limit,offset",
        "select,status",
        "nonsense",
    ]
    assert {entry["tier"] for entry in entries} == {"user"}
    assert {entry["org"] for entry in entries} == {str(org.id)}
    error = json.loads(entries[-1]["answer"][1])
    assert (entries[-1]["status"], error["details"], error["hint"]) == (400, None, DESCRIBED)
    for query, code in (
        ("limit=101", "limit_out_of_range"),
        ("limit=0", "limit_out_of_range"),
        ("select=id&limit=5&limit=6", "parameter_repeated"),
        ("offset=-1", "offset_out_of_range"),
        ("select=id&select=number", "parameter_repeated"),
        ("order=id;limit=500", "limit_out_of_range"),
    ):
        refused(member.get(f"{view}?{query}"), 400, code)
    for headers, status, code in (
        ({"Accept": "application/vnd.pgrst.plan+json"}, 406, "plan_refused"),
        ({"Accept": "text/csv, application/vnd.PGRST.Plan"}, 406, "plan_refused"),
        ({"Accept-Profile": "core"}, 406, "profile_refused"),
        ({"Prefer": "count=planned"}, 400, "count_refused"),
        ({"Range": "0-9"}, 400, "range_refused"),
    ):
        refused(member.get(view, headers=headers), status, code)
    refused(member.delete(view), 400, "filter_required")
    refused(member.patch(view, json={}), 400, "filter_required")
    request = member.build_request("GET", view)
    request.headers = httpx.Headers([*request.headers.items(), ("X-Whatever", "1"), ("X-Whatever", "2")])
    refused(member.send(request), 400, "header_repeated")


def test_a_caller_who_is_known_is_refused_when_his_token_ends(
    api: Callable[..., httpx.Client], org: Any, stack: Any, address: str
) -> None:
    claims = {**org.claims(org.user()), "exp": int(time.time()) + 3}
    with api(jwt.encode(claims, stack.secret("jwt.key"), "HS256"), address) as client:
        statuses = []
        while not statuses or (statuses[-1] == 200 and time.time() < claims["exp"] + 5):
            answer = client.get("wms_documents?limit=1")
            statuses.append(answer.status_code)
    assert len(statuses) > 2 and set(statuses[:-1]) == {200}
    refused(answer, 401, "token_expired")


@pytest.mark.parametrize(
    "lines",
    [
        ["GET /api/countries HTTP/1.1"],
        ["GET /api/countries HTTP/1.1", "Host: a", "Host: b"],
        ["GET /api/countries HTTP/1.1", "Host: a", 'If-None-Match: "a"', 'If-None-Match: "b"'],
        ["GET /api/countries HTTP/1.1", "Host: a", "Authorization: Bearer a", "Authorization: Bearer b"],
        ["POST /api/rpc/x HTTP/1.1", "Host: a", "Content-Length: 1", "Content-Length: 2"],
        ["POST /api/rpc/x HTTP/1.1", "Host: a", "Content-Length: 1", "Transfer-Encoding: chunked"],
        ["GET /%00 HTTP/1.1", "Host: a"],
        ["GET /api/../../etc HTTP/1.1", "Host: a"],
    ],
)
def test_what_is_no_valid_request_is_refused_in_the_same_shape(stack: Any, lines: list[str]) -> None:
    with socket.create_connection(("127.0.0.1", stack.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body = answer.read()
    assert answer.status == 400
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(body)["code"] in ("gateway.bad_request", "gateway.header_repeated")


def test_a_list_header_may_come_twice(member: httpx.Client) -> None:
    headers = [
        ("Cache-Control", "no-cache"),
        ("Cache-Control", "no-store"),
        ("Accept-Language", "de"),
        ("Accept-Language", "en"),
    ]
    assert member.get("countries", headers=headers).status_code == 200


def test_bodies_and_headers_have_a_size(anonymous: httpx.Client) -> None:
    large = json.dumps({"name": "x" * 1_100_000})
    headers = {"Content-Type": "application/json"}
    refused(anonymous.post("rpc/nothing_of_the_kind", content=large, headers=headers), 413, "body_too_large")
    passed(anonymous.post("rpc/import_nothing_of_the_kind", content=large, headers=headers))
    refused(
        anonymous.post("rpc/sync_push", content=json.dumps({"x": "x" * 10_500_000}), headers=headers),
        413,
        "body_too_large",
    )
    refused(anonymous.get("countries", headers={"X-Large": "x" * 20_000}), 431, "headers_too_large")
    refused(anonymous.get("countries?code=eq." + "x" * 20_000), 414, "uri_too_long")


def test_answers_are_compressed(member: httpx.Client) -> None:
    answer = member.get("countries", params={"limit": 100}, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert "Content-Encoding" not in member.get("countries", headers={"Accept-Encoding": "identity"}).headers


def test_every_answer_has_the_security_headers_and_names_no_software(member: httpx.Client, stack: Any) -> None:
    for answer in (
        member.get("countries"),
        member.get(f"{stack.url}/health"),
        member.get("nothing_of_the_kind"),
        member.head("countries"),
    ):
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers.get_list(name) == [value]
        assert "Strict-Transport-Security" not in answer.headers
        assert answer.headers["Server"] == "nginx"
        assert "postgrest" not in str(answer.headers).lower()


# ---- request ids, errors, tokens ------------------------------------------------------------------------------------


def test_a_request_id_is_passed_on(member: httpx.Client) -> None:
    for path in ("countries", "nothing_of_the_kind", "countries?limit=500"):
        assert member.get(path, headers={"X-Request-ID": "trace.me_42-a"}).headers.get_list("X-Request-ID") == [
            "trace.me_42-a"
        ]


@pytest.mark.parametrize("given", [None, "short", "x" * 65, "has a space", 'quote"quote'])
def test_a_request_id_is_made(member: httpx.Client, given: str | None) -> None:
    answer = member.get("countries", headers={"X-Request-ID": given} if given else {})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_errors_of_postgrest_name_no_hidden_object(member: httpx.Client) -> None:
    for answer in (
        member.post("rpc/health_", json={}),
        member.get("countrie"),
        member.get("countries?select=*,nothing(*)"),
        member.get("countries?nothing=eq.1"),
        member.post("partners?columns=nothing", json={}),
    ):
        body = answer.json()
        assert 400 <= answer.status_code < 500
        assert set(body) == {"code", "message", "details", "hint"}
        assert (body["details"], body["hint"]) == (None, DESCRIBED)
        assert body["code"]


def test_who_sends_no_token_is_told_to_sign_in(anonymous: httpx.Client, member: httpx.Client) -> None:
    refused = anonymous.get("partners")
    assert (refused.status_code, refused.json()["code"]) == (401, "42501")
    assert "rpc/sign_in" in refused.json()["hint"]
    answer = anonymous.post("rpc/sign_in", json={"email": "nobody@example.com", "password": "wrong"})
    assert (answer.status_code, answer.json()["code"]) == (401, "core.sign_in_failed"), "what the hint names is there"
    refused = member.post("countries", json={"code": "XX", "name": "Nowhere"})
    assert (refused.status_code, refused.json()["code"], refused.json()["hint"]) == (403, "42501", None)


def test_other_errors_keep_what_helps(member: httpx.Client) -> None:
    body = member.get("countries?code=foo.1").json()
    assert body["code"] == "PGRST100"
    assert body["details"]


def test_an_error_of_a_head_request_has_no_body(member: httpx.Client) -> None:
    answer = member.head("nothing_of_the_kind")
    assert (answer.status_code, answer.content) == (404, b"")
    assert member.head("countries").status_code == 200


def logged(stack: Any, mark: str) -> dict[str, Any]:
    """Return the log's entry that holds the mark; nginx writes it after the answer, so wait for it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lines = [line for line in (stack.log / "access.log").read_text().splitlines() if mark in line]
        if lines:
            assert len(lines) == 1
            entry: dict[str, Any] = json.loads(lines[0])
            return entry
    raise AssertionError(f"no entry for {mark}")


def _signed(stack: Any, **claims: Any) -> str:
    return jwt.encode(
        {"role": "member", "sub": str(uuid.uuid4()), "exp": 4_000_000_000} | claims, stack.secret("jwt.key"), "HS256"
    )


def test_a_bad_token_is_refused(api: Callable[..., httpx.Client], stack: Any, address: str) -> None:
    claims = {"role": "superadmin", "sub": str(uuid.uuid4()), "exp": 4_000_000_000}
    good = _signed(stack)
    for token in (
        "rubbish",
        jwt.encode(claims, "another key of a decent length 0123456789", "HS256"),
        jwt.encode(claims, stack.secret("jwt.key"), "HS512"),
        jwt.encode(claims, "", "none"),
        good[:-1] + ("A" if good[-1] != "A" else "Q"),
        good.rsplit(".", 1)[0] + ".",
        _signed(stack, nbf=3_900_000_000),
    ):
        with api(token, address) as client:
            answer = client.get("countries")
        refused(answer, 401, "token_invalid")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    with api(_signed(stack, exp=1_600_000_000), address) as client:
        refused(client.get("countries"), 401, "token_expired")
    with api(good, address) as client:
        assert "gateway." not in client.get("countries").text


def test_requests_are_logged(member: httpx.Client, org: Any, stack: Any, address: str) -> None:
    mark = f"log.{uuid.uuid4()}"
    claims = jwt.decode(member.headers["Authorization"].split()[1], options={"verify_signature": False})
    member.get(
        "countries",
        params={"name": "eq.secret-value", "limit": "5"},
        headers={"X-Request-ID": mark, "User-Agent": 'a "test"'},
    )
    entry = logged(stack, mark)
    assert "secret-value" not in str(entry)
    assert member.headers["Authorization"].split()[1] not in str(entry)
    assert (entry["method"], entry["path"], entry["query_keys"], entry["status"]) == (
        "GET",
        "/api/countries",
        "name,limit",
        200,
    )
    assert (entry["user"], entry["role"], entry["org"], entry["address"]) == (
        claims["sub"],
        claims["role"],
        claims["org_id"],
        address,
    )
    assert entry["user_agent"] == 'a "test"'
    assert entry["seconds"] >= 0
    assert entry["upstream_seconds"] >= 0
    assert entry["bytes"] > 0


def test_a_forged_token_is_logged_without_a_user(api: Callable[..., httpx.Client], stack: Any, address: str) -> None:
    mark = f"log.{uuid.uuid4()}"
    with api(jwt.encode({"sub": "somebody", "role": "superadmin"}, "k" * 40, "HS256"), address) as client:
        client.get("countries", headers={"X-Request-ID": mark})
    entry = logged(stack, mark)
    assert (entry["user"], entry["role"], entry["status"]) == ("", "", 401)


# ---- health, TLS ----------------------------------------------------------------------------------------------------


def test_health_says_what_runs(anonymous: httpx.Client, stack: Any) -> None:
    answer = anonymous.get(f"{stack.url}/health")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["database"], body["version"]) == ("healthy", "up", VERSION)
    assert body["migration"] >= 1
    assert answer.headers["Cache-Control"] == "no-store"
    assert anonymous.head(f"{stack.url}/health").content == b""
    refused(anonymous.post(f"{stack.url}/health"), 405, "method_not_allowed")


def _tls(stack: Any, **versions: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(stack.tls / "ca.pem"))
    for name, version in versions.items():
        setattr(context, name, version)
    return context


def test_https_is_offered_with_http_2(stack: Any) -> None:
    with httpx.Client(verify=_tls(stack), http2=True, base_url=f"https://127.0.0.1:{stack.https_port}") as client:
        answer = client.get("/health")
        assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
        assert "max-age=" in answer.headers["Strict-Transport-Security"]
        refused(client.get("/api/countries?limit=500"), 400, "limit_out_of_range")
    refused(httpx.get(f"http://127.0.0.1:{stack.https_port}/health"), 400, "bad_request")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_before_1_2_is_refused(stack: Any) -> None:
    old = _tls(stack, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"https://127.0.0.1:{stack.https_port}/health", verify=old)
    new = _tls(stack, minimum_version=ssl.TLSVersion.TLSv1_2, maximum_version=ssl.TLSVersion.TLSv1_2)
    assert httpx.get(f"https://127.0.0.1:{stack.https_port}/health", verify=new).status_code == 200
