"""What could be learned without being shown it: by counting, by errors, by conflicts, by time, by odd headers."""

from __future__ import annotations

import json
import secrets
import statistics
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

WANT = {"Prefer": "return=representation"}
Client = Callable[..., httpx.Client]


@pytest.fixture
def address() -> str:
    """A loopback address of its own for a test."""
    return "127." + ".".join(str(1 + secrets.randbelow(250)) for _ in range(3))


@pytest.fixture
def ours(api: Client, org: Any, address: str) -> httpx.Client:
    return api(org.admin_token, address)


@pytest.fixture
def theirs(api: Client, new_org: Any, address: str) -> httpx.Client:
    return api(new_org().admin_token, address)


def made(client: httpx.Client, view: str, **values: Any) -> dict[str, Any]:
    answer = client.post(view, json=values, headers=WANT)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()[0]
    return row


def same(first: httpx.Response, second: httpx.Response, *, but: tuple[Any, ...] = ()) -> None:
    """Two answers are the same, but for what was sent."""
    texts = []
    for answer in (first, second):
        text = f"{answer.status_code} {answer.text}"
        for value in but:
            text = text.replace(str(value), "…")
        texts.append(text)
    assert texts[0] == texts[1]


# ---- planner statistics --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prefer", ["count=estimated", "Count = Planned", "return=minimal ,count=\testimated", "count=EXACT,count=planned"]
)
def test_the_planner_is_not_asked_how_many_rows_there_are(ours: httpx.Client, prefer: str) -> None:
    answer = ours.get("partners", headers={"Prefer": prefer})
    assert (answer.status_code, answer.json()["code"]) == (400, "gateway.count_refused")
    assert "Content-Range" not in answer.headers


@pytest.mark.parametrize(
    "accept",
    [
        "application/vnd.pgrst.plan+text",
        "APPLICATION/VND.PGRST.PLAN",
        'application/vnd.pgrst.plan+json; for="application/json"; options=analyze|verbose',
        "text/html;q=0.1, application/vnd.pgrst.plan;q=0.9",
    ],
)
def test_no_plan_is_shown(ours: httpx.Client, accept: str) -> None:
    for answer in (
        ours.get("partners", headers={"Accept": accept}),
        ours.post("rpc/me", json={}, headers={"Accept": accept}),
    ):
        assert answer.status_code == 406
        assert "cost" not in answer.text.lower()


def test_counts_and_offsets_end_with_what_is_seen(ours: httpx.Client, theirs: httpx.Client) -> None:
    for n in range(3):
        made(theirs, "partners", code=f"T{n}", name="Theirs")
    made(ours, "partners", code="O", name="Ours")
    answer = ours.get("partners", headers={"Prefer": "count=exact"}, params={"name": "neq.x"})
    assert answer.headers["Content-Range"] == "0-0/1"
    beyond = ours.get("partners", headers={"Prefer": "count=exact"}, params={"offset": "2"})
    assert beyond.status_code == 416
    assert "1 rows" in beyond.text or "only 1" in beyond.text
    single = ours.get("partners", headers={"Accept": "application/vnd.pgrst.object+json"}, params={"name": "eq.Theirs"})
    assert single.status_code == 406
    assert "0 rows" in single.text


# ---- error texts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hidden", ["signing_key", "credential", "password_reset", "app_user", "analyst_login", "pg_authid"]
)
def test_what_is_hidden_looks_like_what_does_not_exist(ours: httpx.Client, hidden: str) -> None:
    nothing = "nothing_of_the_kind"
    for ask in (
        lambda name: ours.get(name),
        lambda name: ours.post(f"rpc/{name}", json={}),
        lambda name: ours.get("partners", params={"select": f"id,{name}(*)"}),
        lambda name: ours.get("partners", params={name: "eq.1"}),
        lambda name: ours.get("partners", params={"order": name}),
    ):
        same(ask(hidden), ask(nothing), but=(hidden, nothing))


@pytest.mark.parametrize(
    "function", ["sign_token", "set_password", "open_session", "act_as", "raise_error", "set_config"]
)
def test_a_private_function_looks_like_none(ours: httpx.Client, function: str) -> None:
    for body in ({}, {"claims": {}}, {"user_id": str(uuid.uuid4()), "password": "x"}):
        same(
            ours.post(f"rpc/{function}", json=body),
            ours.post("rpc/nothing_here", json=body),
            but=(function, "nothing_here"),
        )


def test_a_column_that_a_partner_may_not_see_looks_like_none(
    api: Client, org: Any, ours: httpx.Client, address: str
) -> None:
    partner = made(ours, "partners", code="P", name="P", credit_limit=5, currency="USD", note="unreliable")["id"]
    external = api(org.token(partner_id=partner), address)
    assert external.get("own_partner").json()[0]["id"] == partner
    for column in ("credit_limit", "note", "status_reason"):
        for params in (
            {"select": f"id,{column}"},
            {column: "gt.0"},
            {"order": column},
            {"or": f"(id.eq.{partner},{column}.gt.0)"},
        ):
            hidden = external.get("own_partner", params=params)
            nothing = external.get(
                "own_partner",
                params={k.replace(column, "nothing"): v.replace(column, "nothing") for k, v in params.items()},
            )
            assert hidden.status_code == 400
            same(hidden, nothing, but=(column, "nothing"))


def test_a_refused_row_is_not_shown(ours: httpx.Client) -> None:
    """PostgreSQL's details of a failed check hold the whole row, hidden columns too."""
    answer = ours.post("partners", json={"code": "C", "name": " ", "note": "do not tell"})
    assert answer.status_code == 400
    assert answer.json()["details"] is None
    assert "do not tell" not in answer.text


# ---- conflicts with rows of another organisation -------------------------------------------------------------------


def test_codes_and_ids_of_another_organisation_are_free(ours: httpx.Client, theirs: httpx.Client) -> None:
    """A unique violation would say that the row exists: so every key begins with the organisation."""
    there = made(theirs, "partners", code="TWIN", name="Theirs")
    here = made(ours, "partners", id=there["id"], code="TWIN", name="Ours")
    assert here["id"] == there["id"]
    for view, values in (
        ("items", {"sku": "TWIN", "name": "N", "class": "GOODS", "unit_code": "C62"}),
        ("org_units", {"kind": "BRANCH", "code": "TWIN", "name": "N"}),
        ("roles", {"code": "twin", "name": "N"}),
    ):
        twin = made(theirs, view, **values)
        assert made(ours, view, id=twin["id"], **values)["id"] == twin["id"]
    assert theirs.get("partners", params={"id": f"eq.{there['id']}"}).json()[0]["name"] == "Theirs"


def test_an_upsert_does_not_find_a_row_of_another_organisation(ours: httpx.Client, theirs: httpx.Client) -> None:
    there = made(theirs, "partners", code="UP", name="Theirs")
    for prefer in ("resolution=merge-duplicates", "resolution=ignore-duplicates"):
        answer = ours.post(
            "partners",
            json={"id": there["id"], "code": "UP", "name": "Taken"},
            headers={"Prefer": f"{prefer},return=representation,tx=rollback"},
        )
        assert answer.status_code in (200, 201, 403), answer.text
        if answer.status_code < 300:
            assert {row["org_id"] for row in answer.json()} <= {ours.get("organizations").json()[0]["id"]}
    assert theirs.get("partners", params={"code": "eq.UP"}).json()[0]["name"] == "Theirs"


def test_a_foreign_key_into_another_organisation_fails_like_one_to_nothing(
    ours: httpx.Client, theirs: httpx.Client
) -> None:
    there = made(theirs, "partners", code="FK", name="Theirs")["id"]
    nothing = str(uuid.uuid4())
    for view, column, values in (
        ("contacts", "partner_id", {"name": "N", "phone": "1"}),
        ("partner_roles", "partner_id", {"role": "CUSTOMER"}),
        ("org_units", "parent_id", {"kind": "UNIT", "code": "X", "name": "X"}),
    ):
        answers = [ours.post(view, json={**values, column: target}) for target in (there, nothing)]
        assert answers[0].status_code >= 400
        same(*answers, but=(there, nothing))


def test_functions_do_not_tell_another_organisations_rows_from_none(ours: httpx.Client, theirs: httpx.Client) -> None:
    partner = made(theirs, "partners", code="FN", name="Theirs")["id"]
    warehouse = theirs.post("rpc/wms_warehouse_create", json={"code": "W", "name": "W"}).json()["id"]
    nothing = str(uuid.uuid4())
    for function, argument, values, there in (
        ("partner_hold", "id", {"reason": "r"}, partner),
        ("wms_document_create", "to_location_id", {"document_type": "IMPORT", "lines": []}, warehouse),
        ("wms_position_create", "warehouse_id", {"code": "P", "name": "P", "kind": "STORAGE"}, warehouse),
        ("location_move", "id", {}, warehouse),
    ):
        answers = [ours.post(f"rpc/{function}", json={**values, argument: target}) for target in (there, nothing)]
        assert answers[0].status_code >= 400
        same(*answers, but=(there, nothing))


def test_an_account_elsewhere_is_refused_as_one_here(
    ours: httpx.Client, theirs: httpx.Client, org: Any, new_org: Any, db: Any
) -> None:
    """Addresses are unique in the installation: an administrator learns that one is taken, not where or by whom."""
    partner = made(ours, "partners", code="EX", name="EX")["id"]
    other = new_org()
    away = made(theirs, "partners", code="EX", name="EX")["id"]
    users = [org.user(partner_id=partner)]
    users.append(
        other.__class__(uuid.UUID(theirs.get("organizations").json()[0]["id"]), "", db, org.stack).user(partner_id=away)
    )
    emails = [db.execute("select email from core.app_user where id = %s", [u]).fetchone()[0] for u in users]
    answers = [ours.post("rpc/user_create", json={"email": e, "name": "N", "partner_id": partner}) for e in emails]
    assert [a.json()["code"] for a in answers] == ["core.user_exists"] * 2
    same(*answers, but=tuple(emails))


# ---- time ----------------------------------------------------------------------------------------------------------


def test_signing_in_takes_as_long_for_an_unknown_account(api: Client, org: Any, db: psycopg.Connection[Any]) -> None:
    """The work of comparing is done for nobody, too. Taking turns, medians; without that work the ratio would be 10."""
    user = org.user()
    email = db.execute("select email from core.app_user where id = %s", [user]).fetchone()[0]  # type: ignore[index]
    before = db.execute(
        "select value::text from core.installation_setting where code = 'core.password_hash_cost'"
    ).fetchone()
    db.execute(
        "insert into core.installation_setting (code, value) values ('core.password_hash_cost', '10') "
        "on conflict (code) do update set value = '10'"
    )
    db.execute("select core.set_password(%s, 'Seven Rivers meet at 6!')", [user])
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    bodies: dict[str, set[str]] = {"known": set(), "unknown": set()}
    try:
        for n in range(5):  # one more failure would lock the account, which answers otherwise
            for kind in ("known", "unknown") if n % 2 else ("unknown", "known"):
                address = "127." + ".".join(str(1 + secrets.randbelow(250)) for _ in range(3))
                client = api(None, address)
                client.get("rpc/health")  # the connection is not part of it
                name = email if kind == "known" else f"{uuid.uuid4().hex}@example.com"
                for _ in range(20):
                    begun = time.perf_counter()
                    answer = client.post("rpc/sign_in", json={"email": name, "password": "wrong"})
                    if answer.status_code not in (429, 503):
                        break
                times[kind].append(time.perf_counter() - begun)
                bodies[kind].add(f"{answer.status_code} {answer.text}")
    finally:
        if before:
            db.execute("update core.installation_setting set value = %s where code = 'core.password_hash_cost'", before)
        else:
            db.execute("delete from core.installation_setting where code = 'core.password_hash_cost'")
    assert bodies["known"] == bodies["unknown"]
    assert len(bodies["known"]) == 1
    ratio = statistics.median(times["known"]) / statistics.median(times["unknown"])
    assert 1 / 3 < ratio < 3, times


# ---- headers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Accept-Profile", "Content-Profile"])
@pytest.mark.parametrize("value", ["core", "api, core", "API", "ops", "pg_catalog", "api core"])
def test_another_schema_is_not_asked_for(ours: httpx.Client, name: str, value: str) -> None:
    for answer in (
        ours.get("partners", headers={name: value}),
        ours.post("partners", json={}, headers={name: value}),
        ours.post("rpc/me", json={}, headers={name: value}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (406, "gateway.profile_refused")


@pytest.mark.parametrize(
    "headers",
    [
        {"Role": "owner"},
        {"X-Real-IP": "10.1.1.1", "X-Forwarded-For": "10.1.1.1", "Forwarded": "for=10.1.1.1"},
        {"X-Query-String": "limit=100"},
        {"X-HTTP-Method-Override": "DELETE"},
        {"X-Original-URL": "/api/rpc/sign_out", "X-Rewrite-URL": "/api/users"},
        {"Prefer": "tx=commit, timezone=UTC'; set role owner; --"},
        {"Prefer": "handling=lenient, max-affected=0, role=owner"},
        {"Authorization-2": "Bearer x"},
        {"request.jwt.claims": '{"role":"owner"}'},
    ],
)
def test_a_header_does_not_change_who_asks(ours: httpx.Client, headers: dict[str, str]) -> None:
    made(ours, "partners", code=uuid.uuid4().hex[:8], name="Mine")
    plain, odd = (ours.get("partners", headers=h) for h in ({}, headers))
    same(plain, odd)
    assert ours.post("rpc/me", json={}, headers=headers).json()["user"] == ours.post("rpc/me", json={}).json()["user"]


@pytest.mark.parametrize(
    "name", ["Authorization", "Prefer", "Accept-Profile", "Content-Type", "Accept", "X-Request-ID"]
)
def test_a_header_comes_once(ours: httpx.Client, name: str) -> None:
    request = ours.build_request("POST", "rpc/me", json={})
    value = request.headers.get(name) or "api"
    request.headers = httpx.Headers([*request.headers.multi_items(), (name.lower(), value), (name.upper(), value)])
    assert ours.send(request).status_code == 400


def test_a_write_that_is_only_tried_leaves_nothing(ours: httpx.Client) -> None:
    answer = ours.post(
        "partners", json={"code": "TRY", "name": "N"}, headers={"Prefer": "tx=rollback,return=representation"}
    )
    assert answer.status_code == 201
    assert ours.get("partners", params={"code": "eq.TRY"}).json() == []


def test_sums_and_counts_of_columns_are_not_offered(ours: httpx.Client) -> None:
    for select in ("count()", "id.count()", "credit_limit.sum()", "credit_limit.max()"):
        assert ours.get("partners", params={"select": select}).status_code == 400


def test_a_head_request_does_not_break_the_write_of_another(api: Client, address: str) -> None:
    """PostgREST closes the connection after a HEAD without saying so; a write sent on it would be lost (503)."""
    seen: set[int] = set()

    def ask() -> None:
        client = api(None, address)
        for _ in range(40):
            client.head("errors")
            seen.add(client.post("rpc/nothing_of_the_kind", json={}).status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {404}


def test_a_view_that_joins_refuses_writes_as_any_other(ours: httpx.Client, db: psycopg.Connection[Any]) -> None:
    rows = db.execute(
        "select c.relname from pg_class c where c.relnamespace = 'api'::regnamespace and c.relkind = 'v' "
        "and pg_relation_is_updatable(c.oid, false) = 0"
    ).fetchall()
    assert rows
    for (view,) in rows:
        column = db.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum = 1", [f"api.{view}"]
        ).fetchone()
        assert column is not None
        body = json.loads("{}") | {column[0]: None}
        only = {column[0]: "is.null"}
        for answer in (
            ours.post(view, json=body),
            ours.patch(view, json=body, params=only),
            ours.delete(view, params=only),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "42501"), f"{view}: {answer.text}"
