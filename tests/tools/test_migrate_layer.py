"""The repeatable layer: what is applied when, what is dropped, what drift is healed, and the reference data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from erpgres.errors import Refused
from erpgres.migrate import catalog, runner
from erpgres.migrate.session import Session
from erpgres.settings import DOMAINS

from .conftest import Tree


def as_member(tree: Tree, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(tree.admin_dsn) as connection:
        connection.execute("set role member")
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def test_everything_is_made_and_a_second_run_does_nothing(shop: Tree) -> None:
    result = shop.migrate()
    assert sorted(result.repeatable) == sorted(
        path.relative_to(shop.root).as_posix()
        for folder in ("functions", "sql/api", "sql/analytics", "policies")
        for path in (shop.root / folder).rglob("*.sql")
    )
    assert as_member(shop, "select * from api.item_rename(2, '  Trousers, black ')")[0][1] == "Trousers, black"
    assert shop.value("select count(*) from analytics.item_names") == 2
    assert shop.rows("select relrowsecurity, relforcerowsecurity from pg_class where oid = 'core.item'::regclass") == [
        (True, True)
    ]
    again = shop.migrate()
    assert not again.changed


def test_notify_is_sent_once_and_only_for_a_change(shop: Tree) -> None:
    with psycopg.connect(shop.admin_dsn, autocommit=True) as listener:
        listener.execute("listen pgrst")
        shop.migrate()
        shop.migrate()
        assert [note.channel for note in listener.notifies(timeout=0.3)] == ["pgrst"]


VIEW = """
create view api.items with (security_invoker = true) as
select id, name, core.item_price(id) as price{} from core.item;
"""
TOLD: dict[str, Callable[[Tree], Any]] = {
    "a view has a column more": lambda t: t.write("sql/api/core.sql", VIEW.format(", 1 as one")),
    "a view has another comment": lambda t: t.write(
        "sql/api/core.sql", VIEW.format("") + "comment on view api.items is 'All items';\n"
    ),
    "a function is new": lambda t: t.write(
        "functions/core/item_one.sql", "create function api.item_one(n int) returns int language sql stable return n;\n"
    ),
    "an argument has a default": lambda t: t.write(
        "functions/core/item_rename.sql",
        "create or replace function api.item_rename(item_id int, name text default '') returns setof api.items\n"
        "language sql volatile as $$ select * from api.items where id = item_id $$;\n"
        "grant execute on function api.item_rename to member;\n",
    ),
    "a function computes a column": lambda t: t.write(
        "functions/core/shout.sql",
        "create function api.shout(i api.items) returns text language sql stable return upper(i.name);\n",
    ),
    "a key of the table behind a view": lambda t: t.migration(
        2, "core_key", "alter table core.item add constraint name_unique unique (name);"
    ),
    "a foreign key in steps": lambda t: t.migration(
        2, "core_NONTRANSACTIONAL_key",
        "grant usage on schema core to migrator;\ngrant select on core.item to migrator;\n"
        "alter table core.item add column twin int;\n"
        "alter table core.item add constraint twin_exists foreign key (twin) references core.item (id);",
    ),
    "a view takes its key from elsewhere": lambda t: t.write(
        "sql/api/core.sql", VIEW.format("").replace("id, name", "id + 0 as id, name")
    ),
}  # fmt: skip
UNTOLD: dict[str, Callable[[Tree], Any]] = {
    "a table has a column more": lambda t: t.migration(2, "core_note", "alter table core.item add column note text;"),
    "a table is new": lambda t: t.migration(
        2, "core_more", "create table core.more (id int constraint more_pkey primary key);"
    ),
    "a file has a comment more": lambda t: t.write(
        "sql/api/core.sql", (t.root / "sql/api/core.sql").read_text() + "-- !"
    ),
    "a default behind a view": lambda t: t.migration(
        2, "core_default", "alter table core.item alter column name set default 'new';"
    ),
    "a view takes a column from elsewhere that is part of no key": lambda t: t.write(
        "sql/api/core.sql", VIEW.format("").replace("name,", "upper(name) as name,")
    ),
    "a private function": lambda t: t.write(
        "functions/core/alone.sql", "create function core.alone() returns int language sql return 1;\n"
    ),
    "a policy": lambda t: t.write(
        "policies/core/item.sql", (t.root / "policies/core/item.sql").read_text().replace("id > 0", "id > 1")
    ),
    "a row": lambda t: t.write("sql/reference/core/item.csv", "id,name,price\n1,Shirt,9.50\n"),
}


@pytest.mark.parametrize(("what", "told"), [*((w, True) for w in TOLD), *((w, False) for w in UNTOLD)])
def test_postgrest_is_told_of_what_it_keeps_and_of_nothing_else(shop: Tree, what: str, told: bool) -> None:
    shop.write("sql/api/core.sql", VIEW.format(""))
    shop.migrate()
    (TOLD if told else UNTOLD)[what](shop)
    with psycopg.connect(shop.admin_dsn, autocommit=True) as listener:
        listener.execute("listen pgrst")
        assert shop.migrate().changed
        assert [note.channel for note in listener.notifies(timeout=0.2)] == ["pgrst"] * told
        assert not shop.migrate().changed


def test_postgrest_is_told_later_when_a_run_was_cut_off(shop: Tree) -> None:
    """The steps were committed, nobody told it of the key; nothing else is left to do."""
    shop.migrate()
    shop.migration(2, "core_NONTRANSACTIONAL_key", "alter table core.item add constraint name_unique unique (name);")
    good = (shop.root / "sql/api/core.sql").read_text()
    shop.write("sql/api/core.sql", "create view api.items as select id, no_such_column from core.item;\n")
    with psycopg.connect(shop.admin_dsn, autocommit=True) as listener:
        listener.execute("listen pgrst")
        with pytest.raises(Refused, match="no_such_column"):
            shop.migrate()
        assert list(listener.notifies(timeout=0.2)) == []
        shop.write("sql/api/core.sql", good)
        shop.migrate()
        assert len(list(listener.notifies(timeout=0.2))) == 1
        shop.migrate()
        assert list(listener.notifies(timeout=0.2)) == []


def test_a_run_that_changes_nothing_waits_for_no_lock(shop: Tree) -> None:
    shop.migrate()
    with psycopg.connect(shop.admin_dsn) as other:
        other.execute("update core.item set name = name where id = 1")
        other.execute("select * from api.items")
        assert not shop.migrate(lock_timeout="100ms", attempts=1).changed


def test_a_changed_function_alone_locks_no_table(shop: Tree) -> None:
    shop.migrate()
    shop.write("functions/core/alone.sql", "create function core.alone() returns int language sql return 1;\n")
    with psycopg.connect(shop.admin_dsn) as other:
        other.execute("select * from api.items")
        result = shop.migrate(lock_timeout="100ms", attempts=1)
    assert result.repeatable == ["functions/core/alone.sql"]


def test_a_view_can_lose_a_column_and_change_a_type(shop: Tree) -> None:
    shop.migrate()
    shop.migration(2, "core_text_key", "alter table core.item alter column price type text;")
    shop.write(
        "sql/api/core.sql", "create view api.items with (security_invoker = true) as select id from core.item;\n"
    )
    shop.write("sql/analytics/stock.sql", "create view analytics.item_names as select name from core.item;\n")
    shop.write(
        "functions/core/item_rename.sql",
        """
        create function api.item_rename(item_id int) returns int language sql volatile as 'select item_id';
        """,
    )
    shop.remove("functions/core/item_price.sql")
    shop.migrate()
    assert as_member(shop, "select * from api.items order by id") == [(1,), (2,)]
    assert shop.rows("select oid::regprocedure::text from pg_proc where proname in ('item_rename', 'item_price')") == [
        ("api.item_rename(integer)",)
    ]


def test_removed_files_leave_nothing_behind(shop: Tree, new_tree: Callable[[], Tree]) -> None:
    shop.migrate()
    bare = new_tree()
    bare.migration(1, "core_item", (shop.root / "migrations/V0001__core_item.sql").read_text())
    bare.write("sql/analytics/_schema.sql", "grant usage on schema analytics to member;\n")
    bare.migrate()
    bare.remove("sql/analytics/_schema.sql")
    bare.migrate()
    for path in [*(shop.root / "functions").rglob("*.sql"), *(shop.root / "sql").rglob("*.*")]:
        path.unlink()
    for path in (shop.root / "policies").rglob("*.sql"):
        path.unlink()
    result = shop.migrate()
    assert "function core.item_price(integer)" in result.dropped
    assert "policies and grants of core.item" in result.dropped
    assert shop.objects() == bare.objects()
    access = (
        "select array(select grantee::regrole::text from aclexplode(relacl) where grantee <> relowner) from pg_class"
    )
    assert shop.value(f"{access} where oid = 'core.item'::regclass") == []
    assert shop.value("select has_schema_privilege('member', 'core', 'usage')") is False
    assert shop.value("select has_schema_privilege('member', 'api', 'usage')") is False
    assert shop.value("select count(*) from ops.repeatable_file") == 0
    assert not shop.migrate().changed


def test_a_removed_file_whose_object_is_used_is_refused(shop: Tree) -> None:
    shop.migrate()
    shop.migration(
        2, "core_check", "alter table core.item add constraint item_check check (core.item_price(id) is null or true);"
    )
    shop.migrate()
    shop.remove("functions/core/item_price.sql")
    shop.write("sql/api/core.sql", "create view api.items as select id, name, price from core.item;\n")
    before = shop.objects()
    with pytest.raises(Refused, match=r"still used\ncannot drop function core.item_price") as caught:
        shop.migrate()
    assert "item_check on table core.item depends on function core.item_price(integer)" in caught.value.message
    assert shop.objects() == before


def test_an_object_may_move_to_another_file(shop: Tree) -> None:
    shop.migrate()
    text = (shop.root / "functions/core/tg_item__name.sql").read_text()
    shop.remove("functions/core/tg_item__name.sql")
    shop.write("functions/core/names.sql", text)
    result = shop.migrate()
    assert result.dropped == []
    assert shop.value("select path from ops.repeatable_object where kind = 'trigger'") == "functions/core/names.sql"
    assert shop.value("select count(*) from pg_trigger where tgname = 'item__name'") == 1


def test_a_changed_signature_leaves_one_function(shop: Tree) -> None:
    shop.migrate()
    shop.write(
        "functions/core/item_price.sql",
        """
        create or replace function core.item_price(item_id bigint, out price numeric) language sql stable return 1;
        """,
    )
    result = shop.migrate()
    assert result.dropped == ["function core.item_price(integer)"]
    assert shop.rows(
        "select oid::regprocedure::text, obj_description(oid) from pg_proc where proname = 'item_price'"
    ) == [("core.item_price(bigint)", None)]
    assert shop.value("select has_function_privilege('member', 'core.item_price(bigint)', 'execute')") is False


def test_dependencies_between_files_are_solved(shop: Tree) -> None:
    for number in range(6):
        shop.write(
            f"functions/core/a{number}.sql",
            f"create function core.a{number}() returns int language sql return core.a{number + 1}() + 1;\n",
        )
    shop.write(
        "functions/core/a6.sql",
        "create function core.a6() returns bigint language sql return (select count(*) from api.items);\n",
    )
    shop.migrate()
    assert shop.value("select core.a0()") == 8


def test_an_unsolved_dependency_names_the_first_file(shop: Tree) -> None:
    shop.write("functions/core/a.sql", "\ncreate function core.a() returns int language sql return core.b();\n")
    shop.write("functions/core/c.sql", "create function core.c() returns int language sql return core.a();\n")
    with pytest.raises(Refused, match=r"functions/core/a.sql line 1: function core.b\(\) does not exist"):
        shop.migrate()


def fingerprints(tree: Tree) -> dict[tuple[str, str], str]:
    with Session(tree.admin_dsn) as session, session.transaction(rollback=True):
        found = catalog.listing(session, [*DOMAINS, *catalog.REBUILT])
    return {key: entry.fingerprint for key, entry in found.items()}


def test_drift_is_healed(shop: Tree) -> None:
    shop.migrate()
    good = fingerprints(shop)
    for statement in (
        "drop policy item_member_select on core.item",
        "create policy hole on core.item to public using (true)",
        "alter policy item_owner on core.item using (false)",
        "alter table core.item disable row level security",
        "alter table core.item no force row level security",
        "grant delete on core.item to anon",
        "grant update (name) on core.item to partner",
        "revoke insert (name) on core.item from member",
        "grant select on api.items to anon",
        "revoke select on api.items from member",
        "create view api.stranger as select 1 as one",
        "create function api.stranger() returns int language sql return 1",
        "drop view api.items cascade",
        "drop trigger item__name on core.item",
        "alter table core.item disable trigger item__name",
        "grant execute on function core.item_price to public",
        "create or replace function core.item_price(item_id int) returns numeric(10, 2) language sql return 0",
        "grant create on schema core to anon",
        "grant usage on schema api to anon",
        "drop view analytics.item_names",
        "comment on view api.items is 'other'",
    ):
        shop.execute(statement)
        assert fingerprints(shop) != good, statement
        assert not runner.status(shop.dsn, root=shop.root).is_current, statement
        shop.migrate()
        assert fingerprints(shop) == good, statement
    assert not shop.migrate().changed
    assert as_member(shop, "select count(*) from api.items") == [(2,)]


def test_changed_policies_leave_no_old_grant(shop: Tree) -> None:
    shop.migrate()
    shop.write(
        "policies/core/item.sql",
        """
        create policy item_owner on core.item to owner using (true);
        create policy item_partner_select on core.item for select to partner using (true);
        grant select (id) on core.item to partner;
        """,
    )
    assert shop.migrate().repeatable == ["policies/core/item.sql"]
    assert shop.value("select has_table_privilege('member', 'api.items', 'select')") is False
    assert shop.value("select has_any_column_privilege('member', 'core.item', 'insert')") is False
    assert shop.value("select has_column_privilege('partner', 'core.item', 'id', 'select')") is True


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("functions/nowhere/a.sql", "select 1;", "no such domain: nowhere"),
        ("functions/core/a.sql", "create table core.x (id int);", "a CreateStmt does not belong in functions/"),
        ("functions/core/a.sql", "drop function core.item_price(int);", "a DropStmt does not belong"),
        ("functions/core/a.sql", "create function a() returns int language sql return 1;", "write a with its schema"),
        ("functions/core/a.sql", "create function wms.a() returns int language sql return 1;", "does not belong here"),
        ("sql/api/core.sql", "create view core.v as select 1 as one;", "does not belong here"),
        ("policies/core/item.sql", "grant select on core.other to member;", "core.other is not the table of this file"),
        ("policies/core/item.sql", "grant select on all tables in schema core to member;", "would reach partitions"),
        ("policies/core/item.sql", "alter table core.item add column x int;", "only row level security"),
        ("policies/core/nothing.sql", "grant select on core.nothing to member;", "there is no table core.nothing"),
        ("functions/core/twice.sql", "create or replace function core.item_price(item_id int) returns numeric(10, 2)"
         " language sql return 1;", "is made by"),
    ],
)  # fmt: skip
def test_what_does_not_belong_is_refused(shop: Tree, path: str, text: str, reason: str) -> None:
    shop.write(path, text + "\n")
    before = shop.objects()
    with pytest.raises(Refused, match=reason):
        shop.migrate()
    assert shop.objects() == before


def test_other_kinds_of_objects(shop: Tree) -> None:
    shop.write(
        "sql/api/core.sql",
        """
        create domain api."text/csv" as text;
        create type api.pair as (one int, two int);
        create view api.items with (security_invoker = true) as
        select id, name, core.item_price(id) as price from core.item;
        """,
    )
    shop.write(
        "sql/analytics/stock.sql",
        """
        create materialized view analytics.item_names as select id, name from api.items;
        create unique index item_names_key on analytics.item_names (id);
        grant select on analytics.item_names to analyst;
        """,
    )
    shop.write(
        "functions/core/items_csv.sql",
        """
        create function api.items_csv() returns api."text/csv" language sql stable return 'a,b';
        create function api.tg_items__insert() returns trigger language plpgsql as $$ begin return null; end $$;
        create trigger items__insert instead of insert on api.items
          for each row execute function api.tg_items__insert();
        create aggregate api.total (int, "char") (sfunc = core.total, stype = int);
        create procedure api.run(a int[], out b text) language plpgsql as $$ begin b := 'x'; end $$;
        """,
    )
    shop.write(
        "functions/core/total.sql", 'create function core.total(int, int, "char") returns int language sql return 1;\n'
    )
    shop.migrate()
    assert not shop.migrate().changed
    shop.write("policies/core/item.sql", "grant select on api.items to partner;\n")
    shop.migrate()
    assert not shop.migrate().changed
    assert shop.value("select has_table_privilege('analyst', 'analytics.item_names', 'select')") is True
    for path in (
        "sql/api/core.sql",
        "sql/analytics/stock.sql",
        "functions/core/items_csv.sql",
        "functions/core/item_rename.sql",
    ):
        shop.remove(path)
    shop.write("policies/core/item.sql", "grant select on core.item to partner;\n")
    shop.migrate()
    assert (
        shop.rows("select 1 from pg_class where relnamespace in ('api'::regnamespace, 'analytics'::regnamespace)") == []
    )
    assert shop.rows("select 1 from pg_type where typnamespace = 'api'::regnamespace") == []
    assert shop.rows("select 1 from pg_proc where pronamespace = 'api'::regnamespace") == []


def test_partitions_ahead_and_no_grant_on_them(shop: Tree) -> None:
    shop.migration(
        2,
        "ops_partitions",
        """
        create table ops.log (id int, constraint log_pkey primary key (id)) partition by range (id);
        """,
    )
    shop.write(
        "functions/ops/ensure_partitions.sql",
        """
        create function ops.ensure_partitions() returns void language sql as $$
          create table if not exists ops.log_1 partition of ops.log for values from (0) to (10);
        $$;
        """,
    )
    shop.write(
        "policies/ops/log.sql",
        "create policy p on ops.log to member using (true);\ngrant select on ops.log to member;\n",
    )
    shop.migrate()
    assert shop.rows("select relname, relacl is null from pg_class where relname ~ '^log(_1)?$' order by 1") == [
        ("log", False),
        ("log_1", True),
    ]
    assert not shop.migrate().changed


def test_reference_data(shop: Tree) -> None:
    shop.migration(
        2,
        "core_size",
        """
        create table core.size (item_id int references core.item, code text, label text, primary key (item_id, code));
        create table core.error (code text primary key, message text not null);
        """,
    )
    shop.write("sql/reference/core/size.csv", "item_id,code,label\n1,L,large\n3,S,\n")
    shop.write("sql/reference/core/item.csv", "id,name\n1,Shirt\n3,Socks\n")
    shop.write("sql/reference/error/core.csv", 'code,message\ncore.x,"A, b"\n')
    shop.write("sql/reference/error/wms.csv", 'code,message\nwms.y,"""quoted"""\n')
    result = shop.migrate()
    assert "core.size: 2 rows new or changed, 0 deleted" in result.reference
    assert shop.rows("select * from core.error order by 1") == [("core.x", "A, b"), ("wms.y", '"quoted"')]
    assert shop.rows("select label from core.size order by item_id") == [("large",), (None,)]

    shop.write("sql/reference/core/item.csv", "id,name\n1,Shirt\n4,Hat\n")
    with pytest.raises(Refused, match=r"a row removed from core.item is still used"):
        shop.migrate()
    shop.write("sql/reference/core/size.csv", "item_id,code,label\n1,L,large\n4,S,small\n")
    shop.remove("sql/reference/error/wms.csv")
    result = shop.migrate()
    assert sorted(result.reference) == [
        "core.error: 0 rows new or changed, 1 deleted",
        "core.item: 1 rows new or changed, 1 deleted",
        "core.size: 1 rows new or changed, 1 deleted",
    ]
    assert not shop.migrate().changed


def test_a_file_may_leave_out_what_has_a_default(shop: Tree) -> None:
    shop.migration(
        2,
        "core_error",
        "create table core.error (code text primary key, message text, status int not null default 400);",
    )
    shop.write("sql/reference/error/core.csv", "code,status\ncore.x,404\n")
    shop.write("sql/reference/error/wms.csv", "code,message\nwms.y,Why\n")
    shop.migrate()
    assert shop.rows("select * from core.error order by 1") == [("core.x", None, 404), ("wms.y", "Why", 400)]


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("sql/reference/core/nothing.csv", "id\n1\n", "there is no table core.nothing"),
        ("sql/reference/nowhere/a.csv", "id\n1\n", "neither nowhere nor a is a domain"),
        ("sql/reference/core/item.csv", "name,id\nx,1\n", "the header must begin with the primary key: id"),
        ("sql/reference/core/item.csv", "id,name,weight\n1,x,2\n", "core.item has no column weight"),
        ("sql/reference/core/item.csv", "id,name\n1,x\n1,y\n", "more than one row for id = 1"),
        ("sql/reference/core/item.csv", "id,name\n1,x,y\n", "extra data after last expected column"),
        ("sql/reference/core/item.csv", "id,name\n1,\n", "null value in column"),
    ],
)
def test_bad_reference_data_are_refused(shop: Tree, path: str, text: str, reason: str) -> None:
    shop.write(path, text)
    with pytest.raises(Refused, match=reason):
        shop.migrate()
