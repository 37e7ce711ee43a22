"""Notifications: who is told of what, once, and nobody else."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from conftest import Organization, conninfo
from erpgres.jobs import worker
from erpgres.stack.state import State
from erpgres.tokens import sign

from .support import Connection, caught_up, refused, settled, until

Api = Callable[..., httpx.Client]


@pytest.fixture
def person(org: Organization, api: Api, stack: State) -> Callable[..., Any]:
    """Make a user and a client that acts as him: `user_id, client = person(["wms.document.post"])`."""

    def make(permissions: Any = (), **values: Any) -> tuple[uuid.UUID, httpx.Client]:
        user_id = org.user(permissions, **values)
        partner_id = values.get("partner_id")
        claims = org.claims(user_id, role="partner" if partner_id else "member", partner_id=partner_id)
        return user_id, api(sign(claims, stack.secret("jwt.key")))

    return make


def emit(db: Connection, org: Organization, event_type: str, actor: Any = None, **values: Any) -> uuid.UUID:
    """Write an event as if `actor` had done it."""
    with db.transaction():
        claims = psycopg.types.json.Jsonb({"role": "member", "sub": str(actor), "org_id": str(org.id)})
        db.execute("select set_config('request.jwt.claims', %s::jsonb::text, true)", [claims if actor else None])
        row = db.execute(
            "select events.emit(%s, %s, %s, unit_id => %s, partner_id => %s, org_id => %s)",
            [event_type, event_type.split(".")[0], values.get("entity_id", uuid.uuid4()), values.get("unit_id"),
             values.get("partner_id"), org.id],
        ).fetchone()  # fmt: skip
    assert row is not None
    made: uuid.UUID = row[0]
    return made


def told(client: httpx.Client, **filters: str) -> list[dict[str, Any]]:
    response = client.get("notifications", params={"order": "id.desc", **filters})
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()
    return found


def call(client: httpx.Client, function: str, **values: Any) -> Any:
    response = client.post(f"rpc/{function}", json=values)
    assert response.status_code == 200, response.text
    return response.json()


def test_the_maker_of_a_document_is_told_who_posted_it(
    org: Organization, db: Connection, person: Any, api: Api
) -> None:
    admin = api(org.admin_token)
    item = admin.post("items", json={"sku": "A", "name": "A", "unit_code": "C62", "class": "GOODS"},
                      headers={"Prefer": "return=representation"}).json()[0]["id"]  # fmt: skip
    place = call(admin, "wms_warehouse_create", code="W", name="W")["id"]
    clerk_id, clerk = person(["wms.document.create"])
    poster_id, poster = person(["wms.document.post"])
    document = call(clerk, "wms_document_create", document_type="IMPORT", to_location_id=place,
                    lines=[{"item_id": item, "quantity": 1}])["id"]  # fmt: skip
    call(poster, "wms_document_post", id=document)
    row = until(lambda: told(clerk))[0]
    assert (row["event_type"], row["entity"], row["entity_id"], row["actor_id"], row["user_id"], row["title"]) == (
        "wms_document.posted", "wms_document", document, str(poster_id), str(clerk_id),
        "Your warehouse document was posted",
    )  # fmt: skip
    assert clerk.get("events", params={"id": f"eq.{row['id']}", "select": "type"}).json() == [
        {"type": "wms_document.posted"}
    ]
    # Who does it himself is not told, and neither is anybody else.
    own = call(admin, "wms_document_create", document_type="IMPORT", to_location_id=place,
               lines=[{"item_id": item, "quantity": 1}])["id"]  # fmt: skip
    call(admin, "wms_document_post", id=own)
    caught_up(db, org.id, "notifications")
    assert (len(told(clerk)), told(poster), told(admin)) == (1, [], [])


def test_holders_of_a_permission_are_told_everywhere_or_in_their_unit(
    org: Organization, db: Connection, person: Any, api: Api
) -> None:
    admin = api(org.admin_token)
    units = [
        admin.post("org_units", json={"kind": "BRANCH", "code": code, "name": code},
                   headers={"Prefer": "return=representation"}).json()[0]["id"] for code in "AB"
    ]  # fmt: skip
    actor, _ = person()
    holders = [person(["core.partner.activate"]) for _ in range(3)]
    _, stranger = person(["core.partner.create"])
    for unit, (user_id, _) in zip([None, *units], holders, strict=True):
        db.execute("update core.user_role set unit_id = %s where user_id = %s", [unit, user_id])
    gone, gone_client = person(["core.partner.activate"])
    db.execute("update core.membership set is_active = false where user_id = %s", [gone])
    everywhere = emit(db, org, "partner.on_hold", actor)
    in_a = emit(db, org, "partner.on_hold", actor, unit_id=units[0])
    caught_up(db, org.id, "notifications")
    assert [{row["id"] for row in told(client)} for _, client in holders] == [
        {str(everywhere), str(in_a)}, {str(in_a)}, set(),
    ]  # fmt: skip
    assert told(stranger) == []
    refused(gone_client.get("notifications"), 401, "core.user_inactive")
    assert db.execute("select count(*) from events.notification where user_id = %s", [gone]).fetchone() == (0,)


def test_read_marks_are_ones_own(org: Organization, db: Connection, person: Any, api: Api) -> None:
    actor, _ = person()
    _, first = person(["core.partner.activate"])
    _, second = person(["core.partner.activate"])
    ids = [str(emit(db, org, "partner.on_hold", actor)) for _ in range(4)]
    until(lambda: len(told(second)) == 4)
    assert [row["id"] for row in told(first)] == ids[::-1]
    assert [row["id"] for row in told(first, limit="2", id=f"lt.{ids[3]}")] == [ids[2], ids[1]]
    assert call(first, "notifications_unread") == {"unread": 4, "is_more": False}
    assert call(first, "notification_read", ids=ids[:1]) == {"read": 1}
    assert call(first, "notification_read", ids=ids[:2]) == {"read": 1}
    assert call(first, "notifications_read_all", until=ids[2]) == {"read": 1}
    assert [row["id"] for row in told(first, read_at="is.null")] == [ids[3]]
    assert call(first, "notifications_read_all") == {"read": 1}
    assert call(first, "notifications_unread")["unread"] == 0
    assert first.get("rpc/notifications_unread").json()["unread"] == 0
    assert call(second, "notifications_unread")["unread"] == 4
    # Nobody marks what is not his, and a wrong id among right ones marks none.
    _, third = person()
    refused(third.post("rpc/notification_read", json={"ids": ids}), 404, "core.not_found")
    refused(second.post("rpc/notification_read", json={"ids": [*ids, str(uuid.uuid4())]}), 404, "core.not_found")
    assert call(second, "notifications_unread")["unread"] == 4
    refused(third.post("rpc/notifications_read_all", json={"until": ids[0]}), 404, "core.not_found")
    assert told(third) == []
    for function in ("notification_read", "notifications_read_all", "notifications_unread"):
        body = {"ids": ids} if function == "notification_read" else {}
        assert api().post(f"rpc/{function}", json=body).status_code == 401
    assert first.patch("notifications", params={"id": f"eq.{ids[0]}"}, json={"read_at": None}).status_code == 403


def test_preferences_switch_types_on_and_off(org: Organization, db: Connection, person: Any) -> None:
    actor, _ = person()
    deaf_id, deaf = person(["core.partner.activate"])
    keen_id, keen = person()
    boss_id, boss = person(["core.notification.assign"])
    assert call(deaf, "notification_preference_put", event_type="partner.on_hold", is_on=False)["is_on"] is False
    call(boss, "notification_preference_put", event_type="partner.on_hold", is_on=True, user_id=str(keen_id))
    event = emit(db, org, "partner.on_hold", actor)
    row = until(lambda: told(keen))[0]
    assert (row["id"], row["title"]) == (str(event), None)
    caught_up(db, org.id, "notifications")
    assert told(deaf) == []
    assert [row["is_on"] for row in deaf.get("notification_preferences").json()] == [False]
    call(deaf, "notification_preference_put", event_type="partner.on_hold")
    emit(db, org, "partner.on_hold", actor)
    until(lambda: len(told(deaf)) == 1)
    put = {"event_type": "partner.on_hold", "is_on": True}
    refused(
        deaf.post("rpc/notification_preference_put", json={**put, "user_id": str(keen_id)}),
        403, "core.permission_missing",
    )  # fmt: skip
    refused(
        boss.post("rpc/notification_preference_put", json={**put, "user_id": str(uuid.uuid4())}), 404, "core.not_found"
    )
    refused(deaf.post("rpc/notification_preference_put", json={"event_type": "moon.rose"}), 422, "events.type_unknown")
    assert {boss_id, deaf_id} & {row["user_id"] for row in told(keen)} == set()


def test_nobody_is_told_of_what_he_may_not_read(org: Organization, db: Connection, person: Any) -> None:
    actor, _ = person()
    _, blind = person()
    _, seeing = person(["core.webhook.read"])
    for client in (blind, seeing):
        call(client, "notification_preference_put", event_type="webhook.disabled", is_on=True)
    emit(db, org, "webhook.disabled", actor)
    until(lambda: len(told(seeing)) == 1)
    caught_up(db, org.id, "notifications")
    assert told(blind) == []


def test_external_users_are_told_of_their_partner_only(
    org: Organization, db: Connection, person: Any, api: Api
) -> None:
    admin = api(org.admin_token)
    want = {"Prefer": "return=representation"}
    partners = [admin.post("partners", json={"code": c, "name": c}, headers=want).json()[0]["id"] for c in "PQ"]
    (_, own), (_, other) = (person(partner_id=partner) for partner in partners)
    for client in (own, other):
        for event_type in ("address.updated", "partner.on_hold"):
            call(client, "notification_preference_put", event_type=event_type, is_on=True)
    # What the organisation decides about him is not his to read: of the partner's row he sees some columns only.
    emit(db, org, "partner.on_hold", org.users["admin"], entity_id=partners[0], partner_id=partners[0])
    event = emit(db, org, "address.updated", org.users["admin"], partner_id=partners[0])
    assert until(lambda: told(own))[0]["id"] == str(event)
    caught_up(db, org.id, "notifications")
    assert [row["event_type"] for row in told(own)] == ["address.updated"]
    assert told(other) == []
    assert {row["type"] for row in own.get("events").json()} == {"address.updated"}


def test_makers_at_once_tell_each_event_once(stack: State, clone: str) -> None:
    """Several workers, one of them dying with its transaction open."""
    dsn = conninfo(stack.dsn("worker"), dbname=psycopg.conninfo.conninfo_to_dict(clone)["dbname"])
    database = psycopg.conninfo.conninfo_to_dict(clone)["dbname"]
    with psycopg.connect(conninfo(stack.dsn("migrator"), dbname=database), autocommit=True) as db:
        row = db.execute("select core.create_organization('ORG', 'Org', 'BD', 'USD')").fetchone()
        assert row is not None
        org = Organization(row[0], "ORG", db, stack)
        users = [org.user(["core.partner.activate"]) for _ in range(3)]
        actor = org.user()
        events = {emit(db, org, "partner.on_hold", actor) for _ in range(60)}
        settled(db, org.id)
        with worker.connect(dsn) as dying, worker.connect(dsn) as other:
            dying.autocommit = False
            assert dying.execute("select events.make_notifications(1000)").fetchone() != (0,)
            assert other.execute("select events.make_notifications(1000)").fetchone() == (0,)
            with psycopg.connect(clone, autocommit=True) as boss:
                boss.execute("select pg_terminate_backend(%s)", [dying.info.backend_pid])
            dying.close()

        def make(_: int) -> None:
            with worker.connect(dsn) as connection:
                while connection.execute("select events.make_notifications(7)").fetchone() != (0,):
                    pass

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(make, range(4)))
        made = db.execute("select user_id, event_id from events.notification").fetchall()
        assert sorted(made) == sorted((user, event) for user in users for event in events)
