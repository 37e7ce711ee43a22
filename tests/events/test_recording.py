"""What a change writes into the event table, who wrote it, and that nobody changes it afterwards."""

from __future__ import annotations

import json
import uuid
from typing import Any

import psycopg
import pytest

from events.conftest import change, done, events_of, make


def test_a_row_is_recorded_from_its_creation_on(org: Any, api: Any) -> None:
    client = api(org.admin_token, **{"X-Request-ID": "recording-1"})
    partner = make(client, "partners", code="A", name="First", currency="USD", credit_limit=10)
    change(client, "partners", partner, name="Second", note=None)
    done(client, "partner_hold", id=partner["id"], reason="unpaid")
    created, updated, held = events_of(client, entity="eq.partner", entity_id=f"eq.{partner['id']}")
    assert [e["type"] for e in (created, updated, held)] == ["partner.created", "partner.updated", "partner.on_hold"]
    assert [e["entity_version"] for e in (created, updated, held)] == [1, 2, 3]
    assert (created["before"], created["after"]["name"], created["after"]["credit_limit"]) == (None, "First", 10)
    assert (updated["before"], updated["after"]) == ({"name": "First"}, {"name": "Second"})
    assert held["before"] == {"status": "ACTIVE", "status_reason": None}
    assert held["after"] == {"status": "ON_HOLD", "status_reason": "unpaid"}
    assert {e["actor_id"] for e in (created, updated, held)} == {str(org.users["admin"])}
    assert {e["request_id"] for e in (created, updated, held)} == {"recording-1"}
    assert {e["partner_id"] for e in (created, updated, held)} == {partner["id"]}
    assert created["session_id"] is not None
    assert not {"id", "org_id", "version", "search_text", "updated_at"} & created["after"].keys()


def test_a_deleted_row_leaves_all_it_said(org: Any, api: Any) -> None:
    client = api(org.admin_token)
    partner = make(client, "partners", code="A", name="A")
    contact = make(client, "contacts", partner_id=partner["id"], name="Karim", phone="1")
    assert client.delete("contacts", params={"id": f"eq.{contact['id']}"}).status_code == 204
    gone = events_of(client, entity_id=f"eq.{contact['id']}")[-1]
    assert (gone["type"], gone["after"], gone["before"]["name"]) == ("contact.deleted", None, "Karim")


def test_keys_stand_in_every_event(org: Any, api: Any) -> None:
    client = api(org.admin_token)
    done(client, "setting_put", code="wms.inbound_position", value="STORAGE")
    done(client, "setting_put", code="wms.inbound_position", value="PICKING")
    _, updated = events_of(client, entity="eq.setting")
    assert updated["before"] == {"code": "wms.inbound_position", "value": "STORAGE"}
    assert updated["after"] == {"code": "wms.inbound_position", "value": "PICKING"}


def test_what_is_rolled_back_did_not_happen(org: Any, api: Any) -> None:
    client = api(org.admin_token)
    before = len(events_of(client, entity="eq.partner"))
    response = client.post("partners", json=[{"code": "A", "name": "A"}, {"code": "A", "name": "twice"}])
    assert response.status_code == 409
    assert len(events_of(client, entity="eq.partner")) == before == 0


def test_a_bulk_change_is_one_event_a_row(org: Any, api: Any) -> None:
    client = api(org.admin_token)
    rows = [{"sku": f"S{n}", "name": "I", "class": "GOODS", "unit_code": "C62"} for n in range(50)]
    assert client.post("items", json=rows).status_code == 201
    # A plan made for one row serves the many.
    change(client, "items", {"id": events_of(client, entity="eq.item")[0]["entity_id"]}, name="one")
    assert client.patch("items", params={"class": "eq.GOODS"}, json={"shelf_life_days": None, "name": "all"}).is_success
    updated = events_of(client, type="eq.item.updated")
    assert len(updated) == 51
    assert {tuple(e["after"].items()) for e in updated[1:]} == {(("name", "all"),)}


def test_a_change_of_nothing_that_is_recorded_is_no_event(org: Any, db: Any) -> None:
    user_id = org.user()
    db.execute(
        "insert into core.api_key (org_id, user_id, name, prefix, key_hash, permissions, expires_at) "
        "values (%s, %s, 'k', 'p', sha256(%s), '{}', now() + interval '1 day')",
        [org.id, user_id, uuid.uuid4().bytes],
    )
    db.execute("update core.api_key set last_used_at = now() where org_id = %s", [org.id])
    db.execute("update core.api_key set name = 'renamed' where org_id = %s", [org.id])
    rows = db.execute(
        "select type, before, after from events.event where org_id = %s and entity = 'api_key' order by id", [org.id]
    ).fetchall()
    assert [row[0] for row in rows] == ["api_key.created", "api_key.updated"]
    assert rows[1][1:] == ({"name": "k"}, {"name": "renamed"})
    assert "key_hash" not in rows[0][2]


def test_a_row_whose_key_changes_is_one_gone_and_one_come(org: Any, api: Any, db: Any) -> None:
    client = api(org.admin_token)
    item = make(client, "items", sku="S", name="I", unit_code="C62", **{"class": "GOODS"})
    make(client, "item_barcodes", barcode="4006381333931", item_id=item["id"], unit_code="C62")
    db.execute("update core.item_barcode set barcode = '4006381333948' where org_id = %s", [org.id])
    types = {(e["type"], (e["after"] or e["before"])["barcode"]) for e in events_of(client, entity="eq.item_barcode")}
    assert types == {
        ("item_barcode.created", "4006381333931"),
        ("item_barcode.deleted", "4006381333931"),
        ("item_barcode.created", "4006381333948"),
    }


def test_a_users_name_and_membership_are_recorded(org: Any, api: Any, db: Any, acting: Any) -> None:
    user_id = org.user()
    with acting(org, user_id) as session:
        session.execute("reset role")
        session.execute("update core.app_user set name = 'Renamed' where id = %s", [user_id])
        session.commit()
    types = [(e["type"], (e["after"] or {}).get("name")) for e in
             events_of(api(org.admin_token), entity="eq.user", entity_id=f"eq.{user_id}")]  # fmt: skip
    assert types == [("user.created", None), ("user.updated", "Renamed")]


def test_posting_tells_of_the_document_and_its_lines(org: Any, api: Any) -> None:
    client = api(org.admin_token)
    place = done(client, "wms_warehouse_create", code="W", name="W")
    item = make(client, "items", sku="S", name="I", unit_code="C62", **{"class": "GOODS"})
    draft = done(
        client, "wms_document_create", document_type="IMPORT", to_location_id=place["id"],
        lines=[{"item_id": item["id"], "quantity": 5}],
    )  # fmt: skip
    posted = done(client, "wms_document_post", id=draft["id"])
    events = events_of(client, entity="eq.wms_document", entity_id=f"eq.{draft['id']}")
    assert [e["type"] for e in events][-1] == "wms_document.posted"
    assert events[-1]["after"]["number"] == posted["number"]
    lines = events_of(client, entity="eq.wms_document_line")
    assert [(e["type"], e["after"]["document_id"]) for e in lines] == [("wms_document_line.created", draft["id"])]


def test_a_partition_written_directly_is_recorded_too(clone: str) -> None:
    with psycopg.connect(clone, autocommit=True) as connection:
        tables = connection.execute(
            "select i.inhrelid::regclass::text, count(t.*) from pg_inherits i left join pg_trigger t "
            "on t.tgrelid = i.inhrelid and t.tgname like 'emit%%' "
            "where i.inhparent in ('wms.document'::regclass, 'wms.document_line'::regclass) group by 1"
        ).fetchall()
    assert tables
    assert {count for _, count in tables} == {3}


def test_emit_writes_an_event_of_its_own(org: Any, api: Any, acting: Any, db: Any) -> None:
    user_id = org.user()
    thing = uuid.uuid4()
    with acting(org, user_id) as session:
        session.execute("select events.emit('partner.visited', 'partner', %s, '{\"by\": \"car\"}')", [thing])
        session.commit()
    (event,) = events_of(api(org.admin_token), entity_id=f"eq.{thing}")
    assert (event["type"], event["payload"], event["actor_id"]) == ("partner.visited", {"by": "car"}, str(user_id))
    db.execute("select events.emit('organization.counted', 'organization', %(o)s, org_id => %(o)s)", {"o": org.id})


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("select events.emit('partner.x', 'partner', null)", "belongs to an organisation"),
        ("select events.emit('nothing.x', 'nothing', null, org_id => %(org)s)", "no entity nothing"),
        ("select events.emit('item.x', 'partner', null, org_id => %(org)s)", "not partner.what_happened"),
        ("select events.emit('partner.X y', 'partner', null, org_id => %(org)s)", "not partner.what_happened"),
    ],
)
def test_emit_refuses_what_nobody_could_read(org: Any, db: Any, call: str, why: str) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match=why):
        db.execute(call, {"org": org.id})


def test_emit_does_not_write_into_another_organisation(org: Any, new_org: Any, acting: Any) -> None:
    with acting(org, org.user()) as session, pytest.raises(psycopg.errors.RaiseException, match="in a request of"):
        session.execute("select events.emit('partner.x', 'partner', null, org_id => %s)", [new_org().id])


# ---- immutable -----------------------------------------------------------------------------------------------------

CHANGES = (
    "update {table} set type = 'x.y'",
    "update {table} set type = 'x.y' where false",
    "delete from {table}",
    "truncate {table}",
)


@pytest.mark.parametrize("role", ["postgres", "owner"])
def test_nobody_changes_an_event(clone: str, role: str) -> None:
    with psycopg.connect(clone) as connection:
        connection.execute("select core.create_organization('AA', 'A', 'BD', 'USD')")
        connection.commit()
        partitions = connection.execute(
            "select i.inhrelid::regclass::text from pg_inherits i where i.inhparent = 'events.event'::regclass"
        ).fetchall()
        assert len(partitions) > 1
        for table in ("events.event", *(row[0] for row in partitions)):
            for statement in CHANGES:
                if role == "owner":
                    connection.execute("set local role owner")
                with pytest.raises(psycopg.Error, match=r"events\.immutable"):
                    connection.execute(statement.format(table=table))
                connection.rollback()
        for table in ("events.seal", "events.seal_run", "events.archive"):
            for statement in (f"delete from {table}", f"truncate {table}"):
                with pytest.raises(psycopg.Error, match=r"events\.immutable"):
                    connection.execute(statement)
                connection.rollback()
        assert connection.execute("select count(*) > 0 from events.event").fetchone() == (True,)


@pytest.mark.parametrize(
    "role", ["member", "partner", "superadmin", "migrator", "worker", "analyst", "monitor", "relay"]
)
def test_nobody_writes_an_event_by_himself(clone: str, role: str) -> None:
    with psycopg.connect(clone) as connection:
        connection.execute(f"set local role {role}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                "insert into events.event (org_id, type, entity) values (gen_random_uuid(), 'item.created', 'item')"
            )


@pytest.mark.parametrize(("login", "recorded"), [("authenticator", 1), ("migrator", 0)])
def test_only_the_tools_may_load_without_an_event_a_row(
    org: Any, db: Any, stack: Any, login: str, recorded: int
) -> None:
    claims = json.dumps({"role": "member", "sub": str(org.user(administrator=True)), "org_id": str(org.id)})
    with psycopg.connect(stack.dsn(login, db.info.dbname)) as connection:
        connection.execute("set local erpgres.bulk_load = 'on'")
        connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        connection.execute("select set_config('erpgres.org_id', %s, true)", [str(org.id)])
        connection.execute("set local role member")
        connection.execute("insert into api.partners (code, name) values ('A', 'A')")
    query = "select count(*) from events.event where org_id = %s and type = 'partner.created'"
    assert db.execute(query, [org.id]).fetchone() == (recorded,)


def test_the_api_offers_no_write(org: Any, api: Any) -> None:
    client = api(org.admin_token)
    make(client, "partners", code="A", name="A")
    event = events_of(client)[-1]
    where = {"id": f"eq.{event['id']}"}
    assert client.patch("events", params=where, json={"type": "x.y"}).status_code == 403
    assert client.delete("events", params=where).status_code == 403
    assert client.post("events", json={"type": "x.y", "entity": "x"}).status_code == 403
    assert events_of(client)[-1] == event
