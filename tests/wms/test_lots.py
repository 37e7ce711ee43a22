"""Lots: registered through their view, their status changed by the one function."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from wms.support import World, refused


def test_a_lot_is_registered_and_changed(world: World) -> None:
    item = world.item(tracking="LOT")
    lot = world.lot(item, "B-7")
    row = world.rows("wms_lots", id=f"eq.{lot}")[0]
    assert (row["lot_no"], row["status"], row["version"]) == ("B-7", "APPROVED", 1)
    change = {"expires_on": "2030-01-31", "version": 1}
    assert world.client.patch("wms_lots", params={"id": f"eq.{lot}"}, json=change).status_code == 204
    refused(world.client.patch("wms_lots", params={"id": f"eq.{lot}"}, json=change), 412, "core.stale_version")
    assert world.rows("wms_lots", id=f"eq.{lot}")[0]["expires_on"] == "2030-01-31"


def test_a_lot_is_refused(world: World, api: Any) -> None:
    item = world.item(tracking="LOT")
    world.lot(item, "B-7")
    again = world.client.post("wms_lots", json={"item_id": item, "lot_no": "B-7"})
    assert again.status_code == 409
    refused(world.client.post("wms_lots", json={"item_id": world.item(), "lot_no": "X"}), 422, "wms.lot_not_wanted")
    nobody = api(world.org.token(["wms.document.create"]))
    refused(nobody.post("wms_lots", json={"item_id": item, "lot_no": "N"}), 403, "core.permission_missing")
    status = world.client.post("wms_lots", json={"item_id": item, "lot_no": "S", "status": "ON_HOLD"})
    assert (status.status_code, status.json()["code"]) == (403, "42501"), "the status is not for clients to write"


def test_the_status_of_a_lot(world: World) -> None:
    lot = world.lot(world.item(tracking="LOT"))
    held = world.done("wms_lot_set_status", id=lot, status="ON_HOLD", reason="smells", version=1)
    assert (held["status"], held["status_reason"], held["version"]) == ("ON_HOLD", "smells", 2)
    released = world.done("wms_lot_set_status", id=lot, status="APPROVED", reason="aired")
    assert released["status"] == "APPROVED"
    world.done("wms_lot_set_status", id=lot, status="RECALLED", reason="supplier says so")
    refused(world.call("wms_lot_set_status", id=lot, status="APPROVED", reason="x"), 409, "core.transition_refused")


def test_a_change_of_status_is_refused(world: World, api: Any) -> None:
    lot = world.lot(world.item(tracking="LOT"))
    refused(world.call("wms_lot_set_status", id=lot, status="ON_HOLD"), 422, "core.reason_missing")
    refused(world.call("wms_lot_set_status", id=lot, status="ON_HOLD", reason=" "), 422, "core.reason_missing")
    refused(world.call("wms_lot_set_status", id=lot, status="EATEN", reason="x"), 409, "core.transition_refused")
    refused(world.call("wms_lot_set_status", id=lot, status="APPROVED"), 409, "wms.lot_status_unchanged")
    refused(
        world.call("wms_lot_set_status", id=lot, status="ON_HOLD", reason="x", version=9), 412, "core.stale_version"
    )
    refused(world.call("wms_lot_set_status", id=str(uuid.uuid4()), status="ON_HOLD"), 404, "wms.lot_not_found")
    nobody = api(world.org.token(["wms.lot.create"]))
    refused(
        world.call("wms_lot_set_status", nobody, id=lot, status="ON_HOLD", reason="x"), 403, "core.permission_missing"
    )


@pytest.mark.parametrize("tracking", ["LOT", "SERIAL"])
def test_only_an_approved_lot_moves(world: World, tracking: str) -> None:
    item, two = world.item(tracking=tracking), world.warehouses[1]
    lot = world.lot(item, "B-9")
    document = world.draft("IMPORT", {"item_id": item, "quantity": 1, "lot_id": lot}, to_location_id=two.id)
    world.done("wms_lot_set_status", id=lot, status="QUARANTINED", reason="test pending")
    details = refused(world.call("wms_document_post", id=document["id"]), 423, "wms.lot_not_approved")
    assert (details["lot"], details["lot_status"], details["line"]) == ("B-9", "QUARANTINED", 1)
    world.done("wms_lot_set_status", id=lot, status="APPROVED", reason="passed")
    assert world.done("wms_document_post", id=document["id"])["status"] == "POSTED"
    assert world.rows("wms_stock")[0]["lot_no"] == "B-9"
