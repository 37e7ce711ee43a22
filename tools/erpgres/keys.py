"""The keys of the tokens: one signs, the one before it stays valid for a while, an outside provider's verify.

`secrets/jwt.key` signs (HMAC SHA-256, RFC 7518); `secrets/jwt.previous.key` is the one before it;
`secrets/jwt.next.key` is there while a rotation is under way. PostgREST reads them all from `etc/jwt.jwks.json`
(RFC 7517), the gateway from `etc/gateway.json`, the relay from `etc/relay.json`; the database signs with the newest row
of core.signing_key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from erpgres.errors import CannotRun, Refused
from erpgres.stack.state import State

CURRENT, PREVIOUS, NEXT = "jwt.key", "jwt.previous.key", "jwt.next.key"
SHORTEST = 32
OVERLAP_MINUTES = 20  # a token lives 15 minutes; the rest is for clocks that differ
ALGORITHMS = {"RSA": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, "EC": {"ES256", "ES384", "ES512"}}
_PUBLIC = ("kty", "kid", "alg", "use", "n", "e", "crv", "x", "y")
_RELOAD_SECONDS = 30.0
_PROBES = 8  # answers in a row, each over a new connection, so that every worker of the gateway is likely to be asked

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Key:
    """A secret key; `retires_at` is when tokens signed with it end, None for the one that signs."""

    kid: str
    secret: str
    created_at: datetime
    retires_at: datetime | None = None

    @property
    def until(self) -> float | None:
        """`retires_at` in seconds since 1970."""
        return self.retires_at.timestamp() if self.retires_at else None


def kid_of(secret: str) -> str:
    """Return the name of a key as tokens carry it in their header (`kid`): 16 hexadecimal digits of its hash."""
    return hashlib.sha256(b"erpgres token key\0" + secret.encode()).hexdigest()[:16]


def load(state: State) -> list[Key]:
    """Return the valid keys of a state, the one that signs first. Raises CannotRun when one is missing or too short."""
    keys = [_read(state, CURRENT)]
    retires = state.key_retires_at
    if retires and retires > time.time() and (state.secrets / PREVIOUS).exists():
        keys.append(_read(state, PREVIOUS, datetime.fromtimestamp(retires, UTC)))
    if (state.secrets / NEXT).exists():
        keys.append(_read(state, NEXT))
    return list({key.kid: key for key in reversed(keys)}.values())[::-1]


def _read(state: State, name: str, retires_at: datetime | None = None) -> Key:
    secret = state.secret(name)
    if len(secret.encode()) < SHORTEST:
        raise CannotRun(
            f"secrets/{name} is shorter than {SHORTEST} characters",
            "put a longer key there; tokens signed with the old one end",
        )
    created = datetime.fromtimestamp(int((state.secrets / name).stat().st_mtime), UTC)
    return Key(kid_of(secret), secret, created, retires_at)


def provider_keys(state: State) -> list[dict[str, str]]:
    """Return the public keys of the outside identity provider, if one is set. Raises CannotRun if those will not do."""
    return read_jwks(state.jwks) if state.jwks else []


def read_jwks(path: Path) -> list[dict[str, str]]:
    """Read a JWKS file (RFC 7517) and return its public keys, RSA of 2048 bits or more and EC.

    Raises CannotRun when the file cannot be read, holds a private or symmetric key, or no key that can verify.
    """
    try:
        told = json.loads(path.read_text())
        found = told["keys"] if isinstance(told, dict) else None
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise ValueError("no list of keys")
    except OSError as error:
        raise CannotRun(
            f"{path} cannot be read: {error.strerror}", "name the provider's JWKS with --jwks FILE"
        ) from error
    except (ValueError, KeyError) as error:
        raise CannotRun(f"{path} is not a JWKS: {error}", 'it looks like {"keys": [{"kty": "RSA", …}]}') from error
    keys = [
        {name: str(entry[name]) for name in _PUBLIC if name in entry}
        for entry in found
        if entry.get("use", "sig") == "sig" and _check_public(path, entry)
    ]
    if not keys:
        raise CannotRun(f"{path} holds no key that verifies signatures")
    return keys


def _check_public(path: Path, entry: dict[str, Any]) -> bool:
    name = f"the key {entry.get('kid', '')!r} of {path}"
    kind = entry.get("kty")
    if kind == "oct" or {"d", "k", "p", "q"} & entry.keys():
        raise CannotRun(f"{name} is not public", "only the public half of a provider's keys belongs here")
    if kind not in ALGORITHMS or ("alg" in entry and entry["alg"] not in ALGORITHMS[kind]):
        return False
    try:
        import jwt

        key: Any = jwt.PyJWK.from_dict({"alg": "RS256" if kind == "RSA" else _curve_algorithm(entry), **entry}).key
    except Exception as error:  # every library below has errors of its own
        raise CannotRun(f"{name} cannot be read: {error}") from error
    if kind == "RSA" and key.key_size < 2048:
        raise CannotRun(f"{name} has {key.key_size} bits; 2048 are the fewest")
    return True


def _curve_algorithm(entry: dict[str, Any]) -> str:
    return {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}.get(str(entry.get("crv")), "ES256")


def jwks(state: State) -> dict[str, Any]:
    """Return what PostgREST verifies tokens with."""
    own = [
        {"kty": "oct", "kid": key.kid, "alg": "HS256", "use": "sig", "k": _base64url(key.secret.encode())}
        for key in load(state)
    ]
    return {"keys": [*own, *provider_keys(state)]}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def prepare(state: State) -> bool:
    """Write the keys for PostgREST and remove a previous key whose time is over; return whether anything is new."""
    if state.key_retires_at and state.key_retires_at <= time.time():
        _forget_previous(state)
    return state.write(jwks_file(state), json.dumps(jwks(state), indent=2) + "\n", mode=0o600, service=True)


def jwks_file(state: State) -> Path:
    """Return the file that PostgREST reads the keys from; only the service account may read it."""
    return state.etc / "jwt.jwks.json"


def sync(dsn: str, keys: list[Key]) -> bool:
    """Make core.signing_key hold exactly these keys; return whether it had to change.

    `dsn` is a connection as migrator. Does nothing in a database whose schema does not know the table yet.
    """
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        if connection.execute("select to_regclass('core.signing_key')").fetchone() == (None,):
            return False
        # The database signs with the newest: so the one that signs must be it, whatever the files' times say.
        signs = max([keys[0].created_at, *(key.created_at + timedelta(seconds=1) for key in keys[1:])])
        rows = [(key.kid, key.secret, signs if key is keys[0] else key.created_at, key.retires_at) for key in keys]
        held = connection.execute("select kid, secret, created_at, retires_at from core.signing_key").fetchall()
        if sorted(held) == sorted(rows):
            return False
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into core.signing_key as k (kid, secret, created_at, retires_at) values (%s, %s, %s, %s) "
                "on conflict (kid) do update set secret = excluded.secret, created_at = excluded.created_at, "
                "retires_at = excluded.retires_at",
                rows,
            )
        connection.execute("delete from core.signing_key where kid <> all (%s)", [[key.kid for key in keys]])
    return True


def rotate(state: State, overlap: float = OVERLAP_MINUTES, progress: Progress = lambda _: None) -> Key:
    """Sign with a new key from now on; the one before stays valid for `overlap` minutes. Returns the new key.

    A running stack knows the new key before anything is signed with it, so no request fails. Raises Refused while
    the key before is still valid, CannotRun when the running parts do not take the new key (nothing is changed then,
    and another call goes on from there).
    """
    with state.locked():
        _require(state)
        if len(load(state)) > 1 and not (state.secrets / NEXT).exists():
            raise Refused(
                f"the key before is still valid until {load(state)[1].retires_at:%Y-%m-%d %H:%M:%S} UTC",
                "`erpgres keys retire` ends it now, and with it the tokens it signed",
            )
        if not (state.secrets / NEXT).exists():
            state.write(state.secrets / NEXT, secrets.token_urlsafe(48) + "\n", mode=0o600)
        coming = _read(state, NEXT)
        progress("telling PostgREST and the gateway the new key")
        running = _distribute(state)
        if running:
            _await_accepted(state, coming)
        # From here on the new key signs; each step may be the last and the next call still finds valid files.
        before = state.secret(CURRENT)
        created = (state.secrets / CURRENT).stat().st_mtime
        state.write(state.secrets / PREVIOUS, before + "\n", mode=0o600)
        os.utime(state.secrets / PREVIOUS, (created, created))
        state.key_retires_at = time.time() + overlap * 60
        state.save()
        (state.secrets / NEXT).replace(state.secrets / CURRENT)
        _distribute(state)
        if running:
            progress("signing with the new key")
            sync(state.dsn("migrator"), load(state))
        return load(state)[0]


def retire(state: State) -> Key | None:
    """End the previous key now, and with it the tokens that it signed; return it, or None when there is none."""
    with state.locked():
        _require(state)
        found = load(state)
        ended = next((key for key in found if key.retires_at), None)
        _forget_previous(state)
        if _distribute(state):
            sync(state.dsn("migrator"), load(state))
            if ended:
                _await_accepted(state, ended, refused=True)
        return ended


def _require(state: State) -> None:
    if not state.exists:
        raise CannotRun(f"there is no stack in {state.path}", "`erpgres up -d` makes one")


def _forget_previous(state: State) -> None:
    (state.secrets / PREVIOUS).unlink(missing_ok=True)
    state.key_retires_at = None
    state.save()


def _distribute(state: State) -> bool:
    """Write the keys for all parts and have those that run read them again; return whether the stack runs."""
    from erpgres.stack import gateway, relay, supervise

    supervisor = supervise.Supervisor(state)
    parts = supervisor.parts()
    relay.prepare(state)  # the relay looks at the file's time with each token
    fresh = {"postgrest": prepare(state), "gateway": gateway.prepare(state)}
    for name, signal in (("postgrest", "USR2"), ("gateway", "HUP")):
        if fresh[name] and parts.get(name, {}).get("statename") == supervise.RUNNING:
            supervisor.signal(name, signal)
    return all(parts.get(name, {}).get("statename") == supervise.RUNNING for name in fresh)


def _await_accepted(state: State, key: Key, *, refused: bool = False) -> None:
    """Wait until a token of the key gets in, or, with `refused`, no longer does. Raises CannotRun."""
    import httpx
    import jwt

    # anon may ask for its health; the subject keeps these requests out of the limit of the address.
    claims = {"role": "anon", "sub": str(uuid.uuid4()), "iat": int(time.time()), "exp": int(time.time()) + 300}
    token = jwt.encode(claims, key.secret, algorithm="HS256", headers={"kid": key.kid})
    deadline = time.monotonic() + _RELOAD_SECONDS
    in_a_row = 0
    while in_a_row < _PROBES:
        try:
            answer = httpx.get(
                f"{state.url}/api/rpc/health", headers={"Authorization": f"Bearer {token}"}, timeout=5, trust_env=False
            ).status_code
        except httpx.HTTPError:
            answer = 0
        in_a_row = in_a_row + 1 if answer == (401 if refused else 200) else 0
        if not in_a_row:
            if time.monotonic() > deadline:
                what = "still take the old key" if refused else "do not take the new key"
                raise CannotRun(f"PostgREST or the gateway {what}", f"see {state.log}; then run this again")
            time.sleep(0.2)
