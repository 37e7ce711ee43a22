"""What the catalog has of the objects that repeatable files make: identities, fingerprints, how to drop them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from erpgres.migrate.session import DEPENDED_ON, Session, StatementFailed, quoted

API_SCHEMA, ANALYTICS_SCHEMA = REBUILT = ("api", "analytics")

# One fingerprint for everything a repeatable file can decide about an object. Privileges are sorted as text, because
# the order inside an ACL is that of the grants. Names are qualified as search_path is pg_catalog here.
_LISTING = """
with our as (
  select oid, nspname from pg_namespace where nspname = any (%(schemas)s::text[])
),
column_access as (
  select attrelid,
         string_agg(attname || coalesce(array(select unnest(attacl)::text order by 1)::text, ''), ' ' order by attnum)
           as acl
    from pg_attribute
   where attacl is not null and not attisdropped
   group by attrelid
),
policy as (
  select polrelid,
         string_agg(
           concat_ws(
             ' ', polname, polcmd, polpermissive,
             array(select r::regrole::text from unnest(polroles) r order by 1)::text,
             pg_get_expr(polqual, polrelid), '/', pg_get_expr(polwithcheck, polrelid)
           ), E'\\n' order by polname
         ) as text
    from pg_policy
   group by polrelid
)
select 'function', p.oid::regprocedure::text, our.nspname, 'routine', p.oid::bigint,
       md5(concat_ws(
         E'\\n', case when p.prokind <> 'a' then pg_get_functiondef(p.oid) end,
         array(select unnest(p.proacl)::text order by 1)::text, obj_description(p.oid, 'pg_proc')
       ))
  from pg_proc p
  join our on our.oid = p.pronamespace
 where 'function' = any (%(kinds)s::text[])
   and not exists (
         select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
union all
select 'view', c.oid::regclass::text, our.nspname,
       case c.relkind when 'v' then 'view' else 'materialized view' end, c.oid::bigint,
       md5(concat_ws(
         E'\\n', pg_get_viewdef(c.oid), c.reloptions::text, array(select unnest(c.relacl)::text order by 1)::text,
         column_access.acl,
         (select string_agg(concat_ws(' ', d.objsubid, d.description), E'\\n' order by d.objsubid)
            from pg_description d where d.classoid = 'pg_class'::regclass and d.objoid = c.oid)
       ))
  from pg_class c
  join our on our.oid = c.relnamespace
  left join column_access on column_access.attrelid = c.oid
 where 'view' = any (%(kinds)s::text[])
   and c.relkind in ('v', 'm')
   and our.nspname = any (%(rebuilt)s::text[])
union all
select 'type', format_type(t.oid, null), our.nspname, 'type', t.oid::bigint,
       md5(concat_ws(
         E'\\n', t.typtype, format_type(t.typbasetype, t.typtypmod), t.typdefault, t.typnotnull,
         array(select pg_get_constraintdef(k.oid) from pg_constraint k
                where k.contypid = t.oid order by k.conname)::text,
         array(select e.enumlabel from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder)::text,
         array(select a.attname || ' ' || format_type(a.atttypid, a.atttypmod) from pg_attribute a
                where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped order by a.attnum)::text,
         array(select unnest(t.typacl)::text order by 1)::text, obj_description(t.oid, 'pg_type')
       ))
  from pg_type t
  join our on our.oid = t.typnamespace
 where 'type' = any (%(kinds)s::text[])
   and our.nspname = any (%(rebuilt)s::text[])
   and (t.typtype in ('d', 'e', 'r')
        or t.typtype = 'c' and exists (select from pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
union all
select 'trigger', quote_ident(t.tgname) || ' on ' || t.tgrelid::regclass::text, our.nspname, 'trigger', t.oid::bigint,
       md5(concat_ws(E'\\n', pg_get_triggerdef(t.oid), t.tgenabled, obj_description(t.oid, 'pg_trigger')))
  from pg_trigger t
  join pg_class c on c.oid = t.tgrelid
  join our on our.oid = c.relnamespace
 where 'trigger' = any (%(kinds)s::text[]) and not t.tgisinternal and t.tgparentid = 0
union all
select 'access', c.oid::regclass::text, our.nspname, 'table', c.oid::bigint,
       md5(concat_ws(
         E'\\n', c.relrowsecurity, c.relforcerowsecurity, array(select unnest(c.relacl)::text order by 1)::text,
         column_access.acl, policy.text
       ))
  from pg_class c
  join our on our.oid = c.relnamespace
  left join column_access on column_access.attrelid = c.oid
  left join policy on policy.polrelid = c.oid
 where 'access' = any (%(kinds)s::text[]) and c.relkind in ('r', 'p', 'f') and not c.relispartition
union all
select 'schema', quote_ident(our.nspname), our.nspname, 'schema', our.oid::bigint,
       md5(concat_ws(E'\\n', array(select unnest(n.nspacl)::text order by 1)::text))
  from our
  join pg_namespace n on n.oid = our.oid
 where 'schema' = any (%(kinds)s::text[])
"""
KINDS = ("function", "view", "type", "trigger", "access", "schema")
GRANTED = ("view", "access", "schema")  # what policies and grants decide about


@dataclass(frozen=True)
class Entry:
    """An object in the catalog: its key is (kind, identity); `sort` is the word that DROP wants."""

    kind: str
    identity: str
    schema: str
    sort: str
    oid: int
    fingerprint: str

    @property
    def key(self) -> tuple[str, str]:
        """Return what it is recorded under."""
        return self.kind, self.identity


def listing(
    session: Session, schemas: list[str], *, rebuilt: Sequence[str] = REBUILT, kinds: Sequence[str] = KINDS
) -> dict[tuple[str, str], Entry]:
    """Return every object of our schemas that a repeatable file could have made. Needs a transaction."""
    path = session.value("select current_setting('search_path')")
    session.rows("select set_config('search_path', 'pg_catalog', true)")
    rows = session.rows(_LISTING, {"schemas": schemas, "rebuilt": list(rebuilt), "kinds": list(kinds)})
    session.rows("select set_config('search_path', %s, true)", [path])
    entries = [Entry(*row) for row in rows]
    return {entry.key: entry for entry in entries}


def drop_statement(entry: Entry) -> sql.Composable:
    """Return the DROP of an object; the identity comes quoted from the catalog."""
    if entry.kind == "trigger":
        name, _, table = entry.identity.rpartition(" on ")
        return sql.SQL("drop trigger {} on {}").format(quoted(name), quoted(table))
    return sql.SQL("drop {} {}").format(quoted(entry.sort), quoted(entry.identity))


def drop_all(session: Session, entries: list[Entry]) -> list[StatementFailed]:
    """Drop objects that may depend on each other, never on CASCADE; returns the errors of those that remain."""
    left = sorted(entries, key=lambda entry: entry.oid, reverse=True)
    while left:
        errors = []
        remaining = []
        for entry in left:
            try:
                with session.savepoint():
                    session.execute(drop_statement(entry))
            except StatementFailed as error:
                if error.sqlstate != DEPENDED_ON:
                    raise
                errors.append(error)
                remaining.append(entry)
        if len(remaining) == len(left):
            return errors
        left = remaining
    return []


def grantees(session: Session, entry: Entry) -> list[str]:
    """Return who besides the owner has a privilege on an object: quoted role names, or `public`."""
    queries = {
        "function": "select proacl, proowner from pg_proc where oid = %(oid)s",
        "schema": "select nspacl, nspowner from pg_namespace where oid = %(oid)s",
        "access": "select relacl, relowner from pg_class where oid = %(oid)s"
        " union all select a.attacl, c.relowner from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where a.attrelid = %(oid)s and a.attacl is not null",
    }
    rows = session.rows(
        "select distinct case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end"
        f" from ({queries[entry.kind]}) o (acl, owner), aclexplode(o.acl) x where x.grantee <> o.owner order by 1",
        {"oid": entry.oid},
    )
    return [row[0] for row in rows]


def revoke_all(session: Session, entry: Entry) -> None:
    """Take every privilege on an object from everybody but its owner."""
    words = {"function": "routine", "schema": "schema", "access": "table"}
    for grantee in grantees(session, entry):
        statement = "revoke all on {} {} from {} cascade"
        parts = (words[entry.kind], entry.identity, grantee)
        session.execute(sql.SQL(statement).format(*map(quoted, parts)))


def drop_policies(session: Session, entry: Entry) -> None:
    """Drop all policies of a table."""
    for (name,) in session.rows("select polname from pg_policy where polrelid = %s order by polname", [entry.oid]):
        statement = sql.SQL("drop policy {} on {}").format(sql.Identifier(name), quoted(entry.identity))
        session.execute(statement)
