"""What each organisation of the proof has of events: a reader, notifications, webhooks and their log, a seal.

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
