"""What a large import brings into the search after its commit: all of it, once, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import conninfo
from erpgres.files.importing import SEARCH_LATER, Imported, Options, run
from erpgres.jobs import runs
from erpgres.jobs.settings import Settings
from erpgres.stack.state import State
from tools.imports import ITEM_HEADER, items, write_csv

ROWS = SEARCH_LATER + 1_000  # more than one run of the job brings


@dataclass
class Shop:
    """A database that no worker serves but the one of the test, with an organisation to import into."""

    db: psycopg.Connection[Any]  # a superuser
    worker: psycopg.Connection[Any]
    boss_dsn: str
    worker_dsn: str
    tools_dsn: str
    org_id: Any

    def load(self, path: Path, **options: Any) -> Imported:
        return run(self.tools_dsn, "items", path, "SHOP", None, Options(**options))

    def value(self, query: str) -> Any:
        row = self.db.execute(query, {"org": self.org_id}).fetchone()
        return row and row[0]

    def pending(self) -> list[int]:
        query = "select search_pending_count from api.imports where org_id = %(org)s order by id"
        return [count for (count,) in self.db.execute(query, {"org": self.org_id})]

    def work(self) -> int:
        """Do the runs of jobs that wait now; returns how many there were."""
        count = 0
        while runs.run_next(self.worker, Settings(), "test"):
            count += 1
        assert self.value("select count(*) from ops.job_run where error is not null") == 0
        return count

    def wrong(self) -> list[Any]:
        """Items whose entry is missing, or is not as it would be made now, and entries without an item."""
        return self.db.execute(
            "select i.sku, s.code, s.title from (select * from core.item where org_id = %(org)s) as i"
            " full join (select * from core.searchable where org_id = %(org)s and source = 'item') as s on s.id = i.id"
            " where s.code is distinct from lower(i.sku) or s.title is distinct from lower(i.name)",
            {"org": self.org_id},
        ).fetchall()


@pytest.fixture
def shop(stack: State, clone: str) -> Iterator[Shop]:
    with psycopg.connect(clone, autocommit=True) as db:
        worker_dsn, tools_dsn = (conninfo(stack.dsn(role), dbname=db.info.dbname) for role in ("worker", "migrator"))
        with psycopg.connect(worker_dsn, autocommit=True) as worker:
            while worker.execute("select core.fill_search()").fetchone() != (0,):
                pass  # what the migration left
            row = db.execute("select core.create_organization('SHOP', 'Shop', 'BD', 'USD')").fetchone()
            assert row is not None
            yield Shop(db, worker, clone, worker_dsn, tools_dsn, row[0])


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "items.csv", ITEM_HEADER, items(ROWS))


def test_the_worker_brings_a_large_import_at_once(shop: Shop, large: Path, tmp_path: Path) -> None:
    few = shop.load(write_csv(tmp_path / "few.csv", ITEM_HEADER, [["B-1", "Rope", "GOODS", "H87", 1, "USD"]]))
    assert few.search_pending == 0 and shop.wrong() == [], "few rows are found when they are there"
    assert shop.work() == 0

    shop.load(large, dry_run=True)
    assert shop.value("select count(*) from core.search_fill") == 0 and shop.work() == 0

    done = shop.load(large)
    assert done.search_pending == ROWS and shop.pending() == [0, ROWS]
    assert len(shop.wrong()) == ROWS
    assert shop.work() == 2, "the import asked for a run, and that one for another"
    assert shop.wrong() == [] and shop.pending() == [0, 0]
    assert shop.value("select count(*) from core.search_fill") == 0
    assert shop.load(large).search_pending == 0, "nothing new, nothing to bring"


def test_what_changes_meanwhile_is_found_as_it_is(shop: Shop, large: Path) -> None:
    shop.load(large)
    shop.db.execute("update core.item set name = 'Hemp rope' where org_id = %s and sku = 'A-000007'", [shop.org_id])
    shop.db.execute("update core.item set sku = 'R-8' where org_id = %s and sku = 'A-000008'", [shop.org_id])
    shop.db.execute("delete from core.item where org_id = %s and sku = 'A-000009'", [shop.org_id])
    with psycopg.connect(shop.boss_dsn) as other:
        other.execute(
            "update core.item set price = 1 where org_id = %s and sku in ('A-000010', 'A-000011')", [shop.org_id]
        )
        other.execute("update core.item set name = 'Jute' where org_id = %s and sku = 'A-000012'", [shop.org_id])
        other.execute("delete from core.item where org_id = %s and sku = 'A-000013'", [shop.org_id])
        shop.work()
        assert [row[0] for row in shop.wrong()] == ["A-000010", "A-000011", "A-000012", "A-000013"], "left for later"
        assert shop.pending() == [4]
        other.commit()
    assert {row[0] for row in shop.wrong()} == {"A-000010", "A-000011"}
    shop.db.execute("update core.search_fill set run_after = now()")
    shop.worker.execute("select core.fill_search()")
    assert shop.wrong() == [] and shop.pending() == [0]


@pytest.mark.drill
def test_a_worker_that_dies_loses_nothing(shop: Shop, large: Path) -> None:
    shop.load(large)
    with psycopg.connect(shop.worker_dsn) as dying:
        dying.execute("select core.fill_search()")
        shop.db.execute("select pg_terminate_backend(%s)", [dying.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            dying.execute("select 1")
    assert shop.pending() == [ROWS] and len(shop.wrong()) == ROWS
    shop.work()
    assert shop.pending() == [0] and shop.wrong() == []


def test_only_the_tools_may_put_it_off(shop: Shop) -> None:
    insert = (
        "insert into core.item (org_id, sku, name, class, unit_code)"
        " select %s, 'C-' || n, 'Cord', 'GOODS', 'H87' from generate_series(1, 1500) as n"
    )
    with shop.db.transaction():
        shop.db.execute("set local erpgres.search_later = '01a20597-5be9-72b4-9aff-9fd5c63eb56f'")
        shop.db.execute(insert, [shop.org_id])
    assert shop.wrong() == [] and shop.value("select count(*) from core.search_fill") == 0
