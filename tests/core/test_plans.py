"""Lists of the API use their indexes, under the policies, on enough rows to matter."""

from __future__ import annotations

from typing import Any

import pytest

ROWS = 15_000


@pytest.fixture
def items(request: pytest.FixtureRequest, org: Any, db: Any) -> None:
    db.execute(
        "insert into core.item (org_id, sku, name, class, unit_code, is_active) "
        "select %s, 'SKU-' || n, 'Item ' || n %% 977, case when n %% 50 = 0 then 'YARN' else 'GOODS' end, 'H87', "
        "n %% 100 <> 0 from generate_series(1, %s) as n",
        [org.id, getattr(request, "param", ROWS)],
    )
    db.execute("set role owner")
    db.execute("analyze core.item")
    db.execute("reset role")


def plan(session: Any, query: str, *values: Any) -> str:
    return "\n".join(
        row[0] for row in session.execute(f"explain (analyze, buffers off, timing off, costs off) {query}", values)
    )


def test_lists_of_items_use_their_index(org: Any, items: None, acting: Any) -> None:
    with acting(org, org.user()) as session:
        rows = session.execute("select id from api.items order by id desc limit 20 offset 6000").fetchall()
        cursor = rows[-1][0]
        first = plan(session, "select * from api.items order by id desc limit 20")
        deep = plan(session, "select * from api.items where id < %s order by id desc limit 20", cursor)
        by_sku = plan(session, "select * from api.items where sku = 'SKU-77'")
        by_name = plan(session, "select * from api.items order by name, id limit 20")
        by_class = plan(session, "select * from api.items where class = 'YARN' order by id desc limit 20")
        inactive = plan(session, "select * from api.items where is_active = false order by id desc limit 20")
    assert "Index Scan Backward using item_pkey" in first
    assert "Index Scan Backward using item_pkey" in deep
    assert "item_sku_unique" in by_sku
    assert "item_name_idx" in by_name
    assert "item_class_idx" in by_class
    assert "item_active_idx" in inactive
    for text in (first, deep, by_sku, by_name, by_class, inactive):
        assert "Seq Scan" not in text
        assert "Sort" not in text
        assert "Rows Removed by Filter" not in text
    # The claim is read once a statement, not once a row.
    assert "InitPlan" in first


@pytest.mark.parametrize("items", [2000], indirect=True)
def test_a_permission_is_asked_once_a_statement(org: Any, items: None, acting: Any) -> None:
    user_id = org.user(["core.item.update"])
    with acting(org, user_id) as session:
        text = plan(session, "update api.items set name = 'renamed' where class = 'YARN'")
        assert session.execute("select count(*) from api.items where name = 'renamed'").fetchone() == (40,)
    assert "InitPlan" in text
    assert "SubPlan" not in text


def test_the_permission_check_reads_by_index(org: Any, db: Any) -> None:
    for table, index in (
        ("user_role", "role_held_once"), ("role", "role_pkey"), ("role_permission", "role_permission_pkey"),
    ):  # fmt: skip
        assert db.execute(
            "select exists (select from pg_indexes where schemaname = 'core' and tablename = %s and indexname = %s)",
            [table, index],
        ).fetchone() == (True,)
