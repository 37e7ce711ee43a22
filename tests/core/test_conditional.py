"""Tags, cache classes and expected versions, as clients meet with them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

WRITES = ("core.partner.create", "core.partner.update")


def partner(client: httpx.Client, **values: Any) -> dict[str, Any]:
    code = uuid.uuid4().hex[:10].upper()
    answer = client.post(
        "partners", json={"code": code, "name": code, **values}, headers={"Prefer": "return=representation"}
    )
    assert answer.status_code == 201, answer.text
    return dict(answer.json()[0])


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["code"])


def settle(db: Any, *orgs: Any) -> None:
    """Wait until all transactions have ended that began before the newest change: a tag changes once more with each."""
    deadline = time.monotonic() + 60
    waiting = (
        "select exists (select from core.data_change where (org_id = any (%s) or org_id = %s) "
        "and xid >= pg_snapshot_xmin(pg_current_snapshot()))"
    )
    while db.execute(waiting, [[org.id for org in orgs], uuid.UUID(int=0)]).fetchone()[0]:
        assert time.monotonic() < deadline


def test_an_answer_has_a_tag_and_is_not_sent_again(api: Any, org: Any, db: Any) -> None:
    client = api(org.token(WRITES))
    row = partner(client)
    settle(db, org)
    first = client.get("partners?select=id,name,version")
    assert first.headers["etag"].startswith('W/"')
    assert first.headers["cache-control"] == "private, max-age=600"
    assert "Authorization" in first.headers.get_list("vary", split_commas=True)
    same = {"If-None-Match": first.headers["etag"]}
    again = client.get("partners?select=id,name,version", headers=same)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["cache-control"] == "private, max-age=600"
    assert client.head("partners?select=id,name,version", headers=same).status_code == 304
    # one of a list, however it is written; anything
    for given in (f'"x", {first.headers["etag"]}', first.headers["etag"].removeprefix("W/"), "*"):
        assert client.get("partners?select=id,name,version", headers={"If-None-Match": given}).status_code == 304
    # another question, another form
    assert client.get("partners?select=id,name", headers=same).status_code == 200
    assert client.get("partners?select=id,name,version", headers={**same, "Accept": "text/csv"}).status_code == 200
    assert client.get("partners?select=id,name,version", headers={**same, "Prefer": "count=exact"}).status_code == 200
    client.patch(f"partners?id=eq.{row['id']}", json={"name": "Another"})
    changed = client.get("partners?select=id,name,version", headers=same)
    assert (changed.status_code, changed.json()[0]["name"]) == (200, "Another")
    assert changed.headers["etag"] != first.headers["etag"]


def test_what_somebody_else_does_elsewhere_changes_no_tag(api: Any, new_org: Any, db: Any) -> None:
    ours, theirs = new_org(), new_org()
    client, other = api(ours.token(WRITES)), api(theirs.token((*WRITES, "core.item.create")))
    partner(client)
    settle(db, ours)
    tag = client.get("partners").headers["etag"]
    partner(other)
    # another source of the same organisation
    api(ours.token(("core.item.create",))).post(
        "items", json={"sku": uuid.uuid4().hex, "name": "n", "class": "GOODS", "unit_code": "C62"}
    )
    assert client.get("partners", headers={"If-None-Match": tag}).status_code == 304
    # tags are of one user: what he may see is part of them
    assert api(ours.token(WRITES)).get("partners").headers["etag"] != tag


def test_rights_that_are_given_and_taken_change_the_tag(api: Any, org: Any, db: Any) -> None:
    user = org.user()
    from erpgres.tokens import sign

    client = api(sign(org.claims(user), org.stack.secret("jwt.key")))
    other = api(org.admin_token)
    assert other.post("org_units", json={"kind": "BRANCH", "code": "U", "name": "U"}).status_code == 201
    first = client.get("approvals")
    assert first.status_code == 200
    row = db.execute("select role_id from core.user_role where user_id = %s", [user]).fetchone()
    db.execute(
        "insert into core.role_permission (org_id, role_id, permission) values (%s, %s, 'core.approval.read')",
        [org.id, row[0]],
    )
    second = client.get("approvals", headers={"If-None-Match": first.headers["etag"]})
    assert second.status_code == 200
    db.execute("delete from core.user_role where user_id = %s", [user])
    third = client.get("approvals", headers={"If-None-Match": second.headers["etag"]})
    assert third.status_code == 200
    assert len({first.headers["etag"], second.headers["etag"], third.headers["etag"]}) == 3


def test_what_is_embedded_is_part_of_the_tag(api: Any, org: Any, db: Any) -> None:
    client = api(org.token((*WRITES, "core.contact.create")))
    row = partner(client)
    settle(db, org)
    query = "partners?select=id,contacts(name)"
    plain, embedded = client.get("partners?select=id"), client.get(query)
    assert embedded.status_code == 200, embedded.text
    made = client.post("contacts", json={"partner_id": row["id"], "name": "C", "phone": "1"})
    assert made.status_code == 201, made.text
    same = client.get("partners?select=id", headers={"If-None-Match": plain.headers["etag"]})
    assert same.status_code == 304
    for coded in (query, query.replace("(", "%28").replace(")", "%29")):
        answer = client.get(coded, headers={"If-None-Match": embedded.headers["etag"]})
        assert (answer.status_code, answer.json()[0]["contacts"]) == (200, [{"name": "C"}])
        assert "etag" in answer.headers
    # a name that cannot be read for sure: no tag
    hidden = client.get('partners?select=id,"contacts"(name)')
    assert "etag" not in hidden.headers


def test_a_view_between_two_is_part_of_the_tag(api: Any, org: Any, db: Any) -> None:
    client = api(org.admin_token)
    query = "roles?select=code,permissions(code)&order=code"
    first = client.get(query)
    if first.status_code != 200:  # PostgREST names what it does not relate
        pytest.fail(first.text)
    assert "etag" in first.headers
    row = db.execute("select role_id, permission from core.role_permission where org_id = %s limit 1", [org.id])
    role, permission = row.fetchone()
    db.execute("delete from core.role_permission where role_id = %s and permission = %s", [role, permission])
    second = client.get(query, headers={"If-None-Match": first.headers["etag"]})
    assert second.status_code == 200
    assert second.json() != first.json()


@pytest.mark.parametrize(
    ("view", "wanted"),
    [
        ("items", "private, max-age=1800"),
        ("wms_documents", "private, max-age=60"),
        ("notifications", "private, no-cache"),
        ("sessions", "private, no-cache"),
    ],
)
def test_each_class_says_how_long(api: Any, org: Any, view: str, wanted: str) -> None:
    assert api(org.admin_token).get(view).headers["cache-control"] == wanted


def test_what_changes_with_the_time_has_no_tag(api: Any, org: Any) -> None:
    answer = api(org.admin_token).get("sessions", headers={"If-None-Match": "*"})
    assert answer.status_code == 200
    assert "etag" not in answer.headers


def test_errors_functions_and_super_admins_have_no_tag(api: Any, org: Any) -> None:
    client = api(org.admin_token)
    for path, status in (("partners?nothing=eq.1", 400), ("no_view", 404), ("rpc/notifications_unread", 200)):
        answer = client.get(path)
        assert answer.status_code == status
        assert "etag" not in answer.headers


def test_the_gateway_alone_says_what_is_asked_for(api: Any, org: Any) -> None:
    client = api(org.admin_token)
    tag = client.get("partners?limit=1").headers["etag"]
    answer = client.get("partners?limit=2", headers={"If-None-Match": tag, "X-Query-String": "limit=1"})
    assert answer.status_code == 200


def test_readers_among_writers_never_keep_what_is_old(api: Any, org: Any) -> None:
    """Writers commit as they like; who is told that he has the newest has what was committed before he asked."""
    client = api(org.token(WRITES))
    made = [partner(client) for _ in range(4)]
    committed: dict[str, int] = {row["id"]: row["version"] for row in made}
    failed: list[str] = []
    done = threading.Event()

    def write(own: httpx.Client, row: dict[str, Any]) -> None:
        for number in range(12):
            answer = own.patch(
                f"partners?id=eq.{row['id']}&select=version", json={"note": f"n{number}"},
                headers={"Prefer": "return=representation"},
            )  # fmt: skip
            committed[row["id"]] = answer.json()[0]["version"]

    def read() -> None:
        kept: dict[str, int] = {}
        tag = ""
        while not done.is_set():
            floor = dict(committed)
            answer = client.get("partners?select=id,version", headers={"If-None-Match": tag} if tag else {})
            if answer.status_code == 200:
                tag, kept = answer.headers["etag"], {row["id"]: row["version"] for row in answer.json()}
            if any(kept[name] < version for name, version in floor.items()):
                failed.append(f"{answer.status_code}: {kept} after {floor}")

    reader = threading.Thread(target=read)
    reader.start()
    writers = [threading.Thread(target=write, args=[api(org.token(WRITES)), row]) for row in made]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join(60)
    done.set()
    reader.join(60)
    assert failed == []
    assert set(committed.values()) == {13}


# ---- expected versions ---------------------------------------------------------------------------------------------


def test_if_match_lets_a_change_through_that_knows_the_row(api: Any, org: Any) -> None:
    client = api(org.token(WRITES))
    row = partner(client)
    where = f"partners?id=eq.{row['id']}"
    assert client.patch(where, json={"name": "A"}, headers={"If-Match": '"1"'}).status_code == 204
    stale = client.patch(where, json={"name": "B"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, code_of(stale)) == (412, "core.stale_version")
    assert client.patch(where, json={"name": "B"}, headers={"If-Match": "*"}).status_code == 204
    assert client.get(where + "&select=name,version").json() == [{"name": "B", "version": 3}]


def test_if_match_on_delete(api: Any, org: Any) -> None:
    client = api(org.token((*WRITES, "core.contact.create", "core.contact.delete")))
    row = partner(client)
    made = client.post(
        "contacts", json={"partner_id": row["id"], "name": "C", "phone": "1"},
        headers={"Prefer": "return=representation"},
    ).json()[0]  # fmt: skip
    where = f"contacts?id=eq.{made['id']}"
    stale = client.delete(where, headers={"If-Match": '"7"'})
    assert (stale.status_code, code_of(stale)) == (412, "core.stale_version")
    assert client.delete(where, headers={"If-Match": '"1"'}).status_code == 204
    gone = client.delete(where, headers={"If-Match": '"1"'})
    assert (gone.status_code, code_of(gone)) == (412, "core.if_match_gone")


def test_if_match_is_for_one_row_with_a_version(api: Any, org: Any) -> None:
    client = api(org.admin_token)
    for _ in range(2):
        partner(client)
    several = client.patch("partners?version=eq.1", json={"note": "x"}, headers={"If-Match": '"1"'})
    assert (several.status_code, code_of(several)) == (400, "core.if_match_several")
    assert client.get("partners?note=eq.x").json() == []
    for method, path in (("DELETE", "user_roles?id=not.is.null"), ("POST", "partners"), ("POST", "rpc/me")):
        answer = client.request(method, path, json={}, headers={"If-Match": '"1"'})
        assert (answer.status_code, code_of(answer)) == (400, "core.if_match_unsupported")
    for value in ('W/"abc"', '"1", "2"', "x"):
        answer = client.patch("partners?version=eq.1", json={"note": "x"}, headers={"If-Match": value})
        assert (answer.status_code, code_of(answer)) == (400, "core.if_match_malformed")


def test_every_row_that_can_be_changed_carries_its_version(api: Any, org: Any, db: Any) -> None:
    """Each view whose PATCH or DELETE takes If-Match shows the version, and its table looks at it."""
    found = db.execute(
        "select a.view_name, a.versioned_table, (select count(*) from pg_attribute as c "
        "where c.attrelid = ('api.' || a.view_name)::regclass and c.attname = 'version'), "
        "(select count(*) from pg_trigger as t where t.tgrelid = a.versioned_table::regclass "
        "and t.tgname in ('expect_version', 'expect_row')) "
        "from core.api_source as a where a.versioned_table is not null"
    ).fetchall()
    assert len(found) > 15
    client = api(org.admin_token)
    nobody = uuid.uuid4()
    for view, table, has_version, triggers in found:
        assert (has_version, triggers) == (1, 2), (view, table)
        key = "code=eq.x" if view == "settings" else f"id=eq.{nobody}"
        answer = client.delete(f"{view}?{key}", headers={"If-Match": '"1"'})
        if answer.status_code == 403:  # may not be deleted
            answer = client.patch(f"{view}?{key}", json={"version": 1}, headers={"If-Match": '"1"'})
        assert answer.status_code in (412, 403), (view, answer.text)


def test_functions_change_a_row_as_it_was_read(api: Any, org: Any) -> None:
    client = api(org.admin_token)

    def make(view: str, **values: Any) -> str:
        answer = client.post(view, json=values, headers={"Prefer": "return=representation"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()[0]["id"])

    units = [make("org_units", kind="DEPARTMENT", code=f"D{n}", name="D") for n in range(2)]
    places = [make("locations", kind="ROOM", code=f"R{n}", name="R") for n in range(2)]
    hook = client.post("rpc/webhook_create", json={"name": "W", "url": "https://192.0.2.1/x"}).json()["id"]
    named, why = partner(client)["id"], {"reason": "A test"}
    role = client.get("role_templates?role_id=not.is.null&limit=1").json()[0]["role_id"]
    for view, row, function, values in (
        ("partners", named, "partner_hold", why), ("partners", named, "partner_activate", why),
        ("partners", named, "partner_deactivate", why), ("users", str(org.user()), "user_disable", {}),
        ("users", str(org.user()), "user_enable", {}), ("roles", role, "role_reset", {}),
        ("org_units", units[0], "org_unit_move", {"parent_id": units[1]}),
        ("locations", places[0], "location_move", {"parent_id": places[1]}),
        ("webhooks", hook, "webhook_disable", {}), ("webhooks", hook, "webhook_enable", {}),
        ("webhooks", hook, "webhook_secret_rotate", {}),
    ):  # fmt: skip
        version = client.get(f"{view}?id=eq.{row}&select=version").json()[0]["version"]
        stale = client.post(f"rpc/{function}", json={"id": row, **values, "version": version + 1})
        assert (stale.status_code, code_of(stale)) == (412, "core.stale_version"), function
        assert client.get(f"{view}?id=eq.{row}&select=version").json() == [{"version": version}]
        done = client.post(f"rpc/{function}", json={"id": row, **values, "version": version})
        assert done.status_code == 200, done.text


def test_settings_are_changed_as_they_were_read(api: Any, org: Any) -> None:
    client = api(org.admin_token)
    row = client.get("settings?is_global=is.false&limit=1").json()[0]
    put: Callable[..., httpx.Response] = lambda **more: client.post(  # noqa: E731
        "rpc/setting_put", json={"code": row["code"], "value": row["default_value"], **more}
    )
    assert code_of(put(version=1)) == "core.stale_version"  # nobody has set it
    assert put().status_code == 200
    assert client.get(f"settings?code=eq.{row['code']}&select=version").json() == [{"version": 1}]
    assert put(version=1).status_code == 200
    stale = put(version=1)
    assert (stale.status_code, code_of(stale)) == (412, "core.stale_version")
