"""The example data: complete, the same every time, and left alone by a second run."""

from __future__ import annotations

import psycopg
import pytest

from erpgres import verify
from erpgres.data.seed import identifier, seed
from erpgres.errors import Refused
from erpgres.stack.state import State

STOCK = """
select o.code, l.code, i.sku, b.quantity::float
from wms.balance as b
join core.organization as o on o.id = b.org_id
join core.item as i on i.org_id = b.org_id and i.id = b.item_id
join core.location as l on l.org_id = b.org_id and l.id = b.warehouse_id
where b.quantity > 0
order by 1, 2, 3, b.quantity
"""


def test_it_is_complete_and_a_second_run_adds_nothing(stack: State, clone: str) -> None:
    dsn = stack.dsn("migrator", psycopg.conninfo.conninfo_to_dict(clone)["dbname"])  # type: ignore[arg-type]
    first = seed(dsn).added
    assert first["organisations"] == 2 and first["documents"] == 7
    with psycopg.connect(dsn) as connection:
        stock = connection.execute(STOCK).fetchall()
        numbers = connection.execute(
            "select d.id, n.number from core.number_register as n join wms.document as d on d.id = n.entity_id"
            " where n.document_type = 'wms.transfer'"
        ).fetchall()
    assert ("MEGHNA", "CTG", "FG-TEE-NAVY-M", 4000.0) in stock and ("KARNAPHULI", "DEPZ", "DNM-12OZ", 7400.0) in stock
    assert [(row[0], row[1][-7:]) for row in numbers] == [(identifier("MEGHNA", "document", "4", hours=4), "-000001")]

    assert not any(seed(dsn).added.values())
    assert [f for f in verify.run(dsn) if not f.holds] == []


def test_an_organisation_of_somebody_else_is_left_alone(stack: State, clone: str) -> None:
    dsn = stack.dsn("migrator", psycopg.conninfo.conninfo_to_dict(clone)["dbname"])  # type: ignore[arg-type]
    with psycopg.connect(dsn) as connection:
        connection.execute("select core.create_organization('MEGHNA', 'Another Meghna', 'BD', 'USD')")
    with pytest.raises(Refused, match="MEGHNA"):
        seed(dsn)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select count(*) from core.partner").fetchone() == (0,)
