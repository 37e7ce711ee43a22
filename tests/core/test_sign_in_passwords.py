"""Passwords: what they must be, how they are changed and reset, and that they are written nowhere."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import psycopg
import pytest

GOOD = "Nine Swans over 3 lakes!"


def rules(response: Any) -> set[str]:
    assert response.status_code == 422 and response.json()["code"] == "core.password_weak", response.text
    return set(json.loads(response.json()["details"])["rules"].split(", "))


@pytest.mark.parametrize(
    ("password", "broken"),
    [
        ("Ab1!", {"length"}),
        ("Elevenchr1!"[:11], {"length"}),
        ("nocapitals at 5 p.m.", {"upper"}),
        ("NO SMALL ONES AT 5", {"lower"}),
        ("No digits in here!", {"digit"}),
        ("Nothingelse9876x5", {"other"}),
        ("", {"length", "lower", "upper", "digit", "other"}),
        ("Password1234!", {"common"}),
        ("P@ssw0rd2024!!", {"common"}),
        ("!!!Welcome2026", {"common"}),
        ("Qwertyuiop123!", {"common"}),
        ("Aa1!Aa1!Aa1!Aa1!", {"common"}),
        ("Abcdefgh12345678!", {"common"}),
        ("ErpgresErpgres1!", {"common"}),
        ("aA1! and so on, " * 17, {"length_max"}),
    ],
)
def test_a_weak_password_is_refused_with_its_rules(
    person: Any, signed_in: Any, call: Any, password: str, broken: set[str]
) -> None:
    who = person()
    token = signed_in(who)["access_token"]
    assert rules(call("password_change", token, old_password=who.password, new_password=password)) == broken


def test_the_name_in_the_address_is_no_password(person: Any, signed_in: Any, call: Any) -> None:
    who = person()
    name = who.email.split("@")[0]
    token = signed_in(who)["access_token"]
    answer = call("password_change", token, old_password=who.password, new_password=f"My {name.upper()} is a 1!x")
    assert rules(answer) == {"email"}


@pytest.mark.parametrize(
    "password", [GOOD, "Zwölf Bäume am 3. Fluß", "xK9#mQ2$vL5&wN8", "Correct-Horse-7-Battery", "x" * 70 + "aA1!"]
)
def test_good_passwords_are_taken(db: Any, password: str) -> None:
    db.execute("select core.check_password_rules(%s, 'someone@example.com')", [password])


def test_common_passwords_are_reference_data(db: Any) -> None:
    (count,) = db.execute("select count(*) from core.common_password").fetchone()
    assert count >= 300


def test_more_than_72_bytes_count(person: Any, db: Any, call: Any, refused: Any) -> None:
    who = person()
    long = "Aa1! " * 20 + "end of it 7"
    db.execute("select core.set_password(%s, %s)", [who.id, long])
    refused(call("sign_in", email=who.email, password=long[:-1] + "8"), 401, "core.sign_in_failed")
    assert call("sign_in", email=who.email, password=long).status_code == 200


def test_the_cost_is_twelve_by_default(clone: str) -> None:
    with psycopg.connect(clone) as connection:
        row = connection.execute(
            "insert into core.app_user (email, name, kind) values ('a@example.com', 'A', 'SUPER_ADMIN') returning id"
        ).fetchone()
        assert row is not None
        connection.execute("select core.set_password(%s, %s)", [row[0], GOOD])
        stored = connection.execute("select password_hash from core.credential").fetchone()
        assert stored is not None and stored[0].startswith("$2a$12$")


def test_another_cost_is_taken_over_at_the_next_sign_in(person: Any, db: Any, signed_in: Any) -> None:
    who = person()
    with psycopg.connect(who.org.stack.dsn("migrator")) as connection:
        connection.execute("update core.installation_setting set value = '6' where code = 'core.password_hash_cost'")
        row = connection.execute("select core.hash_password(%s)", [who.password]).fetchone()
        connection.rollback()
    assert row is not None
    db.execute("update core.credential set password_hash = %s where user_id = %s", [row[0], who.id])
    signed_in(who)
    stored = db.execute("select password_hash from core.credential where user_id = %s", [who.id]).fetchone()[0]
    assert stored.split("$")[2] == "05" and stored != row[0]
    signed_in(who)


# ---- change ----------------------------------------------------------------------------------------------------------


def test_a_changed_password_ends_the_other_sessions(
    person: Any, signed_in: Any, call: Any, api: Any, refused: Any, events: Any, messages: Any
) -> None:
    who = person()
    other, here = signed_in(who), signed_in(who)
    answer = call("password_change", here["access_token"], old_password=who.password, new_password=GOOD)
    assert answer.json() == {"changed": True, "ended": 1}, answer.text
    refused(api(other["access_token"]).get("items"), 401, "core.session_ended")
    refused(call("sign_in_refresh", refresh_token=other["refresh_token"]), 401, "core.session_ended")
    assert api(here["access_token"]).get("items").status_code == 200
    refused(call("sign_in", email=who.email, password=who.password), 401, "core.sign_in_failed")
    assert call("sign_in", email=who.email, password=GOOD).status_code == 200
    assert events(who.id) == ["PASSWORD_CHANGED"]
    assert messages(who.email, "PASSWORD_CHANGED") == [{}]


def test_a_wrong_old_password_is_counted(person: Any, signed_in: Any, call: Any, refused: Any) -> None:
    who = person()
    token = signed_in(who)["access_token"]
    for _ in range(5):
        refused(call("password_change", token, old_password="Not it 1", new_password=GOOD), 403, "core.password_wrong")
    answer = call("password_change", token, old_password=who.password, new_password=GOOD)
    refused(answer, 429, "core.sign_in_locked")
    assert int(answer.headers["Retry-After"]) > 0


def test_the_last_five_passwords_are_refused(person: Any, signed_in: Any, call: Any, refused: Any, db: Any) -> None:
    who = person()
    token = signed_in(who)["access_token"]
    every = [who.password, *(f"Nine Swans over {n} lakes!" for n in range(10, 15))]
    for old, new in pairwise(every):
        assert call("password_change", token, old_password=old, new_password=new).status_code == 200
        refused(call("password_change", token, old_password=new, new_password=new), 422, "core.password_used_before")
    refused(
        call("password_change", token, old_password=every[5], new_password=every[1]), 422, "core.password_used_before"
    )
    assert call("password_change", token, old_password=every[5], new_password=every[0]).status_code == 200
    kept = db.execute("select count(*) from core.password_history where user_id = %s", [who.id]).fetchone()
    assert kept == (4,)


def test_changing_needs_a_session(call: Any) -> None:
    assert call("password_change", old_password="x", new_password=GOOD).status_code == 401


# ---- reset -----------------------------------------------------------------------------------------------------------


def test_a_forgotten_password_is_reset_once(
    person: Any, signed_in: Any, call: Any, api: Any, refused: Any, messages: Any, events: Any, db: Any
) -> None:
    who = person()
    session = signed_in(who)
    assert call("password_reset_request", email=who.email.upper()).json() == {"accepted": True}
    (message,) = messages(who.email, "PASSWORD_RESET")
    stored = db.execute(
        "select expires_at - created_at, token_hash from core.password_reset where user_id = %s", [who.id]
    )
    lasts, hashed = stored.fetchone()
    assert 1795 < lasts.total_seconds() < 1805
    assert message["token"].encode() not in bytes(hashed)

    assert "length" in rules(call("password_reset", token=message["token"], new_password="short"))
    refused(call("password_reset", token=message["token"], new_password=who.password), 422, "core.password_used_before")
    assert call("password_reset", token=message["token"], new_password=GOOD).json() == {"changed": True}
    refused(call("password_reset", token=message["token"], new_password=GOOD + "x"), 401, "core.reset_token_refused")
    refused(api(session["access_token"]).get("items"), 401, "core.session_ended")
    refused(call("sign_in", email=who.email, password=who.password), 401, "core.sign_in_failed")
    assert call("sign_in", email=who.email, password=GOOD).status_code == 200
    assert events(who.id) == ["PASSWORD_RESET"]


def test_two_uses_of_a_reset_token_at_once(person: Any, call: Any, messages: Any) -> None:
    who = person()
    call("password_reset_request", email=who.email)
    token = messages(who.email, "PASSWORD_RESET")[0]["token"]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda n: call("password_reset", token=token, new_password=f"{GOOD}{n}"), range(2)))
    assert sorted(a.status_code for a in answers) == [200, 401]


def test_a_request_answers_alike_and_sends_to_users_only(person: Any, call: Any, messages: Any, db: Any) -> None:
    who, gone = person(), person()
    db.execute("update core.app_user set is_active = false where id = %s", [gone.id])
    strange = f"{uuid.uuid4().hex}@example.com"
    answers = [call("password_reset_request", email=email) for email in (who.email, gone.email, strange, "", None)]
    assert {(a.status_code, a.text) for a in answers} == {(200, answers[0].text)}
    assert [len(messages(email, "PASSWORD_RESET")) for email in (who.email, gone.email, strange)] == [1, 0, 0]


def test_a_mailbox_is_not_filled(person: Any, call: Any, messages: Any, db: Any) -> None:
    who = person()
    for _ in range(4):
        assert call("password_reset_request", email=who.email).json() == {"accepted": True}
    assert len(messages(who.email, "PASSWORD_RESET")) == 1
    db.execute("update core.password_reset set created_at = now() - interval '2 min' where user_id = %s", [who.id])
    call("password_reset_request", email=who.email)
    assert len(messages(who.email, "PASSWORD_RESET")) == 2
    db.execute("update core.password_reset set created_at = now() - interval '2 min' where user_id = %s", [who.id])
    assert call("password_reset_request", email=who.email).json() == {"accepted": True}
    assert len(messages(who.email, "PASSWORD_RESET")) == 2  # five within a minute


def test_a_reset_token_ends_with_its_time(person: Any, call: Any, refused: Any, messages: Any, db: Any) -> None:
    who = person()
    call("password_reset_request", email=who.email)
    (message,) = messages(who.email, "PASSWORD_RESET")
    db.execute("update core.password_reset set expires_at = now() where user_id = %s", [who.id])
    for token in (message["token"], "epr_unknown", None):
        refused(call("password_reset", token=token, new_password=GOOD), 401, "core.reset_token_refused")


def test_a_delivered_message_holds_nothing_any_more(person: Any, call: Any, messages: Any, stack: Any, db: Any) -> None:
    who = person()
    call("password_reset_request", email=who.email)
    with psycopg.connect(stack.dsn("worker")) as worker:
        row = worker.execute("select id from core.message_outbox where recipient = %s", [who.email]).fetchone()
        assert row is not None
        worker.execute("select core.message_sent(%s)", [row[0]])
    assert messages(who.email, "PASSWORD_RESET") == [{}]


# ---- nothing is written down -----------------------------------------------------------------------------------------


def test_no_log_holds_a_secret(person: Any, call: Any, stack: Any, api: Any, address: Any) -> None:
    """Even when every statement is logged, no password and no token is."""
    who = person()
    with psycopg.connect(stack.dsn("postgres"), autocommit=True) as connection:
        connection.execute("alter system set log_min_duration_statement = 0")
        connection.execute("select pg_reload_conf()")
        try:
            answer = call("sign_in", email=who.email, password=who.password).json()
            call("sign_in", email=who.email, password="Wrong one 77!")
            renewed = call("sign_in_refresh", refresh_token=answer["refresh_token"]).json()
            token = renewed["access_token"]
            assert rules(call("password_change", token, old_password=who.password, new_password="Weak secret"))
            assert call("password_change", token, old_password=who.password, new_password=GOOD).status_code == 200
            api(None, address()).post("rpc/sign_in", json={"email": who.email, "password": ["Wrong one 77!"], "x": 1})
        finally:
            connection.execute("alter system reset log_min_duration_statement")
            connection.execute("select pg_reload_conf()")
    text = "".join(path.read_text(errors="replace") for path in stack.log.iterdir() if path.is_file())
    assert "pgrst_source" in text  # the statements are there
    for secret in (
        who.password, GOOD, "Wrong one 77!", "Weak secret", answer["refresh_token"], renewed["refresh_token"],
        answer["access_token"].split(".")[2],
    ):  # fmt: skip
        assert secret not in text
