"""The lists of counts, adjustments and handling units, and what the functions look for, use their indexes."""

from __future__ import annotations

import json
import re
from typing import Any

import psycopg
import pytest

from wms.support import own
from wms.test_plans import plan

ROWS = 6_000
FILL = (
    "insert into core.item (org_id, sku, name, class, unit_code) select %(org)s, 'S' || n, 'S', 'GOODS', 'C62'"
    " from generate_series(1, 300) as n",
    "create temporary table made on commit drop as select n, i.id as item_id, uuidv7() as id"
    " from generate_series(1, %(rows)s) as n join core.item as i on i.org_id = %(org)s and i.sku = 'S' || 1 + n %% 300",
    "insert into wms.balance (org_id, item_id, location_id, warehouse_id, quantity)"
    " select %(org)s, i.id, %(place)s, %(warehouse)s, 5 from core.item as i where i.org_id = %(org)s",
    "insert into wms.count_session (org_id, id, status, number, warehouse_id, started_at, posted_at)"
    " select %(org)s, m.id, case when m.n %% 100 = 0 then 'COUNTING' else 'POSTED' end, 'T' || m.n, %(warehouse)s,"
    " now(), case when m.n %% 100 > 0 then now() end from made as m",
    "insert into wms.count_line (org_id, id, count_id, position_id, item_id, is_open)"
    " select %(org)s, m.id, m.id, %(place)s, m.item_id, false from made as m",
    "insert into wms.count_expectation (org_id, line_id, count_id, expected, start_mark)"
    " select %(org)s, m.id, m.id, 1, m.id from made as m",
    "insert into wms.adjustment (org_id, id, status, warehouse_id, position_id, item_id, quantity_before, new_quantity,"
    " currency, reason, decided_at) select %(org)s, m.id, case when m.n <= 20 then 'PENDING' else 'REJECTED' end,"
    " %(warehouse)s, %(place)s, m.item_id, 1, 2, 'USD', 'x', case when m.n > 20 then now() end from made as m",
    "insert into wms.handling_unit (org_id, id, sscc, kind, status, location_id, warehouse_id) select %(org)s, m.id,"
    " lpad(m.n::text, 17, '0') || wms.gs1_check_digit(lpad(m.n::text, 17, '0')), 'PALLET',"
    " case when m.n %% 50 = 0 then 'OPEN' else 'DISSOLVED' end, case when m.n %% 60 = 0 then %(place)s"
    " else %(other)s end, %(warehouse)s from made as m",
    "insert into wms.handling_unit_content (org_id, id, handling_unit_id, item_id, quantity)"
    " select %(org)s, m.id, m.id, m.item_id, 1 from made as m",
    "insert into wms.lot (org_id, id, item_id, lot_no, expires_on, status) select %(org)s, m.id, m.item_id, 'L' || m.n,"
    " current_date + m.n - 20, case when m.n %% 2 = 0 then 'APPROVED' else 'DAMAGED' end from made as m",
)


@pytest.fixture
def filled(clone: str) -> Any:
    """A database of one organisation with many counts, adjustments and units, and a session of its member."""
    with psycopg.connect(clone, autocommit=True) as db:
        own(db)
        db.execute("set session authorization migrator")

        def one(query: str, *values: Any) -> Any:
            row = db.execute(query, values).fetchone()  # type: ignore[call-overload]
            return row and row[0]

        org = one("select core.create_organization('PLAN', 'Plan', 'BD', 'USD')")
        claims = json.dumps({"org_id": str(org), "role": "member"})
        one("select set_config('request.jwt.claims', %s, false)", claims)
        warehouse = one("select id from api.wms_warehouse_create('A', 'A')")
        places = [row[0] for row in db.execute("select id from api.wms_positions order by kind")]
        db.execute("reset session authorization")
        with db.transaction():
            db.execute("set local session_replication_role = replica")
            values = {"org": org, "warehouse": warehouse, "place": places[0], "other": places[1], "rows": ROWS}
            for statement in FILL:
                db.execute(statement, values)  # type: ignore[call-overload]
        db.execute("analyze")
        db.execute("set session authorization migrator")
        one("select set_config('request.jwt.claims', %s, false)", claims)
        db.execute("set role member")
        yield db, warehouse, places[0]


def test_hot_queries(filled: Any, subtests: pytest.Subtests) -> None:
    """One database for all of them: filling it is what takes time."""
    the_lists_use_their_indexes(filled, subtests)
    what_the_functions_look_for(filled, subtests)


def the_lists_use_their_indexes(filled: Any, subtests: pytest.Subtests) -> None:
    db, warehouse, place = filled
    item, count = db.execute("select item_id, count_id from api.wms_count_lines order by id desc limit 1").fetchone()
    one_of = f"item_id = '{item}'"
    lists = {
        "wms_counts": [
            ("true", "id desc", "count_session_pkey"),
            ("status = 'COUNTING'", "id desc", "count_session_status_idx"),
            (f"warehouse_id = '{warehouse}'", "id desc", "count_session_(warehouse_idx|pkey)"),
        ],
        "wms_count_lines": [
            (f"count_id = '{count}'", "id", "count_line_list_idx|one_line_per_balance"),
            (one_of, "id desc", "count_line_item_idx"),
        ],
        "wms_adjustments": [
            ("true", "id desc", "adjustment_pkey"),
            ("status = 'PENDING'", "id desc", "adjustment_status_idx"),
            (one_of, "id desc", "adjustment_item_idx"),
        ],
        "wms_handling_units": [
            ("true", "id desc", "handling_unit_pkey"),
            ("sscc = '000000000000000017'", "id", "handling_unit_sscc_unique"),
            ("status = 'OPEN'", "id desc", "handling_unit_(status_idx|pkey)"),
            (f"location_id = '{place}'", "id desc", "handling_unit_location_idx"),
        ],
        "wms_handling_unit_contents": [
            (f"handling_unit_id = '{count}'", "id", "one_content_per_item_and_lot"),
            (one_of, "id desc", "handling_unit_content_item_idx"),
        ],
    }
    for view, asked in lists.items():
        for condition, order, index in asked:
            with subtests.test(view, condition=condition):
                text = plan(db, f"select * from api.{view} where {condition} order by {order} limit 20")
                assert re.search(rf"(using|on) ({index})", text), text
                assert not re.search(r"Seq Scan on (count_|adjustment|handling_)", text), text


def what_the_functions_look_for(filled: Any, subtests: pytest.Subtests) -> None:
    db, _, place = filled
    db.execute("reset role")
    item = db.execute("select item_id from wms.count_line limit 1").fetchone()[0]
    org = db.execute("select core.org_id()").fetchone()[0]
    key = f"org_id = '{org}' and item_id = '{item}' and position_id = '{place}' and lot_id is null"
    for query, index in (
        (f"select from wms.count_line where {key} and is_open", "one_open_count_per_balance"),
        (f"select from wms.adjustment where {key} and status = 'PENDING'", "one_pending_adjustment_per_balance"),
        (
            f"select from wms.lot where org_id = '{org}' and expires_on < current_date"
            " and status in ('APPROVED', 'ON_HOLD', 'QUARANTINED')", "lot_expires_on_idx",
        ),
    ):  # fmt: skip
        with subtests.test(index):
            text = plan(db, query)
            assert re.search(rf"(using|on) {index}", text), text
