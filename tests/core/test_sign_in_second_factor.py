"""The second factor: one-time passwords by time (RFC 6238)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
import pytest


def code_of(secret: str, steps: int = 0) -> str:
    """What an app shows for a secret (base 32), `steps` half minutes from now."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, (int(time.time()) // 30 + steps).to_bytes(8), hashlib.sha1)
    at = digest[19] & 15
    return f"{(int.from_bytes(digest[at : at + 4]) & 0x7FFFFFFF) % 1_000_000:06}"


def forget_step(db: Any, who: Any) -> None:
    """Let the last code be one of long ago."""
    db.execute("update core.second_factor set last_step = 0 where user_id = %s", [who.id])


@pytest.fixture
def with_factor(person: Any, signed_in: Any, call: Any, db: Any) -> Any:
    """Make a person with a confirmed second factor; returns person, secret and token."""

    def make(**values: Any) -> tuple[Any, str, str]:
        who = person(**values)
        token = signed_in(who)["access_token"]
        secret = call("totp_begin", token).json()["secret"]
        assert call("totp_confirm", token, code=code_of(secret)).json() == {"confirmed": True}
        forget_step(db, who)
        return who, secret, token

    return make


@pytest.mark.parametrize(
    ("at", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037"),
     (20000000000, "353130")],
)  # fmt: skip
def test_the_values_of_the_standard(stack: Any, at: int, code: str) -> None:
    """RFC 6238, appendix B, SHA-1; the last six of its eight digits."""
    with psycopg.connect(stack.dsn("postgres", stack.database)) as connection:
        found = connection.execute("select core.totp(%s, %s)", [b"12345678901234567890", at // 30]).fetchone()
    assert found == (code,)


@pytest.mark.parametrize("data", [b"", b"f", b"fo", b"foo", b"foob", b"fooba", b"foobar", bytes(range(20))])
def test_base_32(stack: Any, data: bytes) -> None:
    with psycopg.connect(stack.dsn("postgres", stack.database)) as connection:
        found = connection.execute("select coalesce(core.base32(%s), '')", [data]).fetchone()
    assert found == (base64.b32encode(data).decode().rstrip("="),)


def test_setting_up_and_signing_in(person: Any, signed_in: Any, call: Any, refused: Any, api: Any, events: Any,
                                   db: Any) -> None:  # fmt: skip
    who = person()
    token = signed_in(who)["access_token"]
    answer = call("totp_begin", token)
    assert answer.headers["Cache-Control"] == "no-store"
    begun = answer.json()
    uri = urlsplit(begun["uri"])
    asked = parse_qs(uri.query)
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", f"/Erpgres:{who.email}")
    assert asked == {
        "secret": [begun["secret"]],
        "issuer": ["Erpgres"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }

    signed_in(who)  # not needed before it is confirmed
    refused(call("totp_confirm", token, code="000000"), 403, "core.code_wrong")
    secret = call("totp_begin", token).json()["secret"]
    assert secret != begun["secret"]
    assert call("totp_confirm", token, code=code_of(secret)).json() == {"confirmed": True}
    assert api(token).post("rpc/me").json()["has_second_factor"] is True
    refused(call("totp_begin", token), 409, "core.second_factor_exists")
    refused(call("totp_confirm", token, code=code_of(secret)), 409, "core.second_factor_not_begun")

    credentials = {"email": who.email, "password": who.password}
    refused(call("sign_in", **credentials), 401, "core.second_factor_required")
    refused(call("sign_in", **credentials, code=code_of(secret)), 401, "core.second_factor_wrong")  # used to confirm
    forget_step(db, who)
    assert call("sign_in", **credentials, code=code_of(secret)).status_code == 200
    refused(call("sign_in", **credentials, code=code_of(secret)), 401, "core.second_factor_wrong")
    refused(call("sign_in", email=who.email, password="Not it 1", code=code_of(secret)), 401, "core.sign_in_failed")
    assert events(who.id) == ["SECOND_FACTOR_SET"]


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (3, False)])
def test_a_clock_may_be_half_a_minute_wrong(with_factor: Any, call: Any, steps: int, good: bool) -> None:
    who, secret, _ = with_factor()
    while time.time() % 30 > 25:  # the step must not end between here and there
        time.sleep(0.2)
    answer = call("sign_in", email=who.email, password=who.password, code=code_of(secret, steps))
    assert (answer.status_code == 200) is good, answer.text


def test_a_code_is_good_for_one_of_two_at_once(with_factor: Any, call: Any) -> None:
    who, secret, _ = with_factor()
    code = code_of(secret)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: call("sign_in", email=who.email, password=who.password, code=code), range(2)))
    assert sorted(a.status_code for a in answers) == [200, 401]


def test_guessed_codes_lock_the_account(with_factor: Any, call: Any, refused: Any) -> None:
    who, secret, token = with_factor()
    for _ in range(5):
        refused(call("sign_in", email=who.email, password=who.password, code="12345"), 401, "core.second_factor_wrong")
    refused(call("sign_in", email=who.email, password=who.password, code=code_of(secret)), 429, "core.sign_in_locked")
    refused(call("totp_disable", token, password=who.password, code=code_of(secret)), 429, "core.sign_in_locked")


def test_removing_it_needs_password_and_code(with_factor: Any, person: Any, call: Any, refused: Any, events: Any,
                                             signed_in: Any) -> None:  # fmt: skip
    who, secret, token = with_factor()
    refused(call("totp_disable", token, password="Not it 1", code=code_of(secret)), 403, "core.password_wrong")
    refused(call("totp_disable", token, password=who.password, code="000000"), 403, "core.password_wrong")
    assert call("totp_disable", token, password=who.password, code=code_of(secret)).json() == {"disabled": True}
    refused(
        call("totp_disable", token, password=who.password, code=code_of(secret)), 409, "core.second_factor_not_begun"
    )
    assert signed_in(who)
    assert events(who.id) == ["SECOND_FACTOR_SET", "SECOND_FACTOR_REMOVED"]


def test_a_role_requires_it(org: Any, person: Any, signed_in: Any, call: Any, api: Any, refused: Any, db: Any) -> None:
    """Who holds such a role gets a session that may only set the second factor up, and is a full one after that."""
    who = person(administrator=True)
    before = signed_in(who)
    assert before["second_factor_setup"] is False
    admin = api(org.admin_token)
    (held,) = admin.get("user_roles", params={"user_id": f"eq.{who.id}"}).json()
    changed = admin.patch("roles", params={"id": f"eq.{held['role_id']}"}, json={"requires_second_factor": True})
    assert changed.status_code == 204, changed.text

    answer = signed_in(who)
    token = answer["access_token"]
    assert answer["second_factor_setup"] is True
    for response in (
        api(token).get("items"),
        api(token).post("rpc/partner_hold", json={"id": str(uuid.uuid4()), "reason": "x"}),
        call("sign_in_switch", token, organization=org.code),
        call("api_key_create", token, name="x", permissions=[]),
    ):
        refused(response, 403, "core.second_factor_setup")
    me = api(token).post("rpc/me").json()
    assert me["session"]["second_factor_setup"] is True and me["has_second_factor"] is False
    renewed = call("sign_in_refresh", refresh_token=before["refresh_token"]).json()
    assert renewed["second_factor_setup"] is True
    refused(api(before["access_token"]).get("items"), 403, "core.second_factor_setup")

    secret = call("totp_begin", token).json()["secret"]
    assert call("totp_confirm", token, code=code_of(secret)).status_code == 200
    for full in (token, renewed["access_token"]):
        assert api(full).get("items").status_code == 200


def test_a_reset_password_does_not_pass_the_second_factor(
    with_factor: Any, call: Any, refused: Any, messages: Any
) -> None:
    who, _, _ = with_factor()
    call("password_reset_request", email=who.email)
    token = messages(who.email, "PASSWORD_RESET")[0]["token"]
    assert call("password_reset", token=token, new_password="Nine Swans over 3 lakes!").status_code == 200
    refused(call("sign_in", email=who.email, password="Nine Swans over 3 lakes!"), 401, "core.second_factor_required")


def test_a_lost_one_is_reset_by_who_may(org: Any, new_org: Any, with_factor: Any, api: Any, call: Any, refused: Any,
                                        db: Any, signed_in: Any, events: Any) -> None:  # fmt: skip
    who, _, token = with_factor()
    helper = org.token(["core.user.reset_second_factor"])
    refused(call("user_second_factor_reset", org.token(), id=str(who.id)), 403, "core.permission_missing")
    refused(call("user_second_factor_reset", new_org().admin_token, id=str(who.id)), 404, "core.not_found")
    other = new_org()
    db.execute("insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [other.id, who.id])
    refused(call("user_second_factor_reset", helper, id=str(who.id)), 403, "core.user_shared")
    db.execute("delete from core.membership where org_id = %s and user_id = %s", [other.id, who.id])
    assert call("user_second_factor_reset", helper, id=str(who.id)).json() == {"id": str(who.id), "reset": True}
    refused(api(token).get("items"), 401, "core.session_ended")
    assert signed_in(who)
    assert events(who.id) == ["SECOND_FACTOR_SET", "SECOND_FACTOR_RESET"]
