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
from erpgres.settings import ROOT
from erpgres.tokens import sign

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
    return list(org.db.execute("select key, status, body from core.idempotency where org_id = %s", [org.id]))


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


# ---- the same answer -----------------------------------------------------------------------------------------------------


def test_an_insert_is_done_once(admin: httpx.Client, org: Any, partner: uuid.UUID) -> None:
    answer = twice(admin, "POST", "contacts", json=contact(partner), headers=RETURNED)
    assert answer.status_code == 201 and answer.json()[0]["name"] == "Ann"
    assert contacts(org) == 1
    assert twice(admin, "POST", "contacts", json=contact(partner)).content == b""
    assert contacts(org) == 2
    assert twice(admin, "POST", "contacts", json=contact(partner), headers={"Prefer": "return=minimal"}).status_code == 201


SHAPES = [
    {},
    {"Accept": "*/*"},
    {"Accept": "application/json, text/plain, */*"},
    {"Accept": "application/vnd.pgrst.array+json;nulls=stripped"},
    ONE,
    {"Accept": "application/vnd.pgrst.object+json;nulls=stripped"},
]


@pytest.mark.parametrize("query", ["", "&select=id,name,called:position", "&select=id,name,partners(code,contacts(name))"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.get("Accept", "none"))
def test_the_body_is_what_postgrest_builds(
    admin: httpx.Client, partner: uuid.UUID, shape: dict[str, str], query: str
) -> None:
    """What is kept is compared, byte for byte, with what the list shows then."""
    admin.post("contacts", json=contact(partner)).raise_for_status()
    row = f"contacts?partner_id=eq.{partner}{query}"
    answer = twice(admin, "PATCH", row, json={"name": 'Äö "\\u0000 <&>\n\t', "phone": "1"}, headers={**shape, **RETURNED})
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


def test_an_upsert(admin: httpx.Client, org: Any, partner: uuid.UUID) -> None:
    id = str(uuid.uuid4())
    merge = {"Prefer": "resolution=merge-duplicates, return=representation"}
    body = contact(partner, id=admin.post("contacts", json=contact(partner), headers={**RETURNED, **ONE}).json()["id"])
    answer = twice(admin, "POST", "contacts", json={**body, "name": "Bea"}, headers=merge)
    assert answer.json()[0]["name"] == "Bea" and contacts(org) == 1, id


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
    value = twice(admin, "POST", "rpc/notifications_read_all", json={"until": str(uuid.uuid4())})
    assert value.status_code == 404
