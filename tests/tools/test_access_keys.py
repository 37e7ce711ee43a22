"""Keys of the tokens: rotation without a failed request, retirement, and the keys of an outside provider."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from conftest import DISTURBED_RATE, erpgres
from erpgres import keys
from erpgres.errors import CannotRun, Refused
from erpgres.stack.state import State
from erpgres.stack.supervise import Supervisor


@pytest.fixture
def own(disturbed: State) -> State:
    """A stack whose keys may change; each test ends with one key and no provider."""
    return disturbed


def token(secret: Any, kid: str | None = None, algorithm: str = "HS256", **claims: Any) -> str:
    """A token of anon, who may ask for its health; the subject keeps the tests out of each other's limits."""
    everything = {"role": "anon", "sub": str(uuid.uuid4()), "exp": int(time.time()) + 300, **claims}
    return jwt.encode(everything, secret, algorithm=algorithm, headers={"kid": kid} if kid else None)


def status(state: State, bearer: str) -> int:
    return ask(f"{state.url}/api/rpc/health", bearer)


def ask(url: str, bearer: str) -> int:
    # Plain HTTP: a certificate store for each request would take longer than the request.
    return httpx.get(url, headers={"Authorization": f"Bearer {bearer}"}, verify=False).status_code


def rows(state: State) -> list[tuple[Any, ...]]:
    with psycopg.connect(state.dsn("migrator")) as connection:
        return connection.execute(
            "select kid, secret, retires_at is null from core.signing_key order by created_at desc"
        ).fetchall()


def test_a_key_is_long_private_and_in_the_database(own: State) -> None:
    key = keys.load(own)[0]
    assert len(key.secret) >= 32
    assert stat.S_IMODE((own.secrets / "jwt.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.jwks_file(own).stat().st_mode) == 0o600
    assert (key.kid, key.secret, True) in rows(own)


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.prepare()
    (state.secrets / "jwt.key").write_text("k" * 31)
    with pytest.raises(CannotRun, match="shorter than 32"):
        keys.load(state)


@pytest.fixture
def hammer(own: State) -> Iterator[Callable[[str], dict[Any, int]]]:
    """Send requests with a token from two clients until the test ends; gives the count of each answer."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def start(bearer: str) -> dict[Any, int]:
        seen: dict[Any, int] = {}

        def run() -> None:
            with httpx.Client(headers={"Authorization": f"Bearer {bearer}"}, verify=False) as client:
                while not over.wait(0.01):
                    try:
                        answer: Any = client.get(f"{own.url}/api/rpc/health").status_code
                    except httpx.HTTPError as error:
                        answer = type(error).__name__
                    seen[answer] = seen.get(answer, 0) + 1

        threads.extend(threading.Thread(target=run) for _ in range(2))
        for thread in threads[-2:]:
            thread.start()
        return seen

    yield start
    over.set()
    for thread in threads:
        thread.join()


def test_a_rotation_fails_no_request_and_restarts_nothing(own: State, hammer: Callable[[str], dict[Any, int]]) -> None:
    before = keys.load(own)[0]
    pid = Supervisor(own).parts()["postgrest"]["pid"]
    seen = hammer(token(before.secret, before.kid))
    try:
        after = keys.rotate(own)
        assert after.kid != before.kid
        assert [status(own, token(after.secret, after.kid)) for _ in range(5)] == [200] * 5
        assert status(own, token(after.secret)) == 200, "a token that names no key"
        assert [entry.kid for entry in keys.load(own)] == [after.kid, before.kid]
        assert [(kid, signs) for kid, _, signs in rows(own)] == [(after.kid, True), (before.kid, False)]
        assert Supervisor(own).parts()["postgrest"]["pid"] == pid
        with pytest.raises(Refused, match="still valid until"):
            keys.rotate(own)
        assert set(seen) == {200}
        assert seen[200] > 20
    finally:
        seen.clear()
        ended = keys.retire(own)
    assert ended is not None
    assert ended.kid == before.kid
    assert status(own, token(before.secret, before.kid)) == 401
    assert [kid for kid, _, _ in rows(own)] == [after.kid]
    assert not (own.secrets / "jwt.previous.key").exists()


def test_the_key_before_ends_by_itself(own: State) -> None:
    before = keys.load(own)[0]
    keys.rotate(own, overlap=1 / 60)
    deadline = time.monotonic() + 20
    while status(own, token(before.secret, before.kid)) != 401:
        assert time.monotonic() < deadline
    assert [entry.kid for entry in keys.load(own)] != [before.kid]
    assert len(keys.load(own)) == 1
    keys.retire(own)


def test_a_token_of_no_key_is_refused(own: State) -> None:
    key = keys.load(own)[0]
    assert status(own, token("x" * 48, key.kid)) == 401
    assert status(own, token(key.secret, "another")) == 401
    assert status(own, token(None, algorithm="none")) == 401


def test_the_command_lists_and_rotates(own: State) -> None:
    done = erpgres("keys", "rotate", "--state", str(own.path))
    assert done.returncode == 0, done.stderr
    listed = json.loads(erpgres("keys", "list", "--format", "json", "--state", str(own.path)).stdout)
    assert [entry["use"] for entry in listed] == ["signs", "verifies"]
    assert own.secret("jwt.key") not in json.dumps(listed)
    assert erpgres("keys", "rotate", "--state", str(own.path)).returncode == 1
    assert erpgres("keys", "retire", "--state", str(own.path)).returncode == 0


def test_an_interrupted_rotation_goes_on(own: State) -> None:
    before = keys.load(own)[0]
    own.write(own.secrets / "jwt.next.key", "n" * 48, mode=0o600)
    assert [entry.kid for entry in keys.load(own)] == [before.kid, keys.kid_of("n" * 48)]
    assert keys.rotate(own).secret == "n" * 48
    assert keys.retire(own) is not None


# ---- an outside provider ------------------------------------------------------------


@pytest.fixture(scope="module")
def pair() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def write_jwks(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"keys": list(entries)}))
    return path


def public(pair: rsa.RSAPrivateKey, kid: str = "rsa-1") -> dict[str, Any]:
    told = json.loads(RSAAlgorithm.to_jwk(pair.public_key()))
    return {**told, "kid": kid, "alg": "RS256", "use": "sig"}


def test_tokens_of_a_provider_are_verified_by_its_public_keys(
    own: State, pair: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    told = {**json.loads(ECAlgorithm.to_jwk(curve.public_key())), "kid": "ec-1"}
    assert status(own, token(pair, "rsa-1", "RS256")) == 401
    file = write_jwks(tmp_path / "jwks.json", public(pair), told)
    pid = Supervisor(own).parts()["postgrest"]["pid"]
    up = erpgres("up", "-d", "--state", str(own.path), "--jwks", str(file))
    assert up.returncode == 0, up.stderr
    assert State(own.path).setting("ERPGRES_RATE_USER", "") == DISTURBED_RATE
    assert State(own.path).jwks == file
    assert Supervisor(own).parts()["postgrest"]["pid"] == pid

    deadline = time.monotonic() + 20
    while status(own, token(pair, "rsa-1", "RS256")) != 200:
        assert time.monotonic() < deadline
    assert status(own, token(curve, "ec-1", "ES256")) == 200
    assert status(own, token(keys.load(own)[0].secret)) == 200
    # Another's key, an expired token, and the public key taken for a shared secret.
    assert status(own, token(rsa.generate_private_key(65537, 2048), "rsa-1", "RS256")) == 401
    assert status(own, token(pair, "rsa-1", "RS256", exp=int(time.time()) - 60)) == 401
    pem = pair.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    parts = (json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "rsa-1"}, {"role": "anon", "exp": 2**31}))
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    forged = base64.urlsafe_b64encode(hmac.new(pem, signed, hashlib.sha256).digest()).rstrip(b"=")
    assert status(own, f"{signed.decode()}.{forged.decode()}") == 401

    assert erpgres("up", "-d", "--state", str(own.path), "--jwks", "").returncode == 0
    deadline = time.monotonic() + 20
    while status(own, token(pair, "rsa-1", "RS256")) != 401:
        assert time.monotonic() < deadline


def test_a_provider_s_token_needs_a_provider_that_is_known(own: State, pair: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    file = write_jwks(tmp_path / "jwks.json", public(pair))
    assert erpgres("up", "-d", "--state", str(own.path), "--jwks", str(file)).returncode == 0
    with psycopg.connect(own.dsn("migrator"), autocommit=True) as db:
        org_id = db.execute(
            "select core.create_organization(%s, 'P', 'BD', 'USD')", [f"P{uuid.uuid4().hex[:8].upper()}"]
        ).fetchone()
        user_id = db.execute(
            "insert into core.app_user (email, name, kind) values (%s, 'P', 'INTERNAL') returning id",
            [f"{uuid.uuid4().hex}@example.com"],
        ).fetchone()
        assert org_id
        assert user_id
        db.execute(
            "insert into core.membership (org_id, user_id, kind) values (%s, %s, 'INTERNAL')", [org_id[0], user_id[0]]
        )
        claims = {"role": "member", "sub": str(user_id[0]), "org_id": str(org_id[0]), "iss": "https://id.example.com"}

        def asked(**changes: Any) -> int:
            return ask(f"{own.url}/api/items", token(pair, "rsa-1", "RS256", **{**claims, **changes}))

        assert asked() == 401
        db.execute("insert into core.identity_provider (issuer, name) values (%s, 'Example')", [claims["iss"]])
        assert asked() == 200
        assert asked(iss="https://other.example.com") == 401
        assert asked(role="superadmin") == 401
        db.execute("update core.identity_provider set is_active = false where issuer = %s", [claims["iss"]])
        assert asked() == 401
    assert erpgres("up", "-d", "--state", str(own.path), "--jwks", "").returncode == 0


@pytest.mark.parametrize("wrong", ["private", "symmetric", "short", "empty", "no JSON", "missing"])
def test_keys_that_do_not_belong_into_a_jwks_are_refused(tmp_path: Path, pair: rsa.RSAPrivateKey, wrong: str) -> None:
    file = tmp_path / "jwks.json"
    entry = {
        "private": json.loads(RSAAlgorithm.to_jwk(pair)),
        "symmetric": {"kty": "oct", "k": "a" * 43},
        "short": public(rsa.generate_private_key(65537, 1024)),
    }.get(wrong)
    if wrong == "no JSON":
        file.write_text("keys")
    elif wrong != "missing":
        write_jwks(file, *([entry] if entry else []))
    with pytest.raises(CannotRun):
        keys.read_jwks(file)


def test_only_public_parts_of_a_key_are_passed_on(tmp_path: Path, pair: rsa.RSAPrivateKey) -> None:
    found = keys.read_jwks(write_jwks(tmp_path / "jwks.json", {**public(pair), "x5c": ["AAAA"], "key_ops": ["verify"]}))
    assert [set(key) for key in found] == [{"kty", "kid", "alg", "use", "n", "e"}]
    encrypting = {**public(pair, "enc"), "use": "enc"}
    found = keys.read_jwks(write_jwks(tmp_path / "jwks.json", public(pair), encrypting))
    assert [key["kid"] for key in found] == ["rsa-1"]
