"""The feed: cursors, consumers, who sees what, the alarm, and the check of all of it with concurrent writers."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from erpgres.bench import feed
from erpgres.stack import status
from events.conftest import caught_up, change, done, events_of, make, read_until, refused
from events.support import settled


def as_tools(stack: Any, clone: str) -> str:
    return str(stack.dsn("migrator", conninfo_to_dict(clone)["dbname"]))


START = f"0.{uuid.UUID(int=0)}"


def test_every_change_comes_once_and_in_order(org: Any, api: Any) -> None:
    client = api(org.admin_token)
    cursor = caught_up(client)
    partner = make(client, "partners", code="A", name="0")
    for number in range(1, 5):
        partner = change(client, "partners", partner, name=str(number))
    events, after = read_until(client, cursor, 5)
    assert [e["entity_version"] for e in events] == [1, 2, 3, 4, 5]
    assert {e["entity_id"] for e in events} == {partner["id"]}
    assert done(client, "events_since", cursor=after)["events"] == []
    again = done(client, "events_since", cursor=events[1]["cursor"], max_rows=2)
    assert [e["id"] for e in again["events"]] == [e["id"] for e in events[2:4]]
    assert (again["has_more"], again["cursor"]) == (True, events[3]["cursor"])


def test_it_can_be_asked_by_get(org: Any, api: Any) -> None:
    client = api(org.admin_token)
    response = client.get("rpc/events_since", params={"cursor": "now", "max_rows": "5"})
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["events"], body["has_more"], body["is_stalled"]) == ([], False, False)
    assert body["lag_seconds"] >= 0


def test_the_beginning_is_the_first_event_kept(org: Any, api: Any) -> None:
    first = read_until(api(org.admin_token), START, 1)[0][0]
    assert first["type"] == "organization.created"


@pytest.mark.parametrize("cursor", ["", "x", "1", f"-1.{uuid.UUID(int=0)}", f"1.{uuid.UUID(int=0)}x", "1.1"])
def test_a_broken_cursor_is_refused(org: Any, api: Any, cursor: str) -> None:
    refused(api(org.admin_token).post("rpc/events_since", json={"cursor": cursor}), 400, "events.cursor_invalid")


def test_a_cursor_of_the_future_and_a_wrong_size_are_refused(org: Any, api: Any) -> None:
    client = api(org.admin_token)
    ahead = {"cursor": f"999999999999.{uuid.UUID(int=0)}"}
    refused(client.post("rpc/events_since", json=ahead), 409, "events.cursor_ahead")
    for size in (0, 101):
        refused(client.post("rpc/events_since", json={"max_rows": size}), 400, "events.max_rows")
    assert api().post("rpc/events_since", json={}).status_code == 401


# ---- consumers -----------------------------------------------------------------------------------------------------


def test_a_consumer_keeps_its_place_in_the_database(org: Any, api: Any) -> None:
    client = api(org.admin_token)
    begun = done(client, "event_consumer_register", name="search", cursor=caught_up(client))
    make(client, "partners", code="A", name="A")
    events, cursor = read_until(client, begun["cursor"], 1)
    assert done(client, "events_since", consumer="search")["events"][0]["id"] == events[0]["id"]
    done(client, "event_consumer_acknowledge", name="search", cursor=cursor)
    assert done(client, "events_since", consumer="search")["events"] == []
    assert done(client, "event_consumer_register", name="search")["cursor"] == cursor, "registered: keeps its place"
    (row,) = client.get("event_consumers").json()
    assert (row["name"], row["cursor"]) == ("search", cursor)
    behind = {"name": "search", "cursor": begun["cursor"]}
    refused(client.post("rpc/event_consumer_acknowledge", json=behind), 409, "events.cursor_behind")
    done(client, "event_consumer_remove", name="search")
    refused(client.post("rpc/events_since", json={"consumer": "search"}), 404, "events.consumer_unknown")


def test_consumers_need_a_permission_and_a_name(org: Any, new_org: Any, api: Any) -> None:
    client, other = api(org.admin_token), api(org.token())
    done(client, "event_consumer_register", name="erp")
    for function, body in (
        ("event_consumer_register", {"name": "x"}),
        ("event_consumer_acknowledge", {"name": "erp", "cursor": START}),
        ("event_consumer_remove", {"name": "erp"}),
    ):
        refused(other.post(f"rpc/{function}", json=body), 403, "core.permission_missing")
    refused(client.post("rpc/event_consumer_register", json={"name": "No Name"}), 422, "events.consumer_name")
    ahead = {"name": "erp", "cursor": f"999999999999.{uuid.UUID(int=0)}"}
    refused(client.post("rpc/event_consumer_acknowledge", json=ahead), 409, "events.cursor_ahead")
    stranger = api(new_org().admin_token)
    refused(stranger.post("rpc/event_consumer_remove", json={"name": "erp"}), 404, "events.consumer_unknown")
    assert stranger.get("event_consumers").json() == []


# ---- who sees what -------------------------------------------------------------------------------------------------


def test_an_organisation_sees_its_own_events_only(org: Any, new_org: Any, api: Any) -> None:
    make(api(org.admin_token), "partners", code="A", name="A")
    stranger = new_org()
    seen = events_of(api(stranger.admin_token))
    assert {e["org_id"] for e in seen} == {str(stranger.id)}
    assert {e["org_id"] for e in read_until(api(stranger.admin_token), START, 10)[0]} == {str(stranger.id)}


def test_a_partner_sees_events_of_his_own_rows_and_whole_columns_only(org: Any, api: Any) -> None:
    admin = api(org.admin_token)
    own, other = (make(admin, "partners", code=c, name=c) for c in "AB")
    for partner in (own, other):
        make(admin, "addresses", partner_id=partner["id"], kind="REGISTERED", line1="1", city="C", country_code="BD")
        change(admin, "partners", partner, credit_limit=5, currency="USD")
    external = api(org.token(partner_id=own["id"]))
    seen = events_of(external)
    assert [(e["type"], e["partner_id"]) for e in seen] == [("address.created", own["id"])]
    fed, _ = read_until(external, START, 1)
    assert [e["id"] for e in fed] == [seen[0]["id"]], "nothing of core.partner: its credit limit is not his to see"


def test_events_behind_a_permission_need_it(org: Any, api: Any, db: Any) -> None:
    user_id = org.user()
    db.execute(
        "insert into core.api_key (org_id, user_id, name, prefix, key_hash, permissions, expires_at) "
        "values (%s, %s, 'k', 'p', sha256(%s), '{}', now() + interval '1 day')",
        [org.id, user_id, uuid.uuid4().bytes],
    )
    assert [e["type"] for e in events_of(api(org.token(["core.api_key.read"])), entity="eq.api_key")] == [
        "api_key.created"
    ]
    assert events_of(api(org.token()), entity="eq.api_key") == []


def test_a_permission_in_a_unit_shows_the_events_of_that_unit(clone: str) -> None:
    with psycopg.connect(clone, autocommit=True) as connection:
        connection.execute(
            "update core.event_entity set read_permission = 'core.location.move' where entity = 'location'"
        )
        (org_id,) = connection.execute("select core.create_organization('AA', 'A', 'BD', 'USD')").fetchone() or (None,)
        units = [
            connection.execute(
                "insert into core.org_unit (org_id, kind, code, name) values (%s, 'UNIT', %s, 'U') returning id",
                [org_id, c],
            ).fetchone()[0]  # type: ignore[index]
            for c in "AB"
        ]
        for unit in units:
            connection.execute(
                "insert into core.location (org_id, kind, code, name, unit_id) values (%s, 'ROOM', %s, 'R', %s)",
                [org_id, str(unit), unit],
            )
        user = uuid.uuid4()
        for statement in (
            "insert into core.app_user (id, email, name, kind) values (%(u)s, 'u@example.com', 'U', 'INTERNAL')",
            "insert into core.membership (org_id, user_id, kind) values (%(o)s, %(u)s, 'INTERNAL')",
            "insert into core.role (org_id, code, name) values (%(o)s, 'mover', 'M')",
            "insert into core.role_permission (org_id, role_id, permission) "
            "select org_id, id, 'core.location.move' from core.role where org_id = %(o)s and code = 'mover'",
            "insert into core.user_role (org_id, user_id, role_id, unit_id) "
            "select org_id, %(u)s, id, %(unit)s from core.role where org_id = %(o)s and code = 'mover'",
        ):
            connection.execute(statement, {"o": org_id, "u": user, "unit": units[0]})
    with psycopg.connect(clone) as connection:
        connection.execute("set session authorization relay")
        connection.execute(
            "select set_config('request.jwt.claims', %s, false)",
            [json.dumps({"role": "member", "sub": str(user), "org_id": str(org_id)})],
        )
        key = []
        for role in ("member", "superadmin"):
            connection.execute(f"set role {role}")
            rows = connection.execute("select unit_id from events.event where entity = 'location'").fetchall()
            key.append(connection.execute("select events.audience_key()").fetchone())
            assert {row[0] for row in rows} == ({units[0]} if role == "member" else {None, *units})
        assert key[0] != key[1]


def test_alike_subscribers_have_one_key(org: Any, acting: Any, db: Any) -> None:
    def key(user_id: uuid.UUID, **claims: Any) -> str:
        with acting(org, user_id, **claims) as session:
            return str(session.execute("select events.audience_key()").fetchone()[0])

    first, second, reader = org.user(), org.user(), org.user(["core.api_key.read"])
    assert key(first) == key(second) != key(reader)
    db.execute("delete from core.user_role where org_id = %s and user_id = %s", [org.id, reader])
    assert key(reader) == key(first), "a right that was taken changes the key at once"
    one, other = uuid.uuid4(), uuid.uuid4()
    keys = {key(first, role="partner", partner_id=str(p)) for p in (one, other, one)}
    assert len(keys) == 2


def test_the_relay_reads_as_its_subscriber_and_nothing_by_itself(org: Any, api: Any, db: Any, stack: Any) -> None:
    make(api(org.admin_token), "partners", code="A", name="A")
    settled(db, org.id)
    with psycopg.connect(stack.dsn("relay"), autocommit=True) as connection:
        claims = json.dumps({"role": "member", "sub": str(org.user()), "org_id": str(org.id)})
        # By itself it learns that something happened, and to what kind of thing; not to which, nor what.
        assert connection.execute("select type, entity from events.event where org_id = %s", [org.id]).fetchall()
        for column in ("entity_id", "before", "after", "payload", "actor_id"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select {column} from events.event")
        with connection.transaction():
            connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
            connection.execute("set local role member")
            rows = connection.execute(
                "select distinct org_id from events.read_feed('0', %s, 1000)", [uuid.UUID(int=0)]
            ).fetchall()
    assert rows == [(org.id,)]


# ---- history -------------------------------------------------------------------------------------------------------


def test_history_shows_who_changed_what(org: Any, api: Any) -> None:
    client = api(org.admin_token)
    partner = make(client, "partners", code="A", name="First")
    change(client, "partners", partner, name="Second", note="n")
    rows = done(client, "entity_history", entity="partner", id=partner["id"])
    newest = [r for r in rows if r["type"] == "partner.updated"]
    assert [(r["field"], r["old_value"], r["new_value"]) for r in newest] == [
        ("name", "First", "Second"), ("note", None, "n"),
    ]  # fmt: skip
    assert {r["actor_id"] for r in rows} == {str(org.users["admin"])}
    assert all(r["actor_name"].startswith("User ") for r in rows)
    page = client.get(
        "rpc/entity_history",
        params={"entity": "partner", "id": partner["id"], "order": "event_id.desc,field", "limit": "1"},
    ).json()
    assert page == newest[:1]


def test_history_is_refused_to_who_may_not_see_it(org: Any, new_org: Any, api: Any) -> None:
    client = api(org.admin_token)
    partner = make(client, "partners", code="A", name="A")
    ask = {"entity": "partner", "id": partner["id"]}
    refused(api(new_org().admin_token).post("rpc/entity_history", json=ask), 404, "core.not_found")
    external = api(org.token(partner_id=partner["id"]))
    refused(external.post("rpc/entity_history", json=ask), 403, "events.entity_refused")
    plain = api(org.token())
    refused(plain.post("rpc/entity_history", json={**ask, "entity": "api_key"}), 403, "events.entity_refused")
    refused(plain.post("rpc/entity_history", json={**ask, "entity": "nothing"}), 404, "events.entity_unknown")
    refused(plain.post("rpc/entity_history", json={**ask, "id": str(org.id)}), 404, "core.not_found")


# ---- the alarm -----------------------------------------------------------------------------------------------------


def test_a_transaction_that_holds_the_feed_is_named(org: Any, api: Any, db: Any, stack: Any) -> None:
    client = api(org.admin_token)
    db.execute(
        "insert into core.installation_setting (code, value) values ('events.stalled_after_seconds', '0.2') "
        "on conflict (code) do update set value = excluded.value"
    )
    try:
        cursor = caught_up(client)
        with psycopg.connect(stack.dsn("migrator"), application_name="holds it") as holder:
            holder.execute("insert into core.partner (org_id, code, name) values (%s, 'H', 'H')", [org.id])
            make(client, "partners", code="A", name="A")
            deadline = time.monotonic() + 30
            while not (answer := done(client, "events_since", cursor=cursor))["is_stalled"]:
                assert time.monotonic() < deadline
            assert answer["lag_seconds"] > 0.2
            # Of several, the oldest is named; that of another test ends.
            while "holds it" not in (problems := " ".join(status.report(stack).problems)):
                assert time.monotonic() < deadline, problems
            holder.rollback()
        assert read_until(client, cursor, 1)[0][0]["type"] == "partner.created"
    finally:
        db.execute("delete from core.installation_setting where code = 'events.stalled_after_seconds'")


def test_events_of_the_future_are_an_alarm(clone: str) -> None:
    """What a logical dump restored into a younger cluster would look like."""
    with psycopg.connect(clone) as connection:
        connection.execute(
            "insert into events.event (org_id, xid, type, entity) "
            "values (gen_random_uuid(), '99999999999', 'item.x', 'item')"
        )
        assert connection.execute("select is_ahead from events.feed_health()").fetchone() == (True,)


# ---- the check of all of it ----------------------------------------------------------------------------------------


def test_the_feed_loses_nothing_among_concurrent_writers(stack: Any, clone: str) -> None:
    outcome = feed.check(as_tools(stack, clone), seconds=2.5, writers=12)
    assert outcome.commits > 20
    assert outcome.delivered == outcome.events > 20
    assert outcome.violations == 0, outcome


@pytest.mark.parametrize(("bug", "found"), [("id", "lost"), ("xid", "disordered")])
def test_the_check_finds_a_feed_that_is_broken(stack: Any, clone: str, bug: str, found: str) -> None:
    for seed in range(10):
        outcome = feed.check(as_tools(stack, clone), seconds=1.5, writers=16, bug=bug, seed=seed)
        if getattr(outcome, found):
            break
    assert getattr(outcome, found)


@pytest.mark.drill
def test_fifty_writers_a_minute_and_a_killed_server() -> None:
    with feed.throw_away(lambda _: None) as state:
        outcome = feed.check(state.dsn("migrator"), 60, 50, kill=lambda: feed.kill_server(state))
    assert outcome.kills == 1
    assert outcome.disconnected > 0
    assert outcome.events == outcome.delivered > 1000
    assert outcome.violations == 0, outcome


def test_an_event_does_not_wait_for_the_next_writer(org: Any, db: Any, stack: Any) -> None:
    """T writes, U commits, T writes again: that has a number which is given already, not the next."""
    write = "insert into core.org_unit (org_id, kind, code, name) values (%s, 'BRANCH', %s, 'X')"
    with psycopg.connect(stack.dsn("migrator", db.info.dbname)) as slow:
        slow.execute(write, [org.id, "A"])
        db.execute(write, [org.id, "B"])
        slow.execute(write, [org.id, "C"])
    row = db.execute(
        "select max(e.xid) < pg_snapshot_xmax(pg_current_snapshot()), count(*) from events.event as e "
        "where e.org_id = %s and e.type = 'org_unit.created'", [org.id],
    ).fetchone()  # fmt: skip
    assert row == (True, 3)
