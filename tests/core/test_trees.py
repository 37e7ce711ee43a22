"""Places and organisation units as trees: paths, moves, cycles, inactive branches."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

TREES = [("locations", "location", "SITE"), ("org_units", "org_unit", "UNIT")]
tree = pytest.mark.parametrize(("view", "table", "kind"), TREES, ids=[t[1] for t in TREES])


@pytest.fixture
def admin(org: Any, api: Any) -> Any:
    return api(org.admin_token)


@pytest.fixture
def node(admin: Any, make: Any) -> Any:
    def add(view: str, kind: str, code: str, parent: Any = None) -> Any:
        return make(admin, view, kind=kind, code=code, name=code, **({"parent_id": parent["id"]} if parent else {}))

    return add


def label(row: Any) -> str:
    return str(row["id"]).replace("-", "")


@tree
def test_a_path_leads_from_the_root(node: Any, view: str, table: str, kind: str) -> None:
    a = node(view, kind, "A")
    b = node(view, kind, "B", a)
    c = node(view, kind, "C", b)
    assert a["path"] == label(a)
    assert c["path"] == ".".join(map(label, (a, b, c)))


@tree
def test_a_branch_moves_as_a_whole(admin: Any, node: Any, view: str, table: str, kind: str) -> None:
    a, x = node(view, kind, "A"), node(view, kind, "X")
    b = node(view, kind, "B", a)
    c = node(view, kind, "C", b)
    d = node(view, kind, "D", c)
    moved = admin.post(f"rpc/{table}_move", json={"id": b["id"], "parent_id": x["id"], "version": 1})
    assert moved.status_code == 200, moved.text
    assert moved.json()["path"] == ".".join(map(label, (x, b)))
    below = admin.get(view, params={"path": f"cd.{moved.json()['path']}", "order": "path"}).json()
    assert [row["path"] for row in below] == [".".join(map(label, p)) for p in ((x, b), (x, b, c), (x, b, c, d))]
    root = admin.post(f"rpc/{table}_move", json={"id": c["id"], "parent_id": None}).json()
    assert root["path"] == label(c)
    assert admin.get(view, params={"id": f"eq.{d['id']}"}).json()[0]["path"] == ".".join(map(label, (c, d)))


@tree
def test_a_cycle_is_refused(admin: Any, node: Any, refused: Any, view: str, table: str, kind: str) -> None:
    a = node(view, kind, "A")
    b = node(view, kind, "B", a)
    c = node(view, kind, "C", b)
    refused(admin.post(f"rpc/{table}_move", json={"id": a["id"], "parent_id": c["id"]}), 422, "core.tree_cycle")
    refused(admin.post(f"rpc/{table}_move", json={"id": a["id"], "parent_id": a["id"]}), 422, "core.tree_cycle")


@tree
def test_moves_that_cannot_be(
    org: Any, new_org: Any, api: Any, admin: Any, node: Any, refused: Any, view: str, table: str, kind: str
) -> None:
    a, b = node(view, kind, "A"), node(view, kind, "B")
    node(view, kind, "A", b)
    move = f"rpc/{table}_move"
    nowhere = admin.post(move, json={"id": a["id"], "parent_id": "00000000-0000-7000-8000-000000000000"})
    assert (nowhere.status_code, nowhere.json()["code"]) == (409, "23503")
    twice = admin.post(move, json={"id": a["id"], "parent_id": b["id"]})
    assert (twice.status_code, twice.json()["code"]) == (409, "23505")
    refused(admin.post(move, json={"id": a["id"], "parent_id": b["id"], "version": 9}), 412, "core.stale_version")
    refused(api(new_org().admin_token).post(move, json={"id": a["id"], "parent_id": None}), 404, "core.not_found")
    updater = api(org.token([f"core.{table}.update"]))
    refused(updater.post(move, json={"id": a["id"], "parent_id": None}), 403, "core.permission_missing")
    direct = updater.patch(view, params={"id": f"eq.{a['id']}"}, json={"parent_id": b["id"]})
    assert (direct.status_code, direct.json()["code"]) == (403, "42501")


@tree
def test_nothing_active_lies_below_what_is_not(
    admin: Any, node: Any, refused: Any, view: str, table: str, kind: str
) -> None:
    a = node(view, kind, "A")
    b = node(view, kind, "B", a)
    other = node(view, kind, "O")
    off, on = {"is_active": False}, {"is_active": True}
    refused(admin.patch(view, params={"id": f"eq.{a['id']}"}, json=off), 409, "core.children_active")
    assert admin.patch(view, params={"path": f"cd.{a['path']}"}, json=off).status_code == 204
    refused(admin.patch(view, params={"id": f"eq.{b['id']}"}, json=on), 422, "core.parent_inactive")
    refused(
        admin.post(view, json={"kind": kind, "code": "C", "name": "C", "parent_id": a["id"]}),
        422,
        "core.parent_inactive",
    )
    refused(
        admin.post(f"rpc/{table}_move", json={"id": other["id"], "parent_id": a["id"]}), 422, "core.parent_inactive"
    )
    assert admin.patch(view, params={"path": f"cd.{a['path']}"}, json=on).status_code == 204
    assert admin.patch(view, params={"id": f"eq.{other['id']}"}, json=off).status_code == 204


def test_two_moves_cannot_make_a_cycle_together(org: Any, api: Any, admin: Any, node: Any, db: Any) -> None:
    """A below B and B below A, at the same moment: one wins, the other is refused, none deadlocks."""
    for number in range(5):
        a, b = node("locations", "SITE", f"A{number}"), node("locations", "SITE", f"B{number}")
        start = threading.Barrier(2)

        def move(child: Any, parent: Any, client: Any, start: threading.Barrier = start) -> int:
            start.wait()
            return int(
                client.post("rpc/location_move", json={"id": child["id"], "parent_id": parent["id"]}).status_code
            )

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(move, a, b, api(org.admin_token))
            second = pool.submit(move, b, a, api(org.admin_token))
        assert sorted((first.result(), second.result())) == [200, 422]


def test_a_child_made_while_its_parent_moves_gets_the_new_path(stack: Any, org: Any, node: Any, db: Any) -> None:
    a, b = node("locations", "SITE", "A"), node("locations", "SITE", "B")
    insert = "insert into core.location (org_id, parent_id, kind, code, name) values (%s, %s, 'ROOM', 'R', 'R')"
    with psycopg.connect(stack.dsn("migrator")) as mover, psycopg.connect(stack.dsn("migrator")) as maker:
        mover.execute("update core.location set parent_id = %s where id = %s", [b["id"], a["id"]])
        with ThreadPoolExecutor(1) as pool:
            made = pool.submit(maker.execute, insert, [org.id, a["id"]])
            waiting = "select exists (select from pg_locks where locktype = 'advisory' and not granted and pid = %s)"
            while not db.execute(waiting, [maker.info.backend_pid]).fetchone()[0]:
                assert not made.done(), "the insert did not wait for the move"
            mover.commit()
            made.result()
        maker.commit()
    path = db.execute("select path::text from core.location where org_id = %s and code = 'R'", [org.id]).fetchone()[0]
    assert path.startswith(f"{label(b)}.{label(a)}.")


def test_virtual_places_are_there_and_stay(org: Any, admin: Any) -> None:
    virtual = admin.get("locations", params={"is_virtual": "is.true", "order": "kind"}).json()
    assert [row["kind"] for row in virtual] == ["CUSTOMER", "LOSS", "PRODUCTION", "SUPPLIER"]
    key = {"id": f"eq.{virtual[0]['id']}"}
    assert admin.patch("locations", params=key, json={"is_active": False}).status_code == 400
    assert admin.post("locations", json={"kind": "LOSS", "code": "L2", "name": "L2"}).status_code == 409


def test_a_path_cannot_be_written(admin: Any, node: Any) -> None:
    a = node("locations", "SITE", "A")
    response = admin.patch("locations", params={"id": f"eq.{a['id']}"}, json={"path": "x"})
    assert (response.status_code, response.json()["code"]) == (403, "42501")


@pytest.mark.parametrize("zone", ["Asia/Dhakka", "XYZ5", "EST5EDT4", "+06", "America/Nowhere"])
def test_a_time_zone_must_exist(admin: Any, org: Any, refused: Any, zone: str) -> None:
    refused(
        admin.patch("organizations", params={"id": f"eq.{org.id}"}, json={"time_zone": zone}),
        422,
        "core.time_zone_unknown",
    )


@pytest.mark.parametrize(
    "zone", ["Asia/Dhaka", "America/Argentina/Buenos_Aires", "America/Port-au-Prince", "UTC", "Etc/GMT-6"]
)
def test_names_of_time_zones(admin: Any, org: Any, zone: str) -> None:
    assert admin.patch("organizations", params={"id": f"eq.{org.id}"}, json={"time_zone": zone}).status_code == 204
