"""What the tests of signatures, holds and destruction share: people who can sign, and the way to a destroyed crate."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

from records.support import World, in_days

PASSWORD = "Seven Rivers meet at 6!"


@dataclass
class Office:
    """A world of the records whose people have passwords, and a crate that may be destroyed today."""

    world: World
    with_password: set[uuid.UUID] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.world.db.execute(  # bcrypt by default takes a quarter of a second for each
            "insert into core.installation_setting (code, value) values ('core.password_hash_cost', '5') "
            "on conflict do nothing"
        )

    def call(self, function: str, role: str, unit: str = "U1", /, **values: Any) -> httpx.Response:
        """Call a function of core."""
        return self.world.client(role, unit).post(f"rpc/{function}", json=values)

    def signs(
        self, role: str, request: dict[str, Any], meaning: str, unit: str = "U1", /, **values: Any
    ) -> httpx.Response:
        """Let somebody sign a request, with the right password unless another is given."""
        user_id = self.world.user(role, unit)
        if user_id not in self.with_password:
            self.world.db.execute("select core.set_password(%s, %s)", [user_id, PASSWORD])
            self.with_password.add(user_id)
        body = {
            "entity": "records_request", "entity_id": request["id"], "meaning": meaning, "password": PASSWORD, **values,
        }  # fmt: skip
        return self.call("sign", role, unit, **body)

    def signature(self, role: str, request: dict[str, Any], meaning: str, unit: str = "U1") -> str:
        response = self.signs(role, request, meaning, unit)
        assert response.status_code == 200, response.text
        return str(response.json()["id"])

    def due(self, documents: int | list[Any] = 2, **more: Any) -> dict[str, Any]:
        """A crate in its place whose day has come."""
        return self.world.stored(documents, destruction_on=in_days(0), **more)

    def asked(self, crate: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = self.world.done(
            "destruction_request", "manager", crate_id=crate["id"], purpose="Kept long enough"
        )
        return made

    def approved(self, crate: dict[str, Any]) -> dict[str, Any]:
        """A destruction that the approver signed."""
        request = self.asked(crate)
        signature = self.signature("approver", request, "APPROVE")
        done: dict[str, Any] = self.world.done("request_approve", "approver", id=request["id"], signature_id=signature)
        return done

    def confirm(self, request: dict[str, Any], /, **more: Any) -> httpx.Response:
        """Destroy it: the store head signs, the manager of the unit is the witness, unless told otherwise."""
        values = {
            "signature_id": more.pop("signature_id", None) or self.signature("store", request, "DESTROY"),
            "method": "SHRED",
        }
        if "witness_signature_id" not in more:
            values["witness_signature_id"] = self.signature("manager", request, "WITNESS")
        return self.world.call("destruction_confirm", "store", id=request["id"], **{**values, **more})

    def destroyed(self, crate: dict[str, Any], /, **more: Any) -> dict[str, Any]:
        response = self.confirm(self.approved(crate), **more)
        assert response.status_code == 200, response.text
        certificate: dict[str, Any] = response.json()
        return certificate

    def compliance(self) -> str:
        """Give the organisation a compliance officer; his role is for the whole of it."""
        if ("compliance", "U1") not in self.world.users:
            user_id = self.world.org.user()
            self.world.db.execute(
                "insert into core.user_role (org_id, user_id, role_id)"
                " select org_id, %s, id from core.role where org_id = %s and code = 'records_compliance'",
                [user_id, self.world.org.id],
            )
            self.world.users["compliance", "U1"] = user_id
        return "compliance"

    def held(self, **items: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.world.done(
            "hold_place", self.compliance(), matter="Dispute 17", reason="Asked for by the court", **items
        )
        return made
