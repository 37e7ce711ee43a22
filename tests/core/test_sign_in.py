"""Signing in and out, sessions and their refresh tokens, and what happens to who fails."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from threading import Barrier
from typing import Any

import httpx
import psycopg
import pytest
from postgrest import SyncPostgrestClient
from postgrest.exceptions import APIError


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


@pytest.fixture
def direct(stack: Any) -> Any:
    """PostgREST without the gateway, which would refuse a sixth attempt from one address itself."""
    clients = []

    def make(address: str) -> httpx.Client:
        clients.append(
            httpx.Client(
                transport=httpx.HTTPTransport(uds=str(stack.postgrest_socket)), base_url="http://postgrest",
                headers={"X-Real-IP": address}, timeout=60,
            )
        )  # fmt: skip
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def patiently(send: Callable[[], httpx.Response]) -> httpx.Response:
    """Send until there is a slot for checking a password: other tests sign in as well."""
    deadline = time.monotonic() + 60
    while True:
        response = send()
        if response.status_code != 503 or time.monotonic() > deadline:
            return response


def unlock(db: Any, email: str) -> None:
    """Let the time of a lock be over."""
    db.execute("update core.sign_in_failure set locked_until = now() where subject = core.account_subject(%s)", [email])


# ---- the way in ------------------------------------------------------------------------------------------------------


def test_the_whole_way_with_postgrest_py(stack: Any, person: Any) -> None:
    """Sign in, work, renew, sign out: as a frontend written with postgrest-py does it."""
    who = person(administrator=True)

    def client(token: str | None = None) -> SyncPostgrestClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return SyncPostgrestClient(f"{stack.url}/api", schema="api", headers=headers)

    deadline = time.monotonic() + 60
    while True:  # at most four passwords are checked at once in the whole installation
        try:
            first: Any = client().rpc("sign_in", {"email": who.email, "password": who.password}).execute().data
            break
        except APIError as error:
            assert error.code in ("core.busy", "gateway.rate_limited") and time.monotonic() < deadline
            time.sleep(1)
    assert first["expires_in"] == 900 and first["token_type"] == "Bearer"
    me: Any = client(first["access_token"]).rpc("me", {}).execute().data
    assert me["user"]["email"] == who.email and me["session"]["id"] == first["session_id"]
    client(first["access_token"]).from_("partners").insert({"code": "P", "name": "Partner"}).execute()
    second: Any = client().rpc("sign_in_refresh", {"refresh_token": first["refresh_token"]}).execute().data
    assert second["session_id"] == first["session_id"]
    client(second["access_token"]).rpc("sign_out", {}).execute()
    for token in (first["access_token"], second["access_token"]):
        with pytest.raises(APIError) as refused:
            client(token).from_("partners").select("id").execute()
        assert refused.value.code == "core.session_ended"


def test_what_a_sign_in_answers(person: Any, call: Any) -> None:
    who = person()
    response = call("sign_in", email=f"  {who.email.upper()} ", password=who.password)
    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "no-store"
    answer = response.json()
    claims = claims_of(answer["access_token"])
    assert {k: claims[k] for k in ("role", "sub", "org_id", "sid")} == {
        "role": "member", "sub": str(who.id), "org_id": str(who.org.id), "sid": answer["session_id"],
    }  # fmt: skip
    assert claims["exp"] - claims["iat"] == 900 and abs(claims["iat"] - time.time()) < 30
    assert answer["organization"]["code"] == who.org.code
    assert [o["code"] for o in answer["organizations"]] == [who.org.code]
    assert answer["second_factor_setup"] is False


def test_an_external_user_signs_in(org: Any, api: Any, make: Any, person: Any, signed_in: Any, call: Any,
                                                   refused: Any) -> None:  # fmt: skip
    admin = api(org.admin_token)
    partner = make(admin, "partners", code="P", name="P")
    who = person(partner_id=partner["id"])
    token = signed_in(who)["access_token"]
    assert claims_of(token)["role"] == "partner" and claims_of(token)["partner_id"] == partner["id"]
    assert [p["id"] for p in api(token).get("own_partner").json()] == [partner["id"]]
    admin.post("rpc/partner_deactivate", json={"id": partner["id"], "reason": "gone"})
    refused(call("sign_in", email=who.email, password=who.password), 401, "core.user_inactive")


def test_a_super_admin_signs_in_with_and_without_an_organisation(org: Any, db: Any, quick: None, call: Any, api: Any,
                                                                 refused: Any) -> None:  # fmt: skip
    email, password = f"{uuid.uuid4().hex}@example.com", "Root of all 9 trees"
    user_id = db.execute(
        "insert into core.app_user (email, name, kind) values (%s, 'Root', 'SUPER_ADMIN') returning id", [email]
    ).fetchone()[0]
    db.execute("select core.set_password(%s, %s)", [user_id, password])
    anywhere = call("sign_in", email=email, password=password).json()
    assert claims_of(anywhere["access_token"])["role"] == "superadmin" and anywhere["organization"] is None
    here = call("sign_in", email=email, password=password, organization=org.code).json()
    assert claims_of(here["access_token"])["org_id"] == str(org.id)
    renewed = call("sign_in_refresh", refresh_token=here["refresh_token"]).json()
    assert len(api(renewed["access_token"]).get("organizations", params={"id": f"eq.{org.id}"}).json()) == 1
    refused(call("sign_in", email=email, password=password, organization="NOWHERE"), 401, "core.organization_refused")
    switched = call("sign_in_switch", anywhere["access_token"], organization=org.code).json()
    assert switched["organization"]["id"] == str(org.id)


@pytest.mark.parametrize(
    "change", [{"password": "wrong"}, {"email": "nobody@example.com"}, {"password": None}, {"email": ""}]
)
def test_wrong_ones_are_refused_alike(
    person: Any, call: Any, refused: Any, address: Any, change: dict[str, Any]
) -> None:
    who = person()
    body = {"email": who.email, "password": who.password, **change}
    if body["email"] and body["email"].startswith("nobody"):
        body["email"] = f"{uuid.uuid4().hex}@example.com"
    response = call("sign_in", **body)
    known = call("sign_in", email=who.email, password="Not this one 1")
    assert refused(response, 401, "core.sign_in_failed") == known.json()
    ignored = {"date", "x-request-id"}
    assert {k: v for k, v in response.headers.items() if k not in ignored} == {
        k: v for k, v in known.headers.items() if k not in ignored
    }


def test_a_user_without_a_password_cannot_sign_in(org: Any, db: Any, quick: None, call: Any, refused: Any) -> None:
    email = db.execute("select email from core.app_user where id = %s", [org.user()]).fetchone()[0]
    for password in ("", "anything at all 1A"):
        refused(call("sign_in", email=email, password=password), 401, "core.sign_in_failed")


def test_a_disabled_user_is_told_only_with_the_right_password(person: Any, db: Any, call: Any, refused: Any) -> None:
    who = person()
    db.execute("update core.app_user set is_active = false where id = %s", [who.id])
    refused(call("sign_in", email=who.email, password="Not this one 1"), 401, "core.sign_in_failed")
    refused(call("sign_in", email=who.email, password=who.password), 401, "core.user_inactive")


def test_an_unknown_account_takes_as_long_as_a_known_one(person: Any, db: Any, direct: Any) -> None:
    who = person()
    with psycopg.connect(who.org.stack.dsn("migrator")) as connection:
        # For this transaction alone: what others hash meanwhile is not slowed down.
        connection.execute("update core.installation_setting set value = '10' where code = 'core.password_hash_cost'")
        hashed = connection.execute("select core.hash_password('x')").fetchone()[0]

        def seconds(stored: str | None) -> float:
            began = time.perf_counter()
            connection.execute("select core.password_matches('y', %s)", [stored]).fetchone()
            return time.perf_counter() - began

        known, unknown = (median(seconds(stored) for _ in range(7)) for stored in (hashed, None))
        connection.rollback()
    assert known / 2 < unknown < known * 2, (known, unknown)
    client = direct("198.51.100.77")
    for email in (who.email, f"{uuid.uuid4().hex}@example.com"):
        subject = db.execute("select core.account_subject(%s)", [email]).fetchone()
        body = {"email": email, "password": "y"}
        assert patiently(lambda b=body: client.post("/rpc/sign_in", json=b)).status_code == 401  # type: ignore[misc]
        assert db.execute("select failures from core.sign_in_failure where subject = %s", subject).fetchone() == (1,)
    db.execute("delete from core.sign_in_failure where subject = 'address:198.51.100.77'")


# ---- attempts are counted --------------------------------------------------------------------------------------------


def test_five_failures_lock_an_account_for_a_growing_time(
    person: Any, call: Any, refused: Any, db: Any, events: Any
) -> None:
    who = person()
    for minutes in (1, 2, 4):
        for _ in range(5):
            refused(call("sign_in", email=who.email, password="Not this one 1"), 401, "core.sign_in_failed")
        response = call("sign_in", email=who.email, password=who.password)
        body = refused(response, 429, "core.sign_in_locked")
        wait = int(response.headers["Retry-After"])
        assert minutes * 60 - 20 < wait <= minutes * 60
        assert json.loads(body["details"])["seconds"] == wait
        unlock(db, who.email)
    assert events(who.id) == ["ACCOUNT_LOCKED"] * 3
    assert call("sign_in", email=who.email, password=who.password).status_code == 200
    left = db.execute("select count(*) from core.sign_in_failure where subject = core.account_subject(%s)", [who.email])
    assert left.fetchone() == (0,)


def test_a_lock_is_an_hour_at_most(person: Any, call: Any, db: Any) -> None:
    who = person()
    call("sign_in", email=who.email, password="Not this one 1")
    db.execute(
        "update core.sign_in_failure set failures = 4, locks = 30 where subject = core.account_subject(%s)", [who.email]
    )
    call("sign_in", email=who.email, password="Not this one 1")
    wait = int(call("sign_in", email=who.email, password=who.password).headers["Retry-After"])
    assert 3540 < wait <= 3600


def test_failures_long_ago_do_not_count(person: Any, call: Any, refused: Any, db: Any) -> None:
    who = person()
    for _ in range(4):
        call("sign_in", email=who.email, password="Not this one 1")
    db.execute(
        "update core.sign_in_failure set window_started_at = now() - interval '61 s' "
        "where subject = core.account_subject(%s)",
        [who.email],
    )
    for _ in range(2):
        refused(call("sign_in", email=who.email, password="Not this one 1"), 401, "core.sign_in_failed")
    assert call("sign_in", email=who.email, password=who.password).status_code == 200


def test_an_unknown_account_locks_like_a_known_one(quick: None, call: Any, refused: Any) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    for _ in range(5):
        refused(call("sign_in", email=email, password="Not this one 1"), 401, "core.sign_in_failed")
    refused(call("sign_in", email=email, password="Not this one 1"), 429, "core.sign_in_locked")


@pytest.mark.parametrize("network", ["203.0.113.{}", "2001:db8:{}::"])
def test_five_failures_lock_an_address(person: Any, direct: Any, refused: Any, db: Any, network: str) -> None:
    who = person()
    base = network.format(uuid.uuid4().int % 250 + 1)
    every = [base if ":" not in base else f"{base}{n}" for n in range(1, 8)]  # one IPv6 client has many addresses

    def attempt(address: str, email: str, password: str) -> httpx.Response:
        return patiently(lambda: direct(address).post("/rpc/sign_in", json={"email": email, "password": password}))

    for n in range(5):
        refused(attempt(every[n], f"{uuid.uuid4().hex}@example.com", "Not this one 1"), 401, "core.sign_in_failed")
    refused(attempt(every[5], who.email, who.password), 429, "core.sign_in_locked")
    assert attempt("192.0.2.1", who.email, who.password).status_code == 200
    db.execute("delete from core.sign_in_failure where subject like %s", [f"address:{base.rstrip(':')}%"])


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"Prefer": "tx=rollback"}),
        ("", {"Prefer": "return=minimal, tx=rollback"}),
        ("?select=pgrst_scalar::integer", {}),
        ("?sign_in=eq.1", {}),
        ("?limit=1", {}),
    ],
)
def test_nobody_undoes_the_counting(
    person: Any, api: Any, address: Any, refused: Any, db: Any, query: str, headers: dict[str, str]
) -> None:
    """An attempt that could be rolled back after its answer was seen would be free: it is refused before the check."""
    who = person()
    for password in (who.password, "Not this one 1"):
        response = api(None, address(), **headers).post(
            f"rpc/sign_in{query}", json={"email": who.email, "password": password}
        )
        assert response.status_code == 400, response.text
        assert "access_token" not in response.text
        if response.json()["code"][:5] not in ("PGRST", "42703"):
            refused(response, 400, "core.sign_in_plain")


@pytest.mark.parametrize(
    "accept", ["text/csv", "application/vnd.pgrst.object+json", "application/octet-stream", "text/plain"]
)
def test_a_failure_counts_whatever_form_is_asked_for(person: Any, api: Any, address: Any, db: Any, accept: str) -> None:
    who = person()
    body = {"email": who.email, "password": "Not it 1"}
    response = patiently(lambda: api(None, address(), Accept=accept).post("rpc/sign_in", json=body))
    failures = db.execute(
        "select failures from core.sign_in_failure where subject = core.account_subject(%s)", [who.email]
    )
    counted = failures.fetchone()
    assert counted == (1,) or (response.status_code == 415 and counted is None), response.text


def test_get_does_not_sign_in(person: Any, api: Any, address: Any) -> None:
    who = person()
    response = api(None, address()).get("rpc/sign_in", params={"email": who.email, "password": who.password})
    assert response.status_code in (400, 405) and "access_token" not in response.text


# ---- refresh ---------------------------------------------------------------------------------------------------------


def age(db: Any, session_id: str, seconds: int) -> None:
    """Let time pass since the refresh tokens of a session were spent."""
    db.execute(
        "update core.refresh_token set spent_at = spent_at - make_interval(secs => %s) where session_id = %s",
        [seconds, session_id],
    )


def test_a_refresh_token_is_good_once(person: Any, signed_in: Any, call: Any, api: Any, refused: Any) -> None:
    first = signed_in(person())
    second = call("sign_in_refresh", refresh_token=first["refresh_token"]).json()
    third = call("sign_in_refresh", refresh_token=second["refresh_token"]).json()
    assert len({t["refresh_token"] for t in (first, second, third)}) == 3
    assert {t["session_id"] for t in (first, second, third)} == {first["session_id"]}
    assert api(third["access_token"]).post("rpc/me").status_code == 200
    refused(call("sign_in_refresh", refresh_token="ert_unknown"), 401, "core.session_ended")


def test_reuse_of_a_spent_token_ends_the_session(
    person: Any, signed_in: Any, call: Any, api: Any, refused: Any, db: Any, events: Any
) -> None:
    who = person()
    other = signed_in(who)
    first = signed_in(who)
    second = call("sign_in_refresh", refresh_token=first["refresh_token"]).json()
    age(db, first["session_id"], 11)
    refused(call("sign_in_refresh", refresh_token=first["refresh_token"]), 401, "core.refresh_reused")
    assert events(who.id) == ["REFRESH_REUSED"]
    refused(call("sign_in_refresh", refresh_token=second["refresh_token"]), 401, "core.session_ended")
    refused(api(second["access_token"]).get("items"), 401, "core.session_ended")
    assert api(other["access_token"]).get("items").status_code == 200
    row = db.execute("select revoked_because from core.session where id = %s", [first["session_id"]]).fetchone()
    assert row == ("REFRESH_REUSED",)


def test_two_tabs_that_refresh_at_once(person: Any, signed_in: Any, call: Any, api: Any) -> None:
    """One gets the new tokens, the others are refused and the session goes on."""
    first = signed_in(person())
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: call("sign_in_refresh", refresh_token=first["refresh_token"]), range(4)))
    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"core.refresh_repeated"}
    winner = next(a.json() for a in answers if a.status_code == 200)
    assert api(winner["access_token"]).get("items").status_code == 200
    assert call("sign_in_refresh", refresh_token=winner["refresh_token"]).status_code == 200


def test_a_refresh_ends_with_its_time_its_user_and_the_longest_session(
    person: Any, signed_in: Any, call: Any, refused: Any, db: Any
) -> None:
    who = person()
    first = signed_in(who)
    db.execute("update core.refresh_token set expires_at = now() where session_id = %s", [first["session_id"]])
    refused(call("sign_in_refresh", refresh_token=first["refresh_token"]), 401, "core.session_ended")
    second = signed_in(who)
    lasts = db.execute(
        "select expires_at - created_at from core.session where id = %s", [second["session_id"]]
    ).fetchone()
    assert 29.99 < lasts[0].total_seconds() / 86400 < 30.01
    db.execute("update core.session set created_at = now() - interval '80 days' where id = %s", [second["session_id"]])
    renewed = call("sign_in_refresh", refresh_token=second["refresh_token"]).json()
    left = db.execute("select expires_at - now() from core.session where id = %s", [second["session_id"]]).fetchone()
    assert 9 < left[0].total_seconds() / 86400 < 10.01
    db.execute("update core.membership set is_active = false where user_id = %s", [who.id])
    refused(call("sign_in_refresh", refresh_token=renewed["refresh_token"]), 401, "core.user_inactive")


# ---- several organisations, sessions, signing out --------------------------------------------------------------------


def test_a_user_of_two_organisations_switches(
    new_org: Any, person: Any, signed_in: Any, call: Any, api: Any, db: Any, refused: Any, make: Any
) -> None:
    ours, theirs, strange = new_org(), new_org(), new_org()
    who = person(ours, administrator=True)
    db.execute("insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [theirs.id, who.id])
    here = signed_in(who, organization=ours.code)
    assert {o["code"] for o in here["organizations"]} == {ours.code, theirs.code}
    make(api(here["access_token"]), "partners", code="P", name="P")
    there = call("sign_in_switch", here["access_token"], organization=theirs.code).json()
    assert there["organization"]["code"] == theirs.code
    assert api(there["access_token"]).get("partners").json() == []
    assert api(there["access_token"]).post("rpc/me").json()["permissions"] == []
    assert len(api(here["access_token"]).get("partners").json()) == 1
    for wrong in (strange.code, "", None):
        refused(call("sign_in_switch", here["access_token"], organization=wrong), 401, "core.organization_refused")
    refused(
        call("sign_in", email=who.email, password=who.password, organization=strange.code),
        401,
        "core.organization_refused",
    )
    assert signed_in(who)["organization"]["code"] == theirs.code  # where he was last
    renewed = call("sign_in_refresh", refresh_token=there["refresh_token"]).json()
    assert renewed["organization"]["code"] == theirs.code


def test_sign_out_of_one_and_of_all(person: Any, signed_in: Any, call: Any, api: Any, refused: Any) -> None:
    who = person()
    one, two, three = (signed_in(who) for _ in range(3))
    assert call("sign_out", one["access_token"]).json() == {"ended": 1}
    refused(api(one["access_token"]).get("items"), 401, "core.session_ended")
    refused(call("sign_in_refresh", refresh_token=one["refresh_token"]), 401, "core.session_ended")
    assert api(two["access_token"]).get("items").status_code == 200
    assert call("sign_out", two["access_token"], all=True).json() == {"ended": 2}
    for ended in (two, three):
        refused(api(ended["access_token"]).get("items"), 401, "core.session_ended")


def test_sessions_are_listed_and_revoked(
    org: Any, new_org: Any, person: Any, signed_in: Any, call: Any, api: Any, refused: Any, events: Any
) -> None:
    who, colleague = person(), person()
    chief = person(permissions=["core.session.read", "core.session.revoke"])
    here, phone, other, boss = signed_in(who), signed_in(who), signed_in(colleague), signed_in(chief)
    listed = api(here["access_token"]).get("sessions").json()
    assert {s["id"] for s in listed} == {here["session_id"], phone["session_id"]}
    assert [s["id"] for s in listed if s["is_current"]] == [here["session_id"]]
    assert all(s["is_open"] and s["address"].startswith("127.") and "httpx" in s["user_agent"] for s in listed)

    assert call("session_revoke", here["access_token"], id=phone["session_id"]).json()["revoked"] is True
    refused(api(phone["access_token"]).get("items"), 401, "core.session_ended")
    for hidden in (other["session_id"], str(uuid.uuid4())):
        refused(call("session_revoke", here["access_token"], id=hidden), 403, "core.permission_missing")

    seen = {s["id"] for s in api(boss["access_token"]).get("sessions").json()}
    assert {here["session_id"], other["session_id"]} <= seen
    assert call("session_revoke", boss["access_token"], id=other["session_id"]).status_code == 200
    refused(api(other["access_token"]).get("items"), 401, "core.session_ended")
    assert events(colleague.id) == ["SESSION_REVOKED"]

    stranger = signed_in(person(new_org(), administrator=True))
    assert {s["id"] for s in api(stranger["access_token"]).get("sessions").json()} == {stranger["session_id"]}
    refused(call("session_revoke", stranger["access_token"], id=here["session_id"]), 404, "core.not_found")
    assert api(here["access_token"]).get("items").status_code == 200


def test_security_events_are_seen_by_whom_they_concern(
    org: Any, new_org: Any, person: Any, signed_in: Any, call: Any, api: Any, db: Any
) -> None:
    who, colleague = person(), person()
    for _ in range(5):
        call("sign_in", email=who.email, password="Not this one 1")
    unlock(db, who.email)
    kinds = [e["kind"] for e in api(signed_in(who)["access_token"]).get("security_events").json()]
    assert kinds == ["ACCOUNT_LOCKED"]
    assert api(signed_in(colleague)["access_token"]).get("security_events").json() == []
    watch = api(org.token(["core.security_event.read"]))
    assert [e["user_id"] for e in watch.get("security_events").json()] == [str(who.id)]
    assert api(new_org().admin_token).get("security_events").json() == []
    for statement in ("update core.security_event set kind = 'X'", "delete from core.security_event"):
        with (
            pytest.raises(psycopg.Error, match="security_event_immutable"),
            psycopg.connect(org.stack.dsn("postgres", org.stack.database)) as connection,
        ):
            connection.execute(statement)


def test_no_view_and_no_role_shows_a_secret(stack: Any) -> None:
    secret = ("signing_key", "credential", "password_history", "password_reset", "refresh_token", "second_factor",
              "message_outbox", "sign_in_failure", "identity_provider")  # fmt: skip
    with psycopg.connect(stack.dsn("migrator")) as connection:
        for role in ("anon", "partner", "member", "superadmin"):
            for table in secret:
                row = connection.execute(
                    "select has_table_privilege(%s, %s, 'select') or has_any_column_privilege(%s, %s, 'select')",
                    [role, f"core.{table}", role, f"core.{table}"],
                ).fetchone()
                assert row == (False,), (role, table)
            hashed = "select has_column_privilege(%s, 'core.api_key', 'key_hash', 'select')"
            assert connection.execute(hashed, [role]).fetchone() == (False,)


def test_only_the_functions_of_signing_in_are_for_anybody(db: Any) -> None:
    found = {
        row[0]
        for row in db.execute(
            "select p.proname from pg_proc p where p.pronamespace = 'api'::regnamespace "
            "and has_function_privilege('anon', p.oid, 'execute')"
        )
    }
    assert found == {
        "health", "sign_in", "sign_in_refresh", "api_key_sign_in", "password_reset_request", "password_reset",
    }  # fmt: skip


def test_sessions_of_the_past_are_removed(person: Any, signed_in: Any, db: Any) -> None:
    who = person()
    old, new = signed_in(who)["session_id"], signed_in(who)["session_id"]
    db.execute("update core.session set expires_at = now() - interval '91 days' where id = %s", [old])
    with psycopg.connect(who.org.stack.dsn("worker")) as worker:
        row = worker.execute("select core.purge_sign_in()").fetchone()
    assert row is not None and row[0]["sessions"] >= 1
    assert [str(row[0]) for row in db.execute("select id from core.session where user_id = %s", [who.id])] == [new]


# ---- many at once ----------------------------------------------------------------------------------------------------


def test_two_hundred_at_once_do_not_stop_others(
    org: Any, db: Any, api: Any, address: Any, refused: Any, quick: None
) -> None:
    """What is checked at once is bounded; who finds no slot is told at once, and others are answered meanwhile."""
    password = "Seven Rivers meet at 6!"
    with psycopg.connect(org.stack.dsn("migrator")) as connection:
        connection.execute("update core.installation_setting set value = '12' where code = 'core.password_hash_cost'")
        hashed = connection.execute("select core.hash_password(%s)", [password]).fetchone()[0]
        connection.rollback()
    assert hashed.startswith("$2a$12$")
    db.execute(
        """
        with u as (
          insert into core.app_user (email, name, kind)
          select n || '@' || %(domain)s, 'User ' || n, 'INTERNAL' from generate_series(1, 200) as n
          returning id
        ), m as (
          insert into core.membership (org_id, user_id, kind) select %(org)s, id, 'INTERNAL' from u
        )
        insert into core.credential (user_id, password_hash) select id, %(hash)s from u
        """,
        {"domain": f"{org.code.lower()}.example.com", "org": org.id, "hash": hashed},
    )
    worker = api(org.admin_token)
    assert worker.get("items").status_code == 200

    clients = [api(None, address()) for _ in range(200)]
    start = Barrier(201)

    def sign_in(n: int) -> httpx.Response:
        body = {"email": f"{n + 1}@{org.code.lower()}.example.com", "password": password}
        start.wait()
        response: httpx.Response = clients[n].post("rpc/sign_in", json=body)
        return response

    took = []
    with ThreadPoolExecutor(200) as pool:
        running = [pool.submit(sign_in, n) for n in range(200)]
        start.wait()
        while not all(r.done() for r in running) or not took:
            began = time.perf_counter()
            assert worker.get("items").status_code == 200
            took.append(time.perf_counter() - began)
    answers = [r.result() for r in running]
    statuses = [a.status_code for a in answers]
    assert set(statuses) <= {200, 503} and statuses.count(200) >= 1
    for busy in (a for a in answers if a.status_code == 503):
        refused(busy, 503, "core.busy")
        assert busy.headers["Retry-After"] == "1"
    assert max(took) < 5, (max(took), len(took))
