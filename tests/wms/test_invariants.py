"""The invariants of the warehouse hold after ordinary work, and each finds what was damaged behind their back."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from erpgres.verify import read
from wms.support import own, violations

# What breaks each one, done as superuser with triggers and foreign keys off, in a database of its own.
DAMAGE = {
    "0001_ledger_sums_to_zero": "update wms.stock_ledger set delta = delta + 1 where delta > 0",
    "0002_balance_is_the_sum_of_the_ledger": "update wms.balance set quantity = quantity + 0.000001",
    "0003_posted_lines_are_in_the_ledger": "delete from wms.stock_ledger",
    "0004_unposted_documents_are_not_in_the_ledger":
    "update wms.document set status = 'DRAFT', number = null, posted_at = null where status = 'POSTED'",
    "0005_reserved_is_within_the_balance": "update wms.balance set reserved = quantity + 1",
    "0006_documents_sum_up_their_lines": "update wms.document set total = total + 0.01",
    "0007_balances_lie_in_their_warehouse":
    "update wms.balance b set warehouse_id = (select id from core.location w"
    " where w.org_id = b.org_id and kind = 'WAREHOUSE' and w.id <> b.warehouse_id)",
    "0008_numbers_are_registered": "update core.number_register set number = number || 'x'",
    "0009_reserved_is_what_is_held": "update wms.balance set reserved = 1",
    "0010_reservations_are_of_open_documents":
    "insert into wms.reservation (org_id, document_id, line_id, item_id, location_id, warehouse_id, quantity)"
    " select l.org_id, l.document_id, l.id, l.item_id, l.to_position_id, uuidv7(), 1"
    " from wms.document_line as l",
    "0011_serials_lie_at_one_place":
    "with t as (insert into wms.lot (org_id, item_id, lot_no) select org_id, id, 'S' from core.item returning *)"
    " , i as (update core.item set tracking = 'SERIAL')"
    " insert into wms.balance (org_id, item_id, lot_id, location_id, warehouse_id, quantity)"
    " select t.org_id, t.item_id, t.id, b.location_id, b.warehouse_id, 2 from t, wms.balance as b",
    "0012_reversals_are_mirrors": "update wms.document set status = 'REVERSED' where status = 'POSTED'",
    "0014_value_is_the_sum_of_the_ledger": "update wms.stock_value set value = value + 0.0001",
    "0015_layers_make_up_the_value": "update wms.stock_value set method = 'FIFO'",
    "0021_counts_follow_the_ledger":
    "with l as (insert into wms.count_line (org_id, count_id, position_id, item_id)"
    " select org_id, uuidv7(), location_id, item_id from wms.balance returning *)"
    " insert into wms.count_expectation"
    " (org_id, line_id, count_id, expected, start_mark, expected_at_count, count_mark)"
    " select org_id, id, count_id, 0, '00000000-0000-7000-8000-000000000000', 9, uuidv7() from l",
    "0022_packed_is_what_handling_units_hold": "update wms.balance set packed = 1",
    "0023_handling_units_stand_with_their_parent":
    "with p as (insert into wms.handling_unit (org_id, sscc, kind, location_id, warehouse_id)"
    " select org_id, '106141411234567897', 'PALLET', location_id, warehouse_id from wms.balance limit 1 returning *)"
    " insert into wms.handling_unit (org_id, sscc, kind, parent_id, depth, location_id, warehouse_id)"
    " select org_id, '340123450000000000', 'CARTON', id, 3, location_id, warehouse_id from p",
    "0024_adjustments_are_posted_as_they_say":
    "insert into wms.adjustment (org_id, status, warehouse_id, position_id, item_id, quantity_before, new_quantity,"
    " currency, reason, document_id, decided_at)"
    " select org_id, 'POSTED', warehouse_id, location_id, item_id, 1, 2, 'USD', 'x', uuidv7(), now() from wms.balance",
    "0025_what_is_counted_is_open_as_long_as_its_count":
    "with c as (insert into wms.count_session (org_id, warehouse_id, status)"
    " select org_id, warehouse_id, 'CANCELLED' from wms.balance returning *)"
    " insert into wms.count_line (org_id, count_id, position_id, item_id)"
    " select c.org_id, c.id, b.location_id, b.item_id from c, wms.balance as b",
    "0013_nothing_is_half_posted":
    "update wms.document set status = 'POSTING', number = null, posted_at = null where status = 'POSTED'",
}  # fmt: skip
MORE_DAMAGE = [
    ("0001_ledger_sums_to_zero", "delete from wms.stock_ledger where delta < 0"),
    ("0002_balance_is_the_sum_of_the_ledger", "delete from wms.balance"),
    ("0002_balance_is_the_sum_of_the_ledger",
     "insert into wms.balance (org_id, item_id, location_id, warehouse_id, quantity)"
     " select org_id, item_id, warehouse_id, warehouse_id, 1 from wms.balance"),
    ("0003_posted_lines_are_in_the_ledger", "update wms.stock_ledger set delta = 2 * delta"),
    ("0003_posted_lines_are_in_the_ledger", "update wms.stock_ledger set item_id = uuidv7()"),
    ("0003_posted_lines_are_in_the_ledger", "update wms.stock_ledger set lot_id = uuidv7()"),
    ("0003_posted_lines_are_in_the_ledger",
     "insert into wms.stock_ledger (org_id, item_id, location_id, delta, document_id, line_id, occurred_at)"
     " select org_id, item_id, location_id, s * delta, document_id, line_id, occurred_at"
     " from wms.stock_ledger, (values (1), (-1)) as x (s)"),
    ("0009_reserved_is_what_is_held",
     "insert into wms.reservation (org_id, document_id, line_id, item_id, location_id, warehouse_id, quantity)"
     " select l.org_id, l.document_id, l.id, l.item_id, l.to_position_id, uuidv7(), 1"
     " from wms.document_line as l"),
    ("0014_value_is_the_sum_of_the_ledger", "update wms.stock_value set quantity = quantity + 1"),
    ("0015_layers_make_up_the_value",
     "insert into wms.value_layer (org_id, item_id, warehouse_id, quantity, value)"
     " select org_id, item_id, warehouse_id, quantity, value from wms.stock_value"),
    ("0012_reversals_are_mirrors", "update wms.document set reverses = uuidv7(),"
     " from_location_id = to_location_id, to_location_id = null where status = 'POSTED'"),
    ("0012_reversals_are_mirrors",
     "insert into wms.reversal (org_id, document_id, reversal_id) select org_id, id, uuidv7() from wms.document"),
    ("0006_documents_sum_up_their_lines", "delete from wms.document_line"),
    ("0008_numbers_are_registered", "delete from core.number_register"),
]  # fmt: skip


@pytest.fixture
def filled(clone: str) -> Any:
    """A superuser's connection to a clone that holds one posted import of two lines and a draft."""
    with psycopg.connect(clone, autocommit=True) as db:
        own(db)
        db.execute("set session authorization migrator")

        def one(query: str, *values: Any) -> Any:
            row = db.execute(query, values).fetchone()  # type: ignore[call-overload]
            return row and row[0]

        org = one("select core.create_organization('CLONE', 'Clone', 'BD', 'USD')")
        item = one(
            "insert into core.item (org_id, sku, name, class, unit_code)"
            " values (%s, 'A', 'A', 'GOODS', 'C62') returning id",
            org,
        )
        db.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps({"org_id": str(org)})])
        warehouse = one("select id from api.wms_warehouse_create('W', 'W')")
        one("select id from api.wms_warehouse_create('V', 'V')")
        for post in (True, False):
            line = {"item_id": str(item), "quantity": 5, "unit_price": 2}
            document = one(
                "select id from api.wms_document_create('IMPORT', to_location_id => %s, lines => %s)", warehouse,
                json.dumps([line, line]),
            )  # fmt: skip
            if post:
                one("select id from api.wms_document_post(%s)", document)
        db.execute("reset session authorization")
        db.execute("select set_config('request.jwt.claims', '', false)")
        yield db


def test_every_invariant_has_its_damage() -> None:
    assert set(DAMAGE) == {invariant.name for invariant in read(["wms"])}


def test_invariants_hold_and_find_damage(filled: psycopg.Connection[Any]) -> None:
    """Checks only count where foreign keys and checks would have refused: they are switched off for the damage."""
    assert violations(filled) == {}
    for name, statement in [*DAMAGE.items(), *MORE_DAMAGE]:
        with filled.transaction(force_rollback=True):
            filled.execute("set local session_replication_role = replica")
            filled.execute("alter table wms.balance drop constraint reserved_within_quantity")
            filled.execute("alter table wms.document drop constraint posted_documents_say_when")
            filled.execute(statement)  # type: ignore[call-overload]
            assert violations(filled).get(name), f"{name} does not see: {statement}"
    assert violations(filled) == {}
