"""Who asks: each kind of user and of database session that there is, and tokens that must not open anything."""

from __future__ import annotations

import base64
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import jwt

from erpgres.keys import kid_of
from erpgres.tokens import sign


@dataclass(frozen=True)
class Principal:
    """Somebody who asks: `role` is what his session becomes, `login` what it logged in as, `claims` his token's.

    `user_id`, `org_id` and `partner_id` say whose rows are his; they name the scopes in the matrix.
    """

    name: str
    role: str
    login: str
    claims: dict[str, Any] | None = field(default=None, hash=False)
    user_id: str | None = None
    org_id: str | None = None
    partner_id: str | None = None
    says: str = ""

    def token(self, key: str) -> str | None:
        """A signed token, or None for who has none."""
        return None if self.claims is None else sign(self.claims, key, minutes=60)

    def become(self) -> str:
        """The SQL that turns a superuser's transaction into a session of this principal."""
        claims = "" if self.claims is None else json.dumps(self.claims)
        quoted = claims.replace("'", "''")
        # core.pre_request() writes the organisation beside the claims; who has SQL of his own can make it up as well.
        organization = (self.claims or {}).get("org_id") or ""
        return (
            f"set local session authorization {self.login}; "
            f"select set_config('request.jwt.claims', '{quoted}', true), "
            f"set_config('erpgres.org_id', '{organization}', true); "
            f"set local role {self.role}"
        )


# Back to the superuser, inside the same transaction.
BACK = (
    "reset session authorization; "
    "select set_config('request.jwt.claims', '', true), set_config('erpgres.org_id', '', true)"
)


@dataclass(frozen=True)
class BadToken:
    """A token that must be refused everywhere, with the same answer."""

    name: str
    token: str
    says: str


def bad_tokens(key: str, good: dict[str, Any], mismatched: dict[str, Any]) -> list[BadToken]:
    """Return tokens that must not be believed: `good` are the claims of a valid one, `mismatched` those of cases."""
    now = int(time.time())
    head = {"kid": kid_of(key)}
    valid = sign(good, key, minutes=60)
    tampered = valid.split(".")
    payload = json.loads(base64.urlsafe_b64decode(tampered[1] + "=="))
    payload["role"] = "superadmin"
    tampered[1] = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    lasting = {**good, "iat": now, "exp": now + 3600}
    return [
        BadToken("expired", jwt.encode({**lasting, "exp": now - 60}, key, "HS256", headers=head), "its exp has passed"),
        BadToken(
            "not_yet", jwt.encode({**lasting, "nbf": now + 3000}, key, "HS256", headers=head), "its nbf is to come"
        ),
        BadToken("wrong_key", jwt.encode(lasting, uuid.uuid4().hex * 2, "HS256"), "signed with a key that is not ours"),
        BadToken("alg_none", jwt.encode(lasting, "", "none"), "alg: none, without a signature"),
        BadToken("alg_hs512", jwt.encode(lasting, key * 2, "HS512"), "another algorithm"),
        BadToken("tampered_role", ".".join(tampered), "role changed to superadmin, old signature"),
        BadToken("no_signature", valid.rsplit(".", 1)[0] + ".", "signature cut off"),
        BadToken("no_expiry", jwt.encode(good, key, "HS256", headers=head), "no exp at all"),
        *(BadToken(name, sign(claims, key, minutes=60), str(says)) for name, (claims, says) in mismatched.items()),
    ]
