"""Partitions of tables whose id is a version 7 UUID."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

MIGRATOR = {"user": "migrator"}


@pytest.fixture
def migrator(stack: Any, clone: str) -> Iterator[psycopg.Connection[Any]]:
    """A session of the tools on a database of its own, with a quarterly, a monthly and a daily table."""
    with psycopg.connect(as_migrator(stack, clone), autocommit=True) as connection:
        connection.execute("set role owner")
        for name, period, ahead in (("quarterly", "quarter", 4), ("monthly", "month", 3), ("daily", "day", 5)):
            connection.execute(
                f"create table core.test_{name} (org_id uuid not null, id uuid not null default uuidv7(), "
                "item_id uuid, note text constraint note_not_blank check (note <> ''), primary key (org_id, id), "
                "constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id)) "
                "partition by range (id)"
            )
            connection.execute(f"alter table core.test_{name} enable row level security, force row level security")
            connection.execute(f"create policy all_rows on core.test_{name} to migrator using (true)")
            connection.execute(f"grant select, insert on core.test_{name} to migrator")
            connection.execute(
                "insert into ops.partition_policy values (%s, %s, %s)", [f"core.test_{name}", period, ahead]
            )
        connection.execute("reset role")
        yield connection


def as_migrator(stack: Any, clone: str) -> str:
    database = psycopg.conninfo.conninfo_to_dict(clone)["dbname"]
    return make_conninfo(stack.dsn("migrator"), dbname=database)


def partition(connection: Any, table: str, at: str) -> str:
    return str(connection.execute("select ops.create_partition(%s, %s)", [f"core.{table}", at]).fetchone()[0])


def test_names_and_bounds(migrator: Any) -> None:
    assert partition(migrator, "test_quarterly", "2026-12-31 23:59:59.999+00") == "core.test_quarterly_2026q4"
    assert partition(migrator, "test_quarterly", "2027-01-01 00:00+00") == "core.test_quarterly_2027q1"
    assert partition(migrator, "test_monthly", "2026-11-30 23:30-01") == "core.test_monthly_2026m12"
    assert partition(migrator, "test_daily", "2026-12-31 23:30-01") == "core.test_daily_2027d0101"
    comment = "select obj_description('core.test_daily_2027d0101'::regclass)"
    assert migrator.execute(comment).fetchone()[0].endswith("from 2027-01-01 up to 2027-01-02")
    insert = (
        "insert into core.test_quarterly (org_id, id) values (uuidv7(), core.uuid_floor(%s)) "
        "returning tableoid::regclass::text"
    )
    assert migrator.execute(insert, ["2026-12-31 23:59:59.999+00"]).fetchone() == ("core.test_quarterly_2026q4",)
    assert migrator.execute(insert, ["2027-01-01 00:00+00"]).fetchone() == ("core.test_quarterly_2027q1",)
    with pytest.raises(psycopg.errors.CheckViolation):
        migrator.execute(insert, ["2027-04-01 00:00+00"])


def test_names_do_not_follow_the_time_zone_of_the_session(migrator: Any) -> None:
    migrator.execute("set timezone = 'Pacific/Kiritimati'")
    assert partition(migrator, "test_quarterly", "2026-12-31 23:00+00") == "core.test_quarterly_2026q4"
    comment = "select obj_description('core.test_quarterly_2026q4'::regclass)"
    assert migrator.execute(comment).fetchone()[0].endswith("from 2026-10-01 up to 2027-01-01")


def test_making_one_twice_does_nothing(migrator: Any) -> None:
    for _ in range(2):
        assert partition(migrator, "test_monthly", "2020-02-29 12:00+00") == "core.test_monthly_2020m02"


def test_two_sessions_that_want_the_same_one(stack: Any, clone: str, migrator: Any) -> None:
    def work(_: int) -> str:
        with psycopg.connect(as_migrator(stack, clone), autocommit=True) as connection:
            return partition(connection, "test_quarterly", "2031-05-05 00:00+00")

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(work, range(6))) == {"core.test_quarterly_2031q2"}


def test_enough_are_made_ahead(migrator: Any) -> None:
    made = [row[0] for row in migrator.execute("select ops.ensure_partitions()")]
    ours = [name for name in made if name.startswith("core.test_")]
    assert sum("quarterly" in name for name in ours) == 5
    assert sum("monthly" in name for name in ours) == 4
    assert sum("daily" in name for name in ours) == 6
    assert migrator.execute("select count(*) from ops.ensure_partitions()").fetchone() == (0,)


def test_a_partition_has_what_its_parent_has_and_no_grants(migrator: Any) -> None:
    name = partition(migrator, "test_quarterly", "2026-05-05 00:00+00")
    row = migrator.execute(
        "select relrowsecurity, relforcerowsecurity, relacl is null, relowner::regrole::text "
        "from pg_class where oid = %s::regclass",
        [name],
    ).fetchone()
    assert row == (True, True, True, "owner")
    constraints = {
        r[0] for r in migrator.execute("select contype::text from pg_constraint where conrelid = %s::regclass", [name])
    }
    assert constraints >= {"p", "f", "c"}
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        migrator.execute(f"select * from {name}")


def test_reading_goes_on_while_one_is_made(stack: Any, clone: str, migrator: Any) -> None:
    partition(migrator, "test_quarterly", "2026-05-05 00:00+00")
    with psycopg.connect(as_migrator(stack, clone)) as maker:
        partition(maker, "test_quarterly", "2026-08-05 00:00+00")
        migrator.execute("set lock_timeout = '500ms'")
        assert migrator.execute("select count(*) from core.test_quarterly").fetchone() == (0,)
        migrator.execute(
            "insert into core.test_quarterly (org_id, id) values (uuidv7(), core.uuid_floor('2026-05-06 00:00+00'))"
        )


def test_an_id_without_a_partition_is_refused(migrator: Any) -> None:
    partition(migrator, "test_quarterly", "2026-05-05 00:00+00")
    check = "select core.check_new_id('core.test_quarterly', %s)"
    inside = migrator.execute("select core.uuid_floor('2026-05-06 00:00+00')").fetchone()[0]
    migrator.execute(check, [inside])
    for wrong in ("select core.uuid_floor('2036-05-06 00:00+00')", "select core.uuid_floor('1970-01-01 00:00+00')",
                  "select gen_random_uuid()", "select 'ffffffff-ffff-7fff-bfff-ffffffffffff'::uuid"):  # fmt: skip
        new_id = migrator.execute(wrong).fetchone()[0]
        with pytest.raises(psycopg.Error, match=r"core\.id_out_of_range") as caught:
            migrator.execute(check, [new_id])
        assert '"status": 400' in (caught.value.diag.message_detail or "")


def test_a_table_without_a_policy_is_refused(migrator: Any) -> None:
    with pytest.raises(psycopg.errors.NoDataFound):
        partition(migrator, "item", "2026-05-05 00:00+00")


def test_only_the_tools_and_the_worker_make_partitions(db: Any) -> None:
    for role in ("anon", "partner", "member", "superadmin", "analyst", "authenticator"):
        for function in (
            "ops.create_partition(text, timestamptz)",
            "ops.ensure_partitions()",
            "ops.drop_partitions()",
        ):
            assert db.execute("select has_function_privilege(%s, %s, 'execute')", [role, function]).fetchone() == (
                False,
            )


def dropped(connection: Any) -> set[str]:
    return {row[0] for row in connection.execute("select ops.drop_partitions()")}


def test_partitions_are_dropped_when_their_time_is_over(stack: Any, clone: str, migrator: Any) -> None:
    made = {
        days: migrator.execute(
            "select ops.create_partition('core.test_daily', now() - make_interval(days => %s))", [days]
        ).fetchone()[0]
        for days in range(-1, 5)
    }
    assert dropped(migrator) == set(), "kept for ever unless the policy says otherwise"
    migrator.execute("set role owner")
    migrator.execute("update ops.partition_policy set periods_kept = 1 where table_name = 'core.test_daily'")
    migrator.execute("reset role")
    with psycopg.connect(as_migrator(stack, clone)) as reader:
        reader.execute(f"set role owner; select from {made[4]}; reset role")
        assert dropped(migrator) == {made[3], made[2]}, "one that is read stays"
        reader.rollback()
    assert dropped(migrator) == {made[4]}
    left = migrator.execute(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'core.test_daily'::regclass"
    )
    assert {row[0] for row in left} == {made[-1], made[0], made[1]}
