"""Idempotency-Key: the same request again has no second effect and the same answer, whatever was lost in between."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from erpgres.bench.cuts import CASES, Cutter
from erpgres.stack.state import State
from erpgres.tokens import open_session, sign
from wms.support import World

RETURNED = {"Prefer": "return=representation"}
ONE = {"Accept": "application/vnd.pgrst.object+json"}


@pytest.fixture
def admin(api: Callable[..., httpx.Client], org: Any) -> httpx.Client:
    return api(org.admin_token)


@pytest.fixture
def partner(org: Any) -> uuid.UUID:
    return made(org, 1)[0]


def made(org: Any, count: int) -> list[uuid.UUID]:
    return [
        row[0]
        for row in org.db.execute(
            "insert into core.partner (org_id, code, name) select %s, 'P' || n, 'Partner ' || n"
            " from generate_series(1, %s) as n returning id",
            [org.id, count],
        )
    ]


def contact(partner: uuid.UUID, **more: Any) -> dict[str, Any]:
    return {"partner_id": str(partner), "name": "Ann", "email": "ann@example.com", **more}


def keyed(key: str | None = None, **headers: str) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid.uuid4()), **headers}


def contacts(org: Any) -> int:
    return int(org.db.execute("select count(*) from core.contact where org_id = %s", [org.id]).fetchone()[0])


def keys(org: Any) -> list[tuple[Any, ...]]:
    return list(org.db.execute("select key, http_status, body from core.idempotency where org_id = %s", [org.id]))


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def same(first: httpx.Response, again: httpx.Response) -> None:
    """Check that the second answer is the first one, and says so."""
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers.get("Idempotency-Replayed") == "true", again.text
    assert (again.status_code, again.content) == (first.status_code, first.content)
    varying = {"date", "x-request-id", "idempotency-replayed", "content-length", "transfer-encoding"}
    assert {k: v for k, v in again.headers.items() if k not in varying} == {
        k: v for k, v in first.headers.items() if k not in varying
    }


def twice(client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
    """Send a request with a key, and again; return the answer that both had."""
    more["headers"] = keyed(**more.get("headers", {}))
    first = client.request(method, path, **more)
    same(first, client.request(method, path, **more))
    return first


# ---- the same answer ------------------------------------------------------------------------------------------------


def test_an_insert_is_done_once(admin: httpx.Client, org: Any, partner: uuid.UUID) -> None:
    answer = twice(admin, "POST", "contacts", json=contact(partner), headers=RETURNED)
    assert answer.status_code == 201 and answer.json()[0]["name"] == "Ann"
    assert contacts(org) == 1
    assert twice(admin, "POST", "contacts", json=contact(partner)).content == b""
    assert contacts(org) == 2
    assert (
        twice(admin, "POST", "contacts", json=contact(partner), headers={"Prefer": "return=minimal"}).status_code == 201
    )


SHAPES = [
    {},
    {"Accept": "*/*"},
    {"Accept": "application/json, text/plain, */*"},
    {"Accept": "application/vnd.pgrst.array+json;nulls=stripped"},
    ONE,
    {"Accept": "application/vnd.pgrst.object+json;nulls=stripped"},
]


@pytest.mark.parametrize(
    "query", ["", "&select=id,name,called:position", "&select=id,name,partners(code,contacts(email))"]
)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.get("Accept", "none"))
def test_the_body_is_what_postgrest_builds(
    admin: httpx.Client, partner: uuid.UUID, shape: dict[str, str], query: str
) -> None:
    """What is kept is compared, byte for byte, with what the list shows then."""
    admin.post("contacts", json=contact(partner)).raise_for_status()
    row = f"contacts?partner_id=eq.{partner}{query}"
    answer = twice(
        admin, "PATCH", row, json={"name": 'Äö "\\u0000 <&>\n\t', "phone": "1"}, headers={**shape, **RETURNED}
    )
    shown = admin.get(row, headers=shape)
    assert (answer.status_code, answer.content) == (200, shown.content)
    assert answer.headers["Content-Type"] == shown.headers["Content-Type"]


def test_many_rows_and_none(admin: httpx.Client, org: Any, partner: uuid.UUID) -> None:
    rows = [contact(partner, name=f"Contact {n}") for n in range(60)]
    answer = twice(admin, "POST", "contacts?order=name", json=rows, headers=RETURNED)
    assert len(answer.json()) == contacts(org) == 60
    listed = admin.get("contacts?limit=100&order=id").content
    answer = twice(admin, "PATCH", "contacts?id=not.is.null&order=id", json={"is_primary": False}, headers=RETURNED)
    assert answer.content.count(b"\n") == listed.count(b"\n") == 59
    nothing = f"contacts?id=eq.{uuid.uuid4()}"
    assert twice(admin, "PATCH", nothing, json={"name": "B"}, headers=RETURNED).text == "[]"
    assert twice(admin, "PATCH", nothing, json={"name": "B"}).status_code == 204
    assert twice(admin, "DELETE", nothing).status_code == 204
    refused = admin.patch(nothing, json={"name": "B"}, headers=keyed(**RETURNED, **ONE))
    assert code_of(refused) == (406, "PGRST116")


def test_what_is_deleted_is_shown_again(admin: httpx.Client, org: Any, partner: uuid.UUID) -> None:
    row = admin.post("contacts", json=contact(partner), headers={**RETURNED, **ONE}).json()
    answer = twice(admin, "DELETE", f"contacts?id=eq.{row['id']}", headers=RETURNED)
    assert (answer.status_code, answer.json()) == (200, [row])
    assert contacts(org) == 0


def test_an_insert_that_finds_its_row_there(admin: httpx.Client, org: Any, partner: uuid.UUID) -> None:
    row = admin.post("contacts", json=contact(partner), headers={**RETURNED, **ONE}).json()
    body = contact(partner, id=row["id"], org_id=row["org_id"])
    headers = {"Prefer": "resolution=ignore-duplicates, return=representation"}
    assert twice(admin, "POST", "contacts", json=body, headers=headers).text == "[]"
    assert contacts(org) == 1


def test_functions_of_every_kind(admin: httpx.Client, org: Any, partner: uuid.UUID) -> None:
    """A row, a value of JSON; what each returns is what it returns without a key."""
    held = twice(admin, "POST", "rpc/partner_hold", json={"id": str(partner), "reason": "unpaid"})
    assert held.json()["status"] == "ON_HOLD" and held.json() == admin.get("partners", headers=ONE).json()
    counted = org.db.execute(
        "select count(*) from events.event where org_id = %s and entity_id = %s and type = 'partner.on_hold'",
        [org.id, partner],
    ).fetchone()
    assert counted == (1,)
    chosen = twice(admin, "POST", "rpc/partner_activate?select=id,status", json={"id": str(partner)})
    assert chosen.json() == {"id": str(partner), "status": "ACTIVE"}
    choice = {"event_type": "partner.on_hold", "is_on": False}
    value = twice(admin, "POST", "rpc/notification_preference_put", json=choice)
    assert value.json() == admin.post("rpc/notification_preference_put", json=choice).json()
    chosen = twice(admin, "POST", "rpc/notification_preference_put", json=choice, headers=ONE)
    assert chosen.json() == value.json()


def test_a_function_that_returns_a_list(admin: httpx.Client, org: Any, api: Callable[..., httpx.Client]) -> None:
    world = World(org, admin, org.db)
    warehouse = world.warehouse("ONE")
    item = world.item()
    drafts = [
        world.draft("IMPORT", {"item_id": item, "quantity": 5}, to_location_id=warehouse.id)["id"] for _ in range(2)
    ]
    posted = twice(admin, "POST", "rpc/wms_documents_post?select=id,status", json={"ids": drafts})
    assert {row["id"]: row["status"] for row in posted.json()} == dict.fromkeys(drafts, "POSTED")


# ---- other requests, other people -----------------------------------------------------------------------------------


def test_the_same_key_with_another_request_is_refused(admin: httpx.Client, org: Any, partner: uuid.UUID) -> None:
    key = keyed()
    admin.post("contacts", json=contact(partner), headers=key).raise_for_status()
    others: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "contacts", {"json": contact(partner, name="Bea")}),
        ("POST", "contacts?select=id", {"json": contact(partner)}),
        ("PATCH", f"contacts?partner_id=eq.{partner}", {"json": {"name": "Bea"}}),
        ("DELETE", f"contacts?partner_id=eq.{partner}", {}),
        ("POST", "contacts", {"content": json.dumps(contact(partner), indent=1)}),
        ("POST", "contacts", {"json": contact(partner), "headers": {**key, **RETURNED}}),
        ("POST", "contacts", {"json": contact(partner), "headers": {**key, **ONE}}),
        ("POST", "rpc/partner_hold", {"json": {"id": str(partner), "reason": "unpaid"}}),
    ]
    for method, path, more in others:
        answer = admin.request(method, path, **{"headers": key, **more})
        assert code_of(answer) == (422, "core.idempotency_key_reused"), (method, path, more)
    assert contacts(org) == 1


def test_a_condition_is_asked_once(admin: httpx.Client, org: Any, partner: uuid.UUID) -> None:
    """The second time the version is another, made by the first: that is no conflict."""
    row = admin.post("contacts", json=contact(partner), headers={**RETURNED, **ONE}).json()
    path, body = f"contacts?id=eq.{row['id']}", {"name": "Bea"}
    condition = keyed(**RETURNED, **{"If-Match": '"1"'})
    first = admin.patch(path, json=body, headers=condition)
    assert first.json()[0]["version"] == 2
    same(first, admin.patch(path, json=body, headers=condition))
    other = admin.patch(path, json=body, headers={**condition, "If-Match": '"2"'})
    assert code_of(other) == (422, "core.idempotency_key_reused")
    assert admin.patch(path, json=body, headers=keyed(**{"If-Match": '"1"'})).status_code == 412


def test_a_key_counts_for_one_user_of_one_organization(
    admin: httpx.Client, api: Callable[..., httpx.Client], org: Any, new_org: Callable[[], Any], partner: uuid.UUID
) -> None:
    key = keyed(**RETURNED)
    other = new_org()
    their = made(other, 1)[0]
    for client, target in (
        (admin, partner), (api(org.token(administrator=True)), partner), (api(other.admin_token), their),
    ):  # fmt: skip
        first = client.post("contacts", json=contact(target), headers=key)
        assert first.status_code == 201
        same(first, client.post("contacts", json=contact(target), headers=key))
    assert (contacts(org), contacts(other)) == (2, 1)


def test_a_new_token_is_the_same_user(api: Callable[..., httpx.Client], org: Any, partner: uuid.UUID) -> None:
    key = keyed(**RETURNED)
    first, again = (api(org.admin_token).post("contacts", json=contact(partner), headers=key) for _ in range(2))
    same(first, again)


def test_a_super_admin_without_an_organization(api: Callable[..., httpx.Client], stack: Any, db: Any, org: Any) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    user = db.execute(
        "insert into core.app_user (email, name, kind) values (%s, 'Root', 'SUPER_ADMIN') returning id", [email]
    ).fetchone()[0]
    claims = {"role": "superadmin", "sub": str(user)}
    claims["sid"] = open_session(db, claims)
    root = api(sign(claims, stack.secret("jwt.key")))
    twice(root, "POST", "rpc/user_disable", json={"id": str(org.user())})
    kept = db.execute("select org_id from core.idempotency where user_id = %s", [user]).fetchall()
    assert kept == [(uuid.UUID(int=0),)]


def test_an_external_user(api: Callable[..., httpx.Client], org: Any, partner: uuid.UUID) -> None:
    client = api(org.token(partner_id=partner))
    event = {"event_type": "partner.on_hold", "is_on": False}
    twice(client, "POST", "rpc/notification_preference_put", json=event)


# ---- when -----------------------------------------------------------------------------------------------------------


def test_a_request_in_flight(admin: httpx.Client, org: Any, partner: uuid.UUID, stack: Any) -> None:
    headers = keyed(**RETURNED)
    with psycopg.connect(stack.dsn("postgres", stack.database)) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("lock table core.contact in share mode")
        first = pool.submit(admin.post, "contacts", json=contact(partner), headers=headers)
        until_waiting(org.db)
        again = admin.post("contacts", json=contact(partner), headers=headers)
        assert code_of(again) == (409, "core.request_in_flight")
        assert again.headers["Retry-After"] == "1"
        holder.rollback()
    assert first.result().status_code == 201
    same(first.result(), admin.post("contacts", json=contact(partner), headers=headers))


def until_waiting(db: Any) -> None:
    waiting = threading.Event()
    for _ in range(2000):
        found = db.execute("select from pg_locks where relation = 'core.contact'::regclass and not granted").fetchone()
        if found is not None:
            return
        waiting.wait(0.005)
    raise AssertionError("the request does not wait")


def test_twenty_at_once(api: Callable[..., httpx.Client], org: Any, partner: uuid.UUID) -> None:
    token = org.admin_token
    clients = [api(token) for _ in range(20)]
    start = threading.Barrier(20)
    for _ in range(3):
        headers = keyed(**RETURNED)
        before = contacts(org)

        def send(client: httpx.Client, headers: dict[str, str] = headers) -> httpx.Response:
            start.wait()
            return client.post("contacts", json=contact(partner), headers=headers)

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(send, clients))
        assert contacts(org) == before + 1
        told = Counter((a.status_code, a.headers.get("Idempotency-Replayed")) for a in answers)
        assert told[201, None] == 1, told
        assert told[201, None] + told[201, "true"] + told[409, None] == 20, told
        assert len({a.content for a in answers if a.status_code == 201}) == 1


def test_an_error_is_not_remembered(admin: httpx.Client, org: Any, partner: uuid.UUID) -> None:
    headers = keyed(**RETURNED)
    body = {"code": "TAKEN", "name": "New"}
    org.db.execute("update core.partner set code = 'TAKEN' where id = %s", [partner])
    for _ in range(2):
        assert admin.post("partners", json=body, headers=headers).status_code == 409
    assert keys(org) == []
    org.db.execute("update core.partner set code = 'FREE' where id = %s", [partner])
    first = admin.post("partners", json=body, headers=headers)
    assert first.status_code == 201
    same(first, admin.post("partners", json=body, headers=headers))


def test_an_error_that_is_an_effect_is_an_answer(admin: httpx.Client, org: Any) -> None:
    """A wrong password is counted and committed: sent again it must not count twice."""
    body = {"old_password": "wrong", "new_password": "Correct-horse-7-battery"}
    answer = twice(admin, "POST", "rpc/password_change", json=body)
    assert code_of(answer) == (403, "core.password_wrong")
    assert b"wrong" not in b"".join(bytes(str(row), "utf-8") for row in org.db.execute(
        "select digest, key from core.idempotency where org_id = %s", [org.id]
    ))  # fmt: skip


def test_what_is_rolled_back_is_not_kept(admin: httpx.Client, org: Any, partner: uuid.UUID) -> None:
    headers = keyed(Prefer="return=representation, tx=rollback")
    for _ in range(2):
        answer = admin.post("contacts", json=contact(partner), headers=headers)
        assert answer.status_code == 201 and "Idempotency-Replayed" not in answer.headers
    assert (contacts(org), keys(org)) == (0, [])


def test_a_day_later_the_key_is_new(admin: httpx.Client, org: Any, partner: uuid.UUID, stack: Any) -> None:
    headers = keyed(**RETURNED)
    admin.post("contacts", json=contact(partner), headers=headers).raise_for_status()
    for hours in (23, 25):
        org.db.execute(f"select ops.create_partition('core.idempotency', now() - interval '{hours} hours')")
    age = "update core.idempotency set id = uuidv7(make_interval(secs => %s)) where org_id = %s"
    with psycopg.connect(stack.dsn("postgres", stack.database), autocommit=True) as superuser:
        superuser.execute(age, [60 - 86400, org.id])
        assert "Idempotency-Replayed" in admin.post("contacts", json=contact(partner), headers=headers).headers
        superuser.execute(age, [-60 - 86400, org.id])
    again = admin.post("contacts", json=contact(partner, name="Bea"), headers=headers)
    assert again.status_code == 201 and contacts(org) == 2


# ---- what goes with a key, and what does not ------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["k", "0", 'a"b', "x" * 255, "two words", "~!@#$%^&*()_+{}|:<>?[];',./`-=", "\\"])
def test_keys(admin: httpx.Client, org: Any, partner: uuid.UUID, key: str) -> None:
    bare = admin.post("contacts", json=contact(partner), headers={**RETURNED, "Idempotency-Key": key})
    assert bare.status_code == 201, bare.text
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    same(bare, admin.post("contacts", json=contact(partner), headers={**RETURNED, "Idempotency-Key": quoted}))
    assert [row[0] for row in keys(org)] == [key]


@pytest.mark.parametrize("key", ["", '""', '"open', '"a"b"', '"a\\b"', "x" * 256, '"' + "x" * 256 + '"', "ä", "a\tb"])
def test_no_keys(admin: httpx.Client, org: Any, partner: uuid.UUID, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode())]
    assert code_of(admin.post("contacts", json=contact(partner), headers=headers)) == (400, "gateway.key_malformed")
    assert contacts(org) == 0


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Accept": "text/csv"}, "key_needs_json"),
        ({"Accept": "text/html, application/json"}, "key_needs_json"),
        ({"Accept": "application/json;q=0.5, text/csv"}, "key_needs_json"),
        ({"Accept": "application/octet-stream"}, "key_needs_json"),
        ({"Prefer": "return=headers-only"}, "key_needs_body"),
        ({"Prefer": "return=representation, count=exact"}, "key_without_count"),
    ],
)
def test_what_does_not_go_with_a_key(
    admin: httpx.Client, org: Any, partner: uuid.UUID, headers: dict[str, str], code: str
) -> None:
    answer = admin.post("contacts", json=contact(partner), headers=keyed(**headers))
    assert code_of(answer) == (400, f"gateway.{code}")
    assert contacts(org) == 0


def test_a_read_needs_no_key(admin: httpx.Client, org: Any) -> None:
    for _ in range(2):
        listed = admin.get("countries?limit=2", headers=keyed("k"))
        assert listed.status_code == 200 and len(listed.json()) == 2
        read = admin.post("rpc/notifications_unread", json={}, headers=keyed("k"))
        assert read.status_code == 200 and "Idempotency-Replayed" not in read.headers
    assert keys(org) == []


def test_an_answer_too_large_to_be_kept_is_not_given(admin: httpx.Client, org: Any, partner: uuid.UUID) -> None:
    rows = [contact(partner, name="x" * 15000) for _ in range(60)]
    big = [*rows, contact(partner, name="y" * 100000)]  # the body is below the gateway's limit, the answer above ours
    answer = admin.post("contacts", json=[*big, *({**r, "name": "z"} for r in rows * 3)], headers=keyed(**RETURNED))
    assert code_of(answer) == (400, "core.answer_too_large")
    assert (contacts(org), keys(org)) == (0, [])
    key = keyed()
    for _ in range(2):
        assert admin.post("contacts", json=big, headers=key).status_code == 201
    assert contacts(org) == 61


def test_nothing_that_a_client_says_reaches_the_database_as_ours(
    admin: httpx.Client, org: Any, partner: uuid.UUID
) -> None:
    forged = {"X-Idempotency": "ab" * 32 + " list forged"}
    for _ in range(2):
        assert admin.post("contacts", json=contact(partner), headers=forged).status_code == 201
    assert (contacts(org), keys(org)) == (2, [])


# ---- secrets --------------------------------------------------------------------------------------------------------


def test_functions_whose_answer_is_a_secret_take_no_key(
    admin: httpx.Client, api: Callable[..., httpx.Client], address: Callable[[], str], org: Any
) -> None:
    anybody = api(None, address())
    unkept = org.db.execute("select function_name from core.unkept_answer").fetchall()
    for (name,) in unkept:
        arguments = org.db.execute(
            "select coalesce(p.proargnames[1:p.pronargs - p.pronargdefaults], '{}') from pg_proc as p"
            " where p.pronamespace = 'api'::regnamespace and p.proname = %s",
            [name],
        ).fetchone()
        body = dict.fromkeys(arguments[0], "x")
        answer = admin.post(f"rpc/{name}", json=body, headers=keyed())
        assert code_of(answer) == (400, "core.idempotency_key_refused"), (name, answer.text)
    refused = anybody.post("rpc/api_key_sign_in", json={"key": "x"}, headers=keyed())
    assert code_of(refused) == (400, "core.idempotency_key_refused")
    assert keys(org) == []


def test_every_function_that_gives_a_secret_is_known(db: Any) -> None:
    """Whoever calls what makes tokens and secrets, directly or not, and does not hand them to somebody else."""
    sources = dict(
        db.execute(
            "select n.nspname || '.' || p.proname, coalesce(nullif(p.prosrc, ''), pg_get_function_sqlbody(p.oid))"
            " from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace where n.nspowner = 'owner'::regrole"
        ).fetchall()
    )
    makers = {"core.make_secret", "core.sign_token", "gen_random_bytes"}
    mailed = {"password_reset_request", "user_create"}  # to the mailbox of whom it is for, not into the answer
    new = makers
    while new:
        calls = re.compile(rf"\b({'|'.join(map(re.escape, new))})\(")
        new = {name for name, source in sources.items() if name not in makers and calls.search(source or "")}
        makers |= new
    found = {name.removeprefix("api.") for name in makers if name.startswith("api.")}
    assert found - mailed == {row[0] for row in db.execute("select function_name from core.unkept_answer")}


def test_kept_answers_are_nobodys_to_read(db: Any) -> None:
    for role in ("anon", "partner", "member", "superadmin", "analyst", "relay", "worker", "monitor", "authenticator"):
        row = db.execute("select has_any_column_privilege(%s, 'core.idempotency', 'select')", [role]).fetchone()
        assert row == (False,), role


def test_the_log_holds_no_answer(admin: httpx.Client, stack: Any, partner: uuid.UUID) -> None:
    name = f"Secret {uuid.uuid4()}"
    twice(admin, "POST", "contacts", json=contact(partner, name=name), headers=RETURNED)
    assert name not in Path(stack.log, "postgres.log").read_text(errors="replace")


# ---- the function that keeps answers --------------------------------------------------------------------------------


def test_nothing_in_api_takes_the_place_of_what_postgresql_has(db: Any) -> None:
    functions = db.execute(
        "select p.proname from pg_proc as p join pg_proc as b using (proname, proargtypes)"
        " where p.pronamespace = 'api'::regnamespace and b.pronamespace = 'pg_catalog'::regnamespace"
    ).fetchall()
    assert functions == [("json_agg",)]
    types = db.execute(
        "select t.typname from pg_type as t join pg_type as b on b.typname = t.typname"
        " where t.typnamespace = 'api'::regnamespace and b.typnamespace = 'pg_catalog'::regnamespace"
    ).fetchall()
    assert types == []


def test_it_is_no_function_of_the_api(admin: httpx.Client) -> None:
    assert admin.post("rpc/json_agg", json={}).status_code == 404
    assert "json_agg" not in admin.get("").text


@pytest.mark.parametrize(
    "rows",
    [
        "values (1), (null), (3)", "values ('a'::text), ('\"'), (null)", "values ('{1,2}'::int[]), ('{}')",
        "values (row(1, 'a')), (row(2, null))", "values ('{\"a\": 1}'::json), ('[1, 2]')",
        "values ('{\"b\":  1}'::jsonb)",
        "select now() where false", "values (1.50::numeric), ('NaN')", "select u from core.unit as u order by u.code",
        "values (true), (false)", "values (date '2026-11-22')", "values (interval '1 day')",
    ],
)  # fmt: skip
def test_it_gives_what_json_agg_gives(db: Any, rows: str) -> None:
    ours, theirs = db.execute(
        f"select api.json_agg(v)::text, pg_catalog.json_agg(v)::text from ({rows}) as r (v)"
    ).fetchone()
    assert ours == theirs


def test_pages_of_other_origins_may_read_whether_it_was_replayed(admin: httpx.Client, partner: uuid.UUID) -> None:
    answer = admin.post("contacts", json=contact(partner), headers=keyed(Origin="https://app.example.com"))
    assert "Idempotency-Replayed" in answer.headers["Access-Control-Expose-Headers"]


# ---- cuts -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def cutter(stack: Any, db: Any) -> Cutter:
    return Cutter(stack, db)


@pytest.mark.parametrize("case", CASES)
def test_a_connection_cut_anywhere(cutter: Cutter, case: str) -> None:
    for tried in cutter.every_byte(case, step=97):
        assert tried.points > 8 and tried.wrong == [], tried


@pytest.fixture
def breaker(disturbed: State) -> Iterator[Cutter]:
    """One who locks tables, changes the server's settings and ends sessions and PostgREST: not where others work."""
    with psycopg.connect(disturbed.dsn("migrator"), autocommit=True) as db:
        yield Cutter(disturbed, db)


def test_a_session_ended_at_each_moment(breaker: Cutter) -> None:
    for tried in breaker.moments("insert", ["client", "session"]):
        assert tried.wrong == [], tried
        # The client's going does not undo; the session's end undoes what was not committed.
        assert bool(tried.replayed) == (tried.cut.endswith("client") or tried.cut.startswith("committed")), tried


def test_a_read_survives_dead_connections(breaker: Cutter) -> None:
    """PostgREST learns by a failed request that an administrator ended a session; the gateway tries a read again."""
    state = breaker.state
    headers = {"Authorization": f"Bearer {breaker.token}"}
    with (
        httpx.Client(base_url=f"{state.url}/api/", headers=headers, verify=False, timeout=60) as client,
        psycopg.connect(state.dsn("postgres"), autocommit=True) as boss,
    ):

        def end_sessions() -> None:
            while client.post("rpc/health").status_code != 200:  # what the test before left behind
                pass
            found = boss.execute(
                "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity"
                " where usename = 'authenticator' and state = 'idle' and query not ilike 'listen %'"
            ).fetchone()
            assert found is not None and found[0] >= 1

        def refused() -> bool:
            end_sessions()
            return client.post("rpc/health").status_code == 503

        # A session that loads the schema cache meanwhile is not idle, and the next request may be given that one.
        assert any(refused() for _ in range(10)), "the control: nobody sends a POST again"
        for method in ("GET", "HEAD"):
            end_sessions()
            assert {client.request(method, "rpc/health").status_code for _ in range(40)} == {200}


@pytest.mark.drill
@pytest.mark.parametrize("case", CASES)
def test_every_cut(breaker: Cutter, case: str) -> None:
    for tried in (*breaker.every_byte(case), *breaker.moments(case)):
        assert tried.wrong == [], tried


def test_a_cut_without_a_key_shows(cutter: Cutter) -> None:
    """The negative control: the same, without the header, has two effects."""
    request = cutter.requests("insert", 1)[0]
    data = b"\r\n".join(line for line in request.data.split(b"\r\n") if not line.startswith(b"Idempotency-Key"))
    cutter.cut_answer(data, 1)
    cutter.settle(data)
    assert cutter.effects([request]) == {request.target: 2}
