"""Legal holds: what is held stays, by whatever way somebody tries."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from records.signing import Office
from records.support import in_days, refused, violations


def test_a_hold_is_placed_extended_and_released(office: Office) -> None:
    world = office.world
    crate, other = office.due(2), office.due(1)
    hold = office.held(crates=[crate["id"]])
    assert (hold["status"], hold["item_count"], hold["matter"]) == ("ACTIVE", 1, "Dispute 17")
    assert hold["hold_no"].startswith("LH-")
    more = world.done("hold_add", "compliance", id=hold["id"], documents=world.contents(other), crates=[crate["id"]])
    assert more["item_count"] == 2, "what it covers already stays once"
    refused(world.call("destruction_request", "manager", crate_id=other["id"]), 423, "records.held")

    refused(world.call("hold_release", "compliance", id=hold["id"], reason="over"), 422, "records.reason_too_short")
    ended = world.done("hold_release", "compliance", id=hold["id"], reason="The court ruled", version=hold["version"])
    assert (ended["status"], ended["status_reason"]) == ("RELEASED", "The court ruled")
    assert [i["is_active"] for i in world.rows("hold_items", "viewer", hold_id=f"eq.{hold['id']}")] == [False, False]
    refused(
        world.call("hold_release", "compliance", id=hold["id"], reason="Once more, please"),
        409,
        "records.hold_released",
    )
    refused(world.call("hold_add", "compliance", id=hold["id"], crates=[other["id"]]), 409, "records.hold_released")
    assert office.asked(crate)["status"] == "PENDING"
    types = [
        e["type"] for e in office.world.client("admin").get("events", params={"entity_id": f"eq.{hold['id']}"}).json()
    ]
    assert set(types) == {"records_legal_hold.created", "records_legal_hold.released"}
    assert violations(world.db, world.org.id) == {}


def test_two_holds_on_one_crate_both_count(office: Office) -> None:
    world = office.world
    crate = office.due(1)
    first, second = office.held(crates=[crate["id"]]), office.held(documents=world.contents(crate))
    world.done("hold_release", "compliance", id=first["id"], reason="The first is settled")
    refused(world.call("destruction_request", "manager", crate_id=crate["id"]), 423, "records.held")
    world.done("hold_release", "compliance", id=second["id"], reason="The second, too, is")
    assert office.asked(crate)["status"] == "PENDING"


def test_what_a_hold_refuses(office: Office) -> None:
    world = office.world
    crate = office.due(1)
    words = {"matter": "M", "reason": "Asked for by the court"}
    office.compliance()

    def refuses(status: int, code: str, role: str = "compliance", **values: Any) -> None:
        refused(world.call("hold_place", role, **{**words, **values}), status, code)

    refuses(422, "records.hold_empty")
    refuses(422, "records.matter_missing", matter=" ", crates=[crate["id"]])
    refuses(422, "records.reason_too_short", reason="short", crates=[crate["id"]])
    refuses(404, "records.crate_not_found", crates=[world.units["U1"]])
    refuses(404, "records.document_not_found", documents=[world.units["U1"]])
    for role in ("manager", "approver", "store", "unit_admin", "viewer", "admin"):
        refuses(403, "core.permission_missing", role, crates=[crate["id"]])
    hold = office.held(crates=[crate["id"]])
    refuses(409, "records.hold_exists", id=hold["id"], crates=[crate["id"]])
    refused(
        world.call("hold_release", "manager", id=hold["id"], reason="I want it to go"), 403, "core.permission_missing"
    )
    refused(world.call("hold_release", "compliance", id=crate["id"], reason="x" * 10), 404, "records.hold_not_found")
    stale = world.call("hold_release", "compliance", id=hold["id"], reason="x" * 10, version=7)
    refused(stale, 412, "core.stale_version")
    stale = world.call("hold_add", "compliance", id=hold["id"], crates=[crate["id"]], version=7)
    refused(stale, 412, "core.stale_version")
    gone = office.due(1)
    office.destroyed(gone)
    refuses(409, "records.hold_too_late", crates=[gone["id"]])


def test_another_person_releases_where_the_organisation_says_so(office: Office) -> None:
    world = office.world
    hold = office.held(crates=[office.due(1)["id"]])
    setting = {"code": "records.hold_release_by_another", "value": True}
    assert office.call("setting_put", "admin", **setting).status_code == 200
    refused(world.call("hold_release", "compliance", id=hold["id"], reason="The court ruled"), 403, "core.same_person")
    first = world.users.pop(("compliance", "U1")), world.clients.pop(("compliance", "U1"))
    office.compliance()
    assert world.user("compliance") != first[0]
    done = world.done("hold_release", "compliance", id=hold["id"], reason="The court ruled")
    assert done["released_by"] == str(world.user("compliance"))


def test_the_matter_is_for_who_may_read_holds(office: Office) -> None:
    """That something is held everybody sees; for which matter he does not."""
    world = office.world
    crate = office.due(1)
    office.held(crates=[crate["id"]])
    assert len(world.rows("hold_items", "viewer", crate_id=f"eq.{crate['id']}")) == 1
    for role, seen in (("compliance", 1), ("viewer", 0), ("manager", 0), ("store", 0)):
        assert len(world.rows("holds", role)) == seen, role


WAYS = {
    "destroy the crate": "update records.crate set status = 'DESTROYED' where id = %(crate)s",
    "delete the crate": "delete from records.crate where id = %(crate)s",
    "let it go earlier": (
        "update records.crate set destruction_on = destruction_on - 1, minimum_on = null where id = %(crate)s"
    ),
    "lower its minimum": "update records.crate set minimum_on = null where id = %(crate)s",
    "destroy a document": "update records.document set status = 'DESTROYED' where id = %(document)s",
    "delete a document": "delete from records.document where id = %(document)s",
    "let a document go earlier": "update records.document set dated_on = dated_on - 400 where id = %(document)s",
    "take a document out of its class": "update records.document set retention_class_id = null where id = %(document)s",
    "take a document out": "update records.crate_document set removed_at = now() where document_id = %(document)s",
    "forget that it was in": "delete from records.crate_document where document_id = %(document)s",
    "move it to another crate": (
        "update records.crate_document set crate_id = %(other)s where document_id = %(document)s"
    ),
}  # fmt: skip


@pytest.mark.parametrize("covers", ["crate", "document"])
def test_no_way_leads_past_a_hold(office: Office, covers: str) -> None:
    """Through the tables themselves, with the rights of the tools: the guard is on the row, not in a function."""
    world = office.world
    class_id = world.one(
        "insert into records.retention_class (org_id, code, name, years, counts_from, disposal)"
        " values (%s, 'TAX', 'Tax', 1, 'CREATED', 'DESTROY') returning id",
        world.org.id,
    )
    document = world.document(dated_on=in_days(-365), retention_class="TAX")
    crate, other = office.due([document]), office.due(1)
    ids = {"crate": crate["id"], "other": other["id"], "document": world.contents(crate)[0], "class": class_id}
    hold = office.held(**{f"{covers}s": [ids[covers]]})
    for way, statement in WAYS.items():
        with pytest.raises(psycopg.Error, match=r"records.held"), world.db.transaction():
            world.db.execute(statement, ids)  # type: ignore[call-overload]
            raise AssertionError(f"{way} was possible")
    shorter = ("records_retention_classes", {"id": f"eq.{class_id}"}, {"years": 0})
    refused(world.client("admin").patch(shorter[0], params=shorter[1], json=shorter[2]), 423, "records.held")
    # Keeping it longer is not forbidden, and when the hold is released each way is open that was before.
    with world.db.transaction(force_rollback=True):
        world.db.execute("update records.crate set destruction_on = destruction_on + 9 where id = %(crate)s", ids)
    world.done("hold_release", "compliance", id=hold["id"], reason="The court ruled")
    assert world.client("admin").patch(shorter[0], params=shorter[1], json=shorter[2]).status_code == 204
    for way in ("take a document out of its class", "take a document out", "destroy a document"):
        with world.db.transaction(force_rollback=True):
            world.db.execute(WAYS[way], ids)  # type: ignore[call-overload]


def test_the_hold_itself_stays(office: Office, stack: Any) -> None:
    """Nobody deletes a hold, thins it out or changes what it is for; the owner and a superuser neither."""
    world = office.world
    hold = office.held(crates=[office.due(1)["id"]])
    with psycopg.connect(stack.dsn("postgres", world.db.info.dbname), autocommit=True) as superuser:
        for statement, code in (
            ("delete from records.legal_hold where id = %s", "records.never_emptied"),
            ("delete from records.legal_hold_item where hold_id = %s", "records.never_emptied"),
            ("update records.legal_hold_item set is_active = false where hold_id = %s", "core.immutable_column"),
            ("update records.legal_hold_item set crate_id = uuidv7() where hold_id = %s", "core.immutable_column"),
            ("update records.legal_hold set matter = 'Other' where id = %s", "core.immutable_column"),
        ):
            with pytest.raises(psycopg.Error, match=code):
                superuser.execute(statement, [hold["id"]])  # type: ignore[call-overload]
        for table in ("legal_hold", "crate", "document", "crate_document"):
            with pytest.raises(psycopg.Error, match=r"records.never_emptied"):
                superuser.execute(f"truncate records.{table} cascade")  # type: ignore[call-overload]
    world.done("hold_release", "compliance", id=hold["id"], reason="The court ruled")
    with pytest.raises(psycopg.Error, match=r"core.transition_refused"):
        world.db.execute(
            "update records.legal_hold set status = 'ACTIVE', released_at = null where id = %s", [hold["id"]]
        )


DAMAGE = {
    "0011": [
        "delete from records.destruction_certificate where crate_id = %(gone)s",
        "update records.crate set status = 'ACTIVE' where id = %(gone)s",
        "update records.document set status = 'DESTROYED' where id = %(document)s",
        "update records.document set status = 'ACTIVE' where status = 'DESTROYED' and org_id = %(org)s",
    ],
    "0012": [
        "update records.legal_hold_item set is_active = false where crate_id = %(crate)s",
        "update records.crate set status = 'DESTROYED' where id = %(crate)s",
    ],
}


def test_the_invariants_find_damage(office: Office, stack: Any) -> None:
    """Done by the superuser without triggers, and rolled back."""
    world = office.world
    gone, crate = office.due(1), office.due(1)
    office.destroyed(gone)
    office.held(crates=[crate["id"]])
    ids = {"gone": gone["id"], "crate": crate["id"], "document": world.contents(crate)[0], "org": world.org.id}
    assert violations(world.db, world.org.id) == {}
    with psycopg.connect(stack.dsn("postgres", world.db.info.dbname)) as connection:
        for number, statements in DAMAGE.items():
            for statement in statements:
                connection.execute("set session_replication_role = replica")
                connection.execute(statement, ids)  # type: ignore[call-overload]
                found = violations(connection, world.org.id)
                assert any(name.startswith(number) for name in found), statement
                connection.rollback()
