"""What each organisation of the proof has of events: a reader, notifications, webhooks and their log, a seal, devices.

The events themselves were written with the rows of core. Nobody works in the background while the proof asks, so what
the worker would make is written here as the worker would.
"""

from __future__ import annotations

from erpgres.prove.world import Side


def fill(side: Side) -> None:
    """Make the rows."""
    side.call("event_consumer_register", name="prove")
    for name in ("admin", "member", "partner", "colleague", "other_partner", "other_colleague", "both"):
        side.call(
            "notification_preference_put",
            event_type="address.updated",
            is_on=name != "member",
            user_id=side.users[name],
        )
        side.background(
            "insert into events.notification (org_id, user_id, event_id, event_type, entity) "
            "values (%s, %s, uuidv7(), 'address.updated', 'address')",
            side.org_id,
            side.users[name],
        )
    side.ids["webhook"] = side.call("webhook_create", name="Hook", url="https://192.0.2.1/hook")["id"]
    for state in ("DEAD", "SKIPPED"):
        delivery = side.background(
            "insert into events.webhook_delivery "
            "(org_id, webhook_id, event_id, event_xid, event_type, state, finished_at) "
            "values (%s, %s, uuidv7(), '1', 'address.updated', %s, now()) returning id",
            side.org_id,
            side.ids["webhook"],
            state,
        )
        side.background(
            "insert into events.webhook_attempt (org_id, delivery_id, attempted_at, milliseconds, answer) "
            "values (%s, %s, now(), 1, 'no')",
            side.org_id,
            delivery,
        )
    side.background(
        "insert into events.seal (org_id, number, from_xid, until_xid, event_count, ids, leaves, previous_hash, hash) "
        "values (%s, 1, '0', '1', 0, '{}', '', '', '')",
        side.org_id,
    )
    for name in ("admin", "member", "partner", "colleague", "other_partner", "other_colleague", "both"):
        device = side.background(
            "insert into events.sync_device (org_id, user_id, device) values (%s, %s, uuidv7()) returning id",
            side.org_id,
            side.users[name],
        )
        side.background(
            "insert into events.sync_held (org_id, device_id, table_name, row_id, first_point, last_point) "
            "values (%s, %s, 'items', uuidv7(), 1, 1)",
            side.org_id,
            device,
        )
        side.background(
            "insert into events.sync_command (org_id, id, device_id, user_id, function, arguments, outcome, code) "
            "values (%s, uuidv7(), %s, %s, 'wms_document_post', '{}', 'REFUSED', 'events.sync_argument_missing')",
            side.org_id,
            device,
            side.users[name],
        )
        side.background(
            "insert into events.sync_refusal (org_id, device_id, table_name, row_id, code) "
            "values (%s, %s, 'wms_documents', uuidv7(), 'wms.lines_missing')",
            side.org_id,
            device,
        )
