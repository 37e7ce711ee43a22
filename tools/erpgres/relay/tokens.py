"""Verifying tokens with the keys that PostgREST verifies them with."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt

from erpgres.keys import ALGORITHMS
from erpgres.relay.protocol import Ended

ROLES = ("member", "partner", "superadmin")
_CLOCK_SECONDS = 30  # how much later than ours the clock of a provider may be


class Verifier:
    """The keys of a file that `erpgres.stack.relay` writes, read again when the file is new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._own: list[dict[str, Any]] = []
        self._provider: list[jwt.PyJWK] = []
        self._refresh()

    def _refresh(self) -> None:
        found = self._path.stat()
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp == self._stamp:
            return
        told = json.loads(self._path.read_text())
        self._own = told["keys"]
        self._provider = [jwt.PyJWK.from_dict(entry) for entry in told["provider"]]
        self._stamp = stamp

    def claims(self, token: object) -> dict[str, Any]:
        """Return the claims of a good token of somebody who may get events. Raises Ended."""
        if not isinstance(token, str) or not token:
            raise Ended("realtime.token_missing")
        self._refresh()
        try:
            head = jwt.get_unverified_header(token)
            claims = self._verified(token, head.get("kid"), str(head.get("alg")))
        except jwt.ExpiredSignatureError:
            raise Ended("gateway.token_expired") from None
        except jwt.PyJWTError:
            raise Ended("gateway.token_invalid") from None
        if claims.get("role") not in ROLES:
            raise Ended("realtime.role_refused")
        return claims

    def _verified(self, token: str, kid: object, algorithm: str) -> dict[str, Any]:
        if algorithm == "HS256":
            now = time.time()
            candidates: list[Any] = [
                key["key"]
                for key in self._own
                if kid in (None, key["kid"]) and (key["until"] is None or now < key["until"])
            ]
        else:
            candidates = [
                key.key
                for key in self._provider
                if kid in (None, key.key_id) and algorithm in ALGORITHMS.get(key.key_type or "", ())
            ]
        for key in candidates:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token, key, algorithms=[algorithm], leeway=0,
                    options={"require": ["exp"], "verify_aud": False, "verify_nbf": False, "verify_iat": False},
                )  # fmt: skip
            except jwt.InvalidSignatureError:
                continue
            if not isinstance(claims.get("nbf", 0), int | float) or claims.get("nbf", 0) > time.time() + _CLOCK_SECONDS:
                raise jwt.ImmatureSignatureError
            return claims
        raise jwt.InvalidSignatureError
