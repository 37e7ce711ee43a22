"""What may be registered for devices: columns that are there, changes that are noticed, functions without secrets."""

from __future__ import annotations

from typing import Any

import httpx


def rows(db: Any, query: str) -> list[Any]:
    found: list[Any] = db.execute(query).fetchall()
    return found


def test_columns_are_columns_of_their_views(db: Any) -> None:
    listed = rows(db, "select table_name, name from core.sync_column order by 1, 2")
    found = rows(db, "select table_name, name from api.sync_columns order by 1, 2")
    assert listed == found
    assert len(listed) > 100


def test_each_table_shows_columns_of_one_table_alone(db: Any) -> None:
    """A column of another table would change without an event of the row."""
    foreign = rows(
        db,
        """
        select t.name, c.name
        from core.sync_table as t
        join core.sync_column as c on c.table_name = t.name
        join core.event_entity as e on e.entity = coalesce(t.row_entity, t.parent_entities[2])
        left join pg_attribute as a on a.attrelid = e.table_name::regclass and a.attname = c.name
        where not t.is_always_compared and a.attname is null
        """,
    )
    assert foreign == [("records_request_documents", "is_out")]  # computed from three columns of its own row


def test_changes_of_each_table_are_noticed(db: Any) -> None:
    assert (
        rows(
            db,
            "select t.name from core.sync_table t left join core.event_entity e on e.entity = t.row_entity "
            "where not t.is_always_compared and t.row_entity is not null "
            "and (e.table_name is null or e.id_column <> 'id')",
        )
        == []
    )
    assert (
        rows(
            db,
            "select t.name, p from core.sync_table t cross join unnest(t.parent_entities) p "
            "where not exists (select from core.event_entity e where e.entity = p)",
        )
        == []
    )
    # What is compared at each pull is small.
    small = [name for (name,) in rows(db, "select name from core.sync_table where is_always_compared order by 1")]
    assert small == ["commands", "sync_refusals", "units"]


def test_functions_for_commands_exist_and_take_no_secret(db: Any) -> None:
    found = rows(
        db,
        "select f.name, count(p.oid), bool_or(p.proretset), "
        "count(*) filter (where p.proargnames::text ~* 'password|secret|token|code$|signature|key') "
        "from core.sync_function f left join pg_proc p on p.oid = to_regproc('api.' || f.name) group by 1",
    )
    assert len(found) > 20
    wrong = [row for row in found if row[1] != 1 or row[2] or (row[3] and row[0] not in UNIT_CODE)]
    assert wrong == []


# Arguments called unit_code are no secret.
UNIT_CODE = {
    "wms_count_record", "wms_handling_unit_pack", "wms_handling_unit_unpack", "wms_pick", "wms_put_away_line",
    "wms_stock_adjust", "wms_stock_move", "wms_put_away",
}  # fmt: skip


def test_the_api_lists_what_devices_may_hold(org: Any, api: Any) -> None:
    client: httpx.Client = api(org.admin_token)
    tables = client.get("sync_tables", params={"order": "sort_order"}).json()
    assert [table["name"] for table in tables][:2] == ["commands", "sync_refusals"]
    columns = client.get("sync_columns", params={"table_name": "eq.wms_document_lines", "name": "eq.quantity"}).json()
    assert [(c["type"], c["source_type"], c["is_written"]) for c in columns] == [("string", "numeric", True)]
    functions = client.get("sync_functions", params={"name": "eq.wms_document_post"}).json()
    assert functions == [{"name": "wms_document_post", "description": "Post a document"}]
