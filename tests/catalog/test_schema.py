"""Rules that every table, policy, view and function keeps, whoever adds one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from erpgres.settings import DOMAINS

Rows = list[tuple[Any, ...]]
PRIVATE = [*DOMAINS]
OURS = [*PRIVATE, "api", "analytics"]

# Functions that anybody may execute: they tell only what the caller's own session says, or compute.
FOR_EVERYBODY = {"core.claims", "core.org_id", "core.user_id", "core.partner_id", "core.uuid_floor", "core.search_text"}
# Tenant tables with another key than (org_id, …): a login belongs to one organisation.
OTHER_KEY = {"core.analyst_login", "core.session", "core.security_event"}
# Of these a row may be of no organisation: a SUPER_ADMIN's session, and what happens to an account of several.
OF_NO_ORGANIZATION = {"core.session", "core.security_event"}
# Tables that are not a tenant's and yet not everybody's: their policies say who sees what.
PROTECTED = {"core.organization", "core.app_user", "core.analyst_login"}
# A SECURITY DEFINER function of the API without a permission check: each says why beside itself.
OPEN_DEFINERS = {
    "api.health", "api.me",
    # who signs in has no permission yet
    "api.sign_in", "api.sign_in_refresh", "api.api_key_sign_in", "api.password_reset_request", "api.password_reset",
    # what anybody does with his own account
    "api.sign_in_switch", "api.sign_out", "api.password_change",
    "api.totp_begin", "api.totp_confirm", "api.totp_disable",
}  # fmt: skip


@pytest.fixture
def ask(db: psycopg.Connection[Any]) -> Iterator[Any]:
    """Ask the catalog: `ask(query, *values)` returns rows; %(ours)s and %(private)s are the schemas."""

    def run(query: str) -> Rows:
        return db.execute(query, {"ours": OURS, "private": PRIVATE}).fetchall()

    with db.transaction():
        # Only what is committed by migrations counts, and names come out qualified.
        db.execute("set local search_path = pg_catalog")
        yield run


def names(rows: Rows) -> set[str]:
    return {str(row[0]) for row in rows}


TENANT = """
  select c.oid, c.oid::regclass::text as name, c.relispartition, c.relrowsecurity, c.relforcerowsecurity, c.relacl
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attname = 'org_id' and not a.attisdropped
  where c.relkind in ('r', 'p') and n.nspname = any (%(private)s)
"""


def test_tenant_tables_are_found(ask: Any) -> None:
    found = names(ask(f"select name from ({TENANT}) t"))
    assert {"core.partner", "core.item", "core.location", "core.number_register"} <= found


def test_row_level_security_is_on_and_forced(ask: Any) -> None:
    bad = names(ask(f"select name from ({TENANT}) t where not (relrowsecurity and relforcerowsecurity)"))
    assert bad == set()
    protected = ask(
        "select c.oid::regclass::text from pg_class c where c.relrowsecurity and c.relforcerowsecurity "
        "and c.oid::regclass::text in ('core.organization', 'core.app_user', 'core.analyst_login')"
    )
    assert names(protected) == PROTECTED


def test_primary_keys_lead_with_the_organisation(ask: Any) -> None:
    bad = names(
        ask(
            f"""
            select name from ({TENANT}) t
            left join pg_index i on i.indrelid = t.oid and i.indisprimary
            left join pg_attribute a on a.attrelid = t.oid and a.attnum = i.indkey[0]
            where a.attname is distinct from 'org_id'
            """
        )
    )
    assert bad - OTHER_KEY == set()


def test_the_organisation_is_never_null(ask: Any) -> None:
    assert names(ask(f"select t.name from ({TENANT}) t "
                     "join pg_attribute a on a.attrelid = t.oid and a.attname = 'org_id' "
                     "where not a.attnotnull")) == OF_NO_ORGANIZATION  # fmt: skip


def test_foreign_keys_between_tenant_tables_are_composite(ask: Any) -> None:
    bad = ask(
        f"""
        with t as ({TENANT})
        select k.conrelid::regclass::text || '.' || k.conname from pg_constraint k
        join t on t.oid = k.conrelid join t as p on p.oid = k.confrelid
        where k.contype = 'f' and not exists (
          select from unnest(k.conkey, k.confkey) as c (here, there)
          join pg_attribute h on h.attrelid = k.conrelid and h.attnum = c.here and h.attname = 'org_id'
          join pg_attribute o on o.attrelid = k.confrelid and o.attnum = c.there and o.attname = 'org_id'
        )
        """
    )
    assert names(bad) == set()


def test_foreign_keys_have_an_index(ask: Any) -> None:
    """Some index of all rows begins with columns of the key: with the only one, or with org_id and another."""
    bad = ask(
        """
        select k.conrelid::regclass::text || '.' || k.conname from pg_constraint k
        join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
        where k.contype = 'f' and n.nspname = any (%(ours)s) and not exists (
          select from pg_index i
          where i.indrelid = k.conrelid and i.indpred is null and i.indisvalid
            and (i.indkey::int2[])[0:least(cardinality(k.conkey), 2) - 1] <@ k.conkey
        )
        """
    )
    assert names(bad) == set()


def test_every_table_has_a_policy_for_the_owner(ask: Any) -> None:
    """Without one, SECURITY DEFINER functions would silently see nothing; with a wide one, too much."""
    bad = ask(
        f"""
        select name from ({TENANT}) t where not relispartition and not exists (
          select from pg_policy p where p.polrelid = t.oid and 'owner'::regrole = any (p.polroles)
        )
        """
    )
    assert names(bad) == set()
    wide = ask(
        "select p.polrelid::regclass::text || '.' || p.polname from pg_policy p "
        "where pg_get_expr(p.polqual, p.polrelid) = 'true' and not p.polroles <@ array['migrator'::regrole::oid, "
        "'superadmin'::regrole::oid, 'relay'::regrole::oid, 'worker'::regrole::oid, 'monitor'::regrole::oid]"
    )
    assert names(wide) == set()


def test_a_policy_is_for_one_role_and_named_after_it(ask: Any) -> None:
    rows = ask(
        """
        select p.polrelid::regclass::text || '.' || p.polname, p.polname, p.polpermissive,
          array(select r::regrole::text from unnest(p.polroles) r)
        from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = any (%(private)s)
        """
    )
    assert rows
    bad = {where for where, name, permissive, roles in rows
           if len(roles) != 1 or not name.startswith(f"{roles[0]}_") or not permissive}  # fmt: skip
    assert bad == set()


def test_claims_are_read_once_a_statement(ask: Any) -> None:
    """Functions of the claims stand in a scalar sub-select; bare, they would run for every row."""
    rows = ask(
        """
        select p.polrelid::regclass::text || '.' || p.polname,
          concat_ws(' ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
        from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = any (%(private)s)
        """
    )
    functions = ("core.org_id(", "core.user_id(", "core.partner_id(", "core.has_permission(")
    bad = {where for where, text in rows for f in functions if text.count(f) != text.count(f"SELECT {f}")}
    assert bad == set()


def test_views_of_the_api_run_with_the_rights_of_the_caller(ask: Any) -> None:
    bad = ask(
        "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname in ('api', 'analytics') and c.relkind = 'v' "
        "and not coalesce(c.reloptions @> array['security_invoker=true'], false)"
    )
    assert names(bad) == set()


def test_the_api_holds_views_and_functions_only(ask: Any) -> None:
    assert names(ask("select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
                     "where n.nspname = 'api' and c.relkind in ('r', 'p', 'f', 'm', 'S')")) == set()  # fmt: skip


FUNCTIONS = """
  select p.oid, n.nspname as schema, n.nspname || '.' || p.proname as name, p.prosecdef, p.proconfig, p.proacl,
    p.proowner, p.prosrc
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname = any (%(ours)s)
"""


def test_definer_functions_set_their_search_path(ask: Any) -> None:
    bad = ask(f"select name from ({FUNCTIONS}) f where prosecdef "
              "and not coalesce(proconfig @> array['search_path=pg_catalog, pg_temp'], false)")  # fmt: skip
    assert names(bad) == set()
    assert "core.has_permission" in names(ask(f"select name from ({FUNCTIONS}) f where prosecdef"))


def test_definer_functions_of_the_api_check_a_permission_first(ask: Any) -> None:
    rows = ask(f"select name, prosrc from ({FUNCTIONS}) f where prosecdef and schema = 'api'")
    bad = {name for name, source in rows if not re.search(r"require_(permission|over_user)\(", source)}
    assert bad - OPEN_DEFINERS == set()


def test_everybody_may_execute_a_short_list_only(ask: Any) -> None:
    found = ask(f"select name from ({FUNCTIONS}) f where proacl is null "
                "or exists (select from aclexplode(proacl) x where x.grantee = 0)")  # fmt: skip
    assert names(found) == FOR_EVERYBODY


def test_no_overloads_in_the_api(ask: Any) -> None:
    assert (
        names(ask(f"select name from ({FUNCTIONS}) f where schema = 'api' group by name having count(*) > 1")) == set()
    )


def test_everything_belongs_to_the_owner(ask: Any) -> None:
    assert names(ask(f"select name from ({FUNCTIONS}) f where proowner <> 'owner'::regrole")) == set()
    tables = ask("select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
                 "where n.nspname = any (%(ours)s) and c.relowner <> 'owner'::regrole")  # fmt: skip
    assert names(tables) == set()


def test_everybody_has_no_right_on_tables_and_schemas(ask: Any) -> None:
    assert ask("select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace, "
               "aclexplode(c.relacl) x where n.nspname = any (%(ours)s) and x.grantee = 0") == []  # fmt: skip
    assert ask("select n.nspname from pg_namespace n, aclexplode(n.nspacl) x "
               "where n.nspname = any (%(ours)s || array['public']) and x.grantee = 0") == []  # fmt: skip


def test_partitions_have_no_grants(ask: Any) -> None:
    bad = ask("select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
              "cross join lateral aclexplode(c.relacl) x "
              "where n.nspname = any (%(ours)s) and c.relispartition and x.grantee <> c.relowner")  # fmt: skip
    assert names(bad) == set()


def test_nobody_truncates_or_gives_rights_on(ask: Any) -> None:
    bad = ask("select c.oid::regclass::text || ' ' || x.privilege_type from pg_class c "
              "join pg_namespace n on n.oid = c.relnamespace cross join lateral aclexplode(c.relacl) x "
              "where n.nspname = any (%(ours)s) and x.grantee <> c.relowner "
              "and (x.is_grantable "
              "or x.privilege_type in ('TRUNCATE', 'TRIGGER', 'REFERENCES', 'MAINTAIN'))")  # fmt: skip
    assert names(bad) == set()


def test_no_api_role_writes_the_organisation_or_status_of_a_row(ask: Any) -> None:
    """Neither column may be updated by a request, and a whole-table UPDATE would grant both."""
    roles = "('anon', 'partner', 'member', 'superadmin', 'analyst')"
    columns = ask(
        f"""
        select a.attrelid::regclass::text || '.' || a.attname || ' ' || x.grantee::regrole::text
        from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
        cross join lateral aclexplode(a.attacl) x
        where n.nspname = any (%(ours)s) and x.privilege_type = 'UPDATE' and a.attname in ('org_id', 'id', 'status')
          and x.grantee::regrole::text in {roles}
        """
    )
    assert names(columns) == set()
    tables = ask(
        f"""
        select c.oid::regclass::text || ' ' || x.grantee::regrole::text
        from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join lateral aclexplode(c.relacl) x
        where n.nspname = any (%(ours)s) and x.privilege_type in ('UPDATE', 'INSERT')
          and x.grantee::regrole::text in {roles}
        """
    )
    assert names(tables) == set()


def test_everything_of_the_api_is_documented(ask: Any) -> None:
    bad = ask(
        """
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('api', 'analytics') and c.relkind in ('v', 'm')
          and obj_description(c.oid, 'pg_class') is null
        union all
        select c.oid::regclass::text || '.' || a.attname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where n.nspname in ('api', 'analytics') and c.relkind in ('v', 'm') and col_description(c.oid, a.attnum) is null
        """
    )
    assert names(bad) == set()


def test_every_function_and_table_is_documented(ask: Any) -> None:
    assert names(ask(f"select name from ({FUNCTIONS}) f where obj_description(oid, 'pg_proc') is null")) == set()
    tables = ask("select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
                 "where n.nspname = any (%(private)s) and c.relkind in ('r', 'p') and not c.relispartition "
                 "and obj_description(c.oid, 'pg_class') is null")  # fmt: skip
    assert names(tables) == set()


def test_every_versioned_table_guards_its_version(ask: Any) -> None:
    bad = ask(
        """
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'version' and not a.attisdropped
        where n.nspname = any (%(private)s) and c.relkind in ('r', 'p') and not c.relispartition
          and exists (
            select from pg_attribute u where u.attrelid = c.oid and u.attname = 'updated_at' and not u.attisdropped)
          and not exists (
            select from pg_trigger t join pg_proc p on p.oid = t.tgfoid
            where t.tgrelid = c.oid and p.proname = 'tg_row__touch' and t.tgenabled = 'O')
        """
    )
    assert names(bad) == set()


def test_every_status_is_guarded(ask: Any) -> None:
    bad = ask(
        """
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'status' and not a.attisdropped
        where n.nspname = any (%(private)s) and c.relkind in ('r', 'p') and not c.relispartition
          and c.oid::regclass::text <> 'core.error'
          and not exists (
            select from pg_trigger t join pg_proc p on p.oid = t.tgfoid
            where t.tgrelid = c.oid and p.proname = 'tg_row__guard_status' and t.tgenabled = 'O')
        """
    )
    assert names(bad) == set()


def test_nobody_bypasses_the_policies(ask: Any) -> None:
    rows = ask(
        "select rolname from pg_roles where (rolbypassrls or rolsuper) "
        "and rolname in ('owner', 'anon', 'partner', 'member', 'superadmin', 'analyst', 'authenticator', "
        "'migrator', 'relay', 'worker', 'monitor')"
    )
    assert names(rows) == set()


def test_the_rules_can_fail(stack: Any, clone: str) -> None:
    """A negative control: a table that breaks the rules is found by the same queries."""
    with psycopg.connect(clone) as connection:
        connection.execute("set local search_path = pg_catalog")
        connection.execute("create table core.careless (org_id uuid, id uuid primary key)")
        connection.execute("create view api.careless as select * from core.careless")
        values = {"ours": OURS, "private": PRIVATE}
        found = connection.execute(f"select name from ({TENANT}) t where not relrowsecurity", values).fetchall()
        assert found == [("core.careless",)]
        found = connection.execute(
            "select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'api' "
            "and c.relkind = 'v' and not coalesce(c.reloptions @> array['security_invoker=true'], false)"
        ).fetchall()
        assert found == [("careless",)]
        connection.rollback()
