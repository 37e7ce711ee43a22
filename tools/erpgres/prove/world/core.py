"""What each organisation of the proof has of core: rows in every view, seen by somebody and hidden from somebody."""

from __future__ import annotations

from psycopg.types.json import Jsonb

from erpgres.prove.world import Side
from erpgres.prove.world.approvals import fill_approvals


def fill(side: Side) -> None:
    """Make the rows. Users and the two partners are there already."""
    for number, partner in enumerate(side.partners):
        side.insert("partner_roles", partner_id=partner, role="CUSTOMER")
        side.insert("partner_roles", partner_id=partner, role="SUPPLIER")
        side.insert("contacts", partner_id=partner, name=f"Contact {number}", phone="1")
        side.insert("addresses", partner_id=partner, kind="REGISTERED", line1="1", city="City", country_code="BD")
    side.ids["item"] = side.insert(
        "items", sku="LOTTED", name="Lotted", unit_code="C62", tracking="LOT", **{"class": "GOODS"}
    )["id"]
    side.insert("item_barcodes", item_id=side.ids["item"], unit_code="C62", barcode="12345")
    side.insert("unit_conversions", from_unit="XBX", to_unit="C62", factor_numerator=7)
    side.insert("exchange_rates", from_currency="EUR", to_currency="USD", rate=1.1, valid="[2026-01-01,2027-01-01)")
    setting = side.value("select min(code) from api.settings where not is_global")
    default = side.value("select default_value from api.settings where code = %s", setting)
    side.call("setting_put", code=setting, value=Jsonb(default))
    side.call("partner_hold", id=side.partners[1], reason="a test")
    for user in (
        side.users["admin"],
        side.users["member"],
        side.users["partner"],
        side.users["colleague"],
        side.users["other_partner"],
        side.users["other_colleague"],
        side.users["both"],
    ):
        side.background(
            "insert into core.security_event (org_id, kind, user_id) values (%s, 'TEST', %s)", side.org_id, user
        )
    side.background("insert into core.security_event (kind, user_id) values ('TEST', %s)", side.users["both"])
    side.background("select core.set_password(%s, 'Seven Rivers meet at 6!')", side.users["admin"])
    side.background("select core.set_password(%s, 'Nine Hills stand at 5!')", side.users["admin"])
    side.background("insert into core.analyst_login (login, org_id) values (%s, %s)", side.analyst, side.org_id)
    side.background(  # one that is over, for who removes them
        "insert into core.session (org_id, user_id, role, created_at, expires_at) "
        "values (%s, %s, 'member', now() - interval '9 days', now() - interval '8 days')",
        side.org_id,
        side.users["member"],
    )
    for name, partner in zip(("colleague", "other_colleague"), side.partners, strict=True):
        side.background(
            "insert into core.session (org_id, user_id, role, partner_id, expires_at) "
            "values (%s, %s, 'partner', %s, now() + interval '1 day')",
            side.org_id,
            side.users[name],
            partner,
        )
    for user in ("admin", "member", "both", "partner"):
        side.background(
            "insert into core.idempotency (org_id, user_id, key, digest, http_status) "
            "values (%s, %s, 'again', sha256('again'), 204)",
            side.org_id,
            side.users[user],
        )
    _imports(side)
    fill_approvals(side)


def _imports(side: Side) -> None:
    """A file of the administrator with a refused row, one of another user, and rows that are over a day old."""
    side.call("import_stage", entity="items", csv="sku,name,class,unit\nX,,GOODS,C62\n")
    for user, at in (("member", "now()"), ("admin", "now() - interval '2 days'")):
        made = side.background(
            "insert into core.import (org_id, id, entity, source_sha256, headers, columns, created_by) "
            f"values (%s, uuidv7({at} - now()), 'items', repeat('0', 64), '[]', '{{}}', %s) returning id",
            side.org_id,
            side.users[user],
        )
        side.background(
            "insert into core.import_row (org_id, import_id, line, data, problems) values (%s, %s, 2, '{}', '[]')",
            side.org_id,
            made,
        )
