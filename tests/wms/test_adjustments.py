"""Corrections of stock: small ones at once, large ones by a second person."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from wms.flows import Person, lies, person, setting, stocked
from wms.support import Warehouse, World, refused, violations


@pytest.fixture
def keeper(world: World, api: Any) -> Person:
    return person(world, api, "wms.stock.adjust")


@pytest.fixture
def boss(world: World, api: Any) -> Person:
    return person(world, api, "wms.adjustment.approve")


def approval_of(world: World, adjustment: dict[str, Any]) -> str:
    found = world.rows("approvals", entity="eq.wms_adjustment", entity_id=f"eq.{adjustment['id']}")
    assert len(found) == 1, found
    return str(found[0]["id"])


@pytest.mark.parametrize(("new", "difference"), [(7, -3), (12.5, 2.5), (0, -10)])
def test_a_small_one_is_posted_at_once(
    world: World, one: Warehouse, keeper: Person, new: float, difference: float
) -> None:
    item = stocked(world, one.storage, 10)
    done = world.done(
        "wms_stock_adjust", keeper.client, position_id=one.storage, item_id=item, new_quantity=new, reason="miscounted"
    )
    assert [done[k] for k in ("status", "quantity_before", "difference")] == ["POSTED", 10, difference]
    assert done["decided_by"] == str(keeper.id)
    document = world.rows("wms_documents", id=f"eq.{done['document_id']}")[0]
    assert (document["document_type"], document["status_reason"]) == ("ADJUSTMENT", "miscounted")
    assert lies(world, item).get("STORAGE", 0) == new
    assert violations(world.db, world.org.id) == {}


def test_a_large_one_waits_for_a_second_person(world: World, one: Warehouse, keeper: Person, boss: Person) -> None:
    item = stocked(world, one.storage, 500)
    asked = world.done(
        "wms_stock_adjust", keeper.client, position_id=one.storage, item_id=item, new_quantity=350, reason="flooded"
    )
    assert (asked["status"], asked["document_id"]) == ("PENDING", None)
    assert lies(world, item) == {"STORAGE": 500}
    # Goods move meanwhile: the difference that was found is what is posted.
    world.posted("EXPORT", {"item_id": item, "quantity": 20, "from_position_id": one.storage}, from_location_id=one.id)

    approval = approval_of(world, asked)
    decide = {"id": approval, "decision": "APPROVE"}
    refused(world.call("approval_decide", keeper.client, **decide), 403, "core.permission_missing")
    assert world.done("approval_decide", boss.client, **decide)["status"] == "APPROVED"
    done = world.rows("wms_adjustments", id=f"eq.{asked['id']}")[0]
    assert (done["status"], done["decided_by"]) == ("POSTED", str(boss.id))
    assert lies(world, item) == {"STORAGE": 330}
    refused(world.call("approval_decide", boss.client, **decide), 409, "core.approval_not_pending")
    assert violations(world.db, world.org.id) == {}


def test_nobody_approves_his_own(world: World, one: Warehouse, api: Any) -> None:
    both = person(world, api, "wms.stock.adjust", "wms.adjustment.approve")
    item = stocked(world, one.storage, 500)
    asked = world.done(
        "wms_stock_adjust", both.client, position_id=one.storage, item_id=item, new_quantity=1, reason="gone"
    )
    decide = {"id": approval_of(world, asked), "decision": "APPROVE"}
    refused(world.call("approval_decide", both.client, **decide), 403, "core.same_person")
    assert world.rows("wms_adjustments", id=f"eq.{asked['id']}")[0]["status"] == "PENDING"
    assert lies(world, item) == {"STORAGE": 500}


@pytest.mark.parametrize("decision", ["REJECT", "SEND_BACK"])
def test_one_is_rejected(world: World, one: Warehouse, keeper: Person, boss: Person, decision: str) -> None:
    item = stocked(world, one.storage, 500)
    adjust = {"position_id": one.storage, "item_id": item, "new_quantity": 1, "reason": "gone"}
    asked = world.done("wms_stock_adjust", keeper.client, **adjust)
    refused(world.call("wms_stock_adjust", keeper.client, **adjust), 409, "wms.adjustment_pending")
    approval = approval_of(world, asked)
    refused(world.call("approval_decide", boss.client, id=approval, decision=decision), 422, "core.reason_missing")
    world.done("approval_decide", boss.client, id=approval, decision=decision, reason="look again")
    done = world.rows("wms_adjustments", id=f"eq.{asked['id']}")[0]
    assert (done["status"], done["status_reason"], done["document_id"]) == ("REJECTED", "look again", None)
    assert lies(world, item) == {"STORAGE": 500}


def test_the_limits_are_those_of_the_organisation(world: World, one: Warehouse, keeper: Person) -> None:
    item = stocked(world, one.storage, 10, price=60, currency="USD")

    def status(new: float) -> str:
        done = world.done(
            "wms_stock_adjust", keeper.client, position_id=one.storage, item_id=item, new_quantity=new, reason="x"
        )
        if done["status"] == "PENDING":
            world.done("wms_adjustment_withdraw", keeper.client, id=done["id"], reason="only a try")
        return str(done["status"])

    # 8 pieces are worth 480, 9 pieces 540: above 500.
    assert status(1) == "PENDING"
    assert status(2) == "POSTED"
    setting(world, "wms.adjustment_limit_value", 1000)
    assert status(10) == "POSTED"
    setting(world, "wms.adjustment_limit_quantity", 3)
    assert status(6) == "PENDING"
    assert status(7) == "POSTED"


def test_one_is_taken_back(world: World, one: Warehouse, keeper: Person, boss: Person) -> None:
    item = stocked(world, one.storage, 500)
    asked = world.done(
        "wms_stock_adjust", keeper.client, position_id=one.storage, item_id=item, new_quantity=1, reason="gone"
    )
    back = {"id": asked["id"], "reason": "found it"}
    refused(world.call("wms_adjustment_withdraw", boss.client, **back), 403, "core.permission_missing")
    refused(world.call("wms_adjustment_withdraw", **back), 403, "wms.adjustment_of_another")
    refused(world.call("wms_adjustment_withdraw", keeper.client, **back, version=7), 412, "core.stale_version")
    none = {"id": str(uuid.uuid4()), "reason": "x"}
    refused(world.call("wms_adjustment_withdraw", keeper.client, **none), 404, "wms.adjustment_not_found")
    approval = approval_of(world, asked)
    assert world.done("wms_adjustment_withdraw", keeper.client, **back)["status"] == "WITHDRAWN"
    refused(world.call("wms_adjustment_withdraw", keeper.client, **back), 409, "wms.adjustment_decided")
    refused(
        world.call("approval_decide", boss.client, id=approval, decision="APPROVE"), 409, "core.approval_not_pending"
    )


def test_a_correction_is_refused(world: World, one: Warehouse, keeper: Person, boss: Person) -> None:
    item = stocked(world, one.storage, 10)
    adjust = {"position_id": one.storage, "item_id": item, "new_quantity": 9, "reason": "x"}

    def refuse(status: int, code: str, **changes: Any) -> None:
        refused(world.call("wms_stock_adjust", keeper.client, **{**adjust, **changes}), status, code)

    refuse(422, "wms.adjustment_changes_nothing", new_quantity=10)
    refuse(422, "wms.counted_negative", new_quantity=-1)
    refuse(422, "core.reason_missing", reason="")
    refuse(422, "wms.position_unknown", position_id=one.id)
    refuse(422, "wms.lot_missing", item_id=world.item(tracking="LOT"))
    refused(world.call("wms_stock_adjust", boss.client, **adjust), 403, "core.permission_missing")
    same = str(uuid.uuid4())
    world.done("wms_stock_adjust", keeper.client, **adjust, id=same)
    refuse(409, "wms.adjustment_exists", id=same, new_quantity=8)
