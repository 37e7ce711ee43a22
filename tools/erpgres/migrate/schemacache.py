"""What PostgREST keeps of the database in its schema cache, as one digest: it is told to look again when that changed.

To look again it opens all its connections anew, each of which learns the catalog from the beginning, and requests wait
for that. So it is told of what it keeps only: views, functions and types of `api`, keys of the tables behind the views,
settings of the roles. What it was told last is remembered in the database (`bookkeeping`), since a step or a migration
that was committed ahead may have changed it in a run that was cut off.
"""

from __future__ import annotations

from erpgres.migrate import bookkeeping
from erpgres.migrate.catalog import API_SCHEMA
from erpgres.migrate.session import Session

# A line for each thing, sorted. Names are qualified, as search_path is pg_catalog. Keys of partitions repeat those of
# their table. A type is one that a column or an argument has: what it is made of is not in its name.
_LINES = """
with recursive reached as (
  select c.oid from pg_class c where c.relnamespace = to_regnamespace(%(schema)s) and c.relkind <> 'i'
  union
  select d.refobjid
    from reached r
    join pg_rewrite w on w.ev_class = r.oid
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
),
shown as (
  select c.*
    from pg_class c
   where c.relnamespace = to_regnamespace(%(schema)s) and c.relkind in ('r', 'p', 'v', 'm', 'f')
),
routine as (
  select p.*
    from pg_proc p
   where p.pronamespace = to_regnamespace(%(schema)s)
      or p.pronargs > 0 and p.proargtypes[0] in (select s.reltype from shown s)
),
target as materialized (
  select w.ev_class as view, string_to_array(left(t.target, 200), ' ') as words
    from reached r
    join pg_rewrite w on w.ev_class = r.oid
    cross join lateral string_to_table(w.ev_action::text, ' :resname ') as t (target)
),
origin as materialized (
  select t.view, t.words[1] as name, t.words[5]::oid as origin, t.words[7]::smallint as number
    from target t
   where t.words[4] = ':resorigtbl' and t.words[5] <> '0'
),
lines as (
  select concat_ws(' ', 'schema', obj_description(to_regnamespace(%(schema)s), 'pg_namespace')) as line
  union all
  select concat_ws(' ', 'relation', s.oid::regclass, s.relkind, pg_relation_is_updatable(s.oid, true),
                   obj_description(s.oid, 'pg_class'))
    from shown s
  union all
  -- Of the text of a view only where its columns come from that are part of a key: through them it is embedded.
  select concat_ws(' ', 'from', o.view::regclass, o.name, o.origin::regclass, a.attname)
    from origin o
    join pg_attribute a on a.attrelid = o.origin and a.attnum = o.number
    join pg_class c on c.oid = o.origin
   where c.relkind in ('v', 'm')
      or (o.origin, o.number) in (
        select k.conrelid, unnest(k.conkey) from pg_constraint k where k.contype in ('p', 'u', 'f')
         union all
        select k.confrelid, unnest(k.confkey) from pg_constraint k where k.contype = 'f')
  union all
  select concat_ws(' ', 'column', s.oid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod),
                   a.attnotnull, a.attidentity, a.attgenerated, pg_get_expr(v.adbin, v.adrelid),
                   col_description(s.oid, a.attnum))
    from shown s
    join pg_attribute a on a.attrelid = s.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef v on v.adrelid = a.attrelid and v.adnum = a.attnum
  union all
  select concat_ws(' ', 'key', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid),
                   obj_description(k.oid, 'pg_constraint'))
    from pg_constraint k
   where k.contype in ('p', 'u', 'f')
     and k.conparentid = 0
     and k.conrelid in (select oid from reached)
     and (k.contype <> 'f' or k.confrelid in (select oid from reached))
  union all
  select concat_ws(' ', 'routine', p.oid::regprocedure, p.prokind, pg_get_function_arguments(p.oid),
                   case when p.prokind in ('f', 'p', 'a') then pg_get_function_result(p.oid) end, p.provolatile,
                   p.proretset, p.provariadic::regtype, p.proconfig, obj_description(p.oid, 'pg_proc'))
    from routine p
  union all
  select concat_ws(' ', 'enum', e.enumtypid::regtype, e.enumsortorder, e.enumlabel) from pg_enum e
  union all
  select concat_ws(' ', 'domain', t.oid::regtype, format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault)
    from pg_type t
   where t.typtype = 'd' and t.typnamespace not in ('information_schema'::regnamespace, 'pg_catalog'::regnamespace)
  union all
  select concat_ws(' ', 'cast', c.castsource::regtype, c.casttarget::regtype, c.castfunc::regprocedure, c.castcontext)
    from pg_cast c
    join pg_type t on t.oid in (c.castsource, c.casttarget) and t.typtype = 'd'
  union all
  select concat_ws(' ', 'setting', s.setrole::regrole, s.setconfig)
    from pg_db_role_setting s
   where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
)
select encode(sha256(convert_to(string_agg(line, E'\\n' order by line), 'UTF8')), 'hex')
  from (select distinct line collate "C" as line from lines) l
"""


def is_told(session: Session) -> bool:
    """Say whether PostgREST was told of all there is. In a transaction, as owner."""
    return bookkeeping.recorded_schema_cache(session) == _digest(session)


def is_new(session: Session) -> bool:
    """Say whether PostgREST has to look again, and remember that it is told. In a transaction, as owner."""
    return bookkeeping.record_schema_cache(session, _digest(session))


def _digest(session: Session) -> str:
    path = session.value("select current_setting('search_path')")
    session.rows("select set_config('search_path', 'pg_catalog', true)")
    digest = session.value(_LINES, {"schema": API_SCHEMA})
    session.rows("select set_config('search_path', %s, true)", [path])
    return str(digest)
