-- Of which views all members of an organisation get the same rows.

create or replace function core.shared_views()
returns setof text
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with recursive reached as (
    select c.relname::text as view_name, c.tableoid as classid, c.oid as objid
    from pg_class as c
    where c.relnamespace = 'api'::regnamespace and c.relkind = 'v'
    union
    select r.view_name, e.refclassid, e.refobjid
    from reached as r
    cross join lateral (
      select d.refclassid, d.refobjid
      from pg_rewrite as w
      join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
      where w.ev_class = r.objid
      union all
      select d.refclassid, d.refobjid
      from pg_policy as p
      join pg_depend as d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
      where p.polrelid = r.objid
        and p.polcmd in ('r', '*')
        and p.polroles && array['member'::regrole::oid, 0::oid]
      union all
      select d.refclassid, d.refobjid
      from pg_attrdef as a
      join pg_depend as d on d.classid = 'pg_attrdef'::regclass and d.objid = a.oid
      join pg_attribute as t on t.attrelid = a.adrelid and t.attnum = a.adnum and t.attgenerated <> ''
      where a.adrelid = r.objid
    ) as e
    where r.classid = 'pg_class'::regclass and e.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass)
  ),
  -- Nothing that may ask who it is: of our functions only the one that names the organisation, and of PostgreSQL's none that
  -- reads the session.
  personal as (
    select r.view_name
    from reached as r
    join pg_proc as p on p.oid = r.objid
    where r.classid = 'pg_proc'::regclass and p.provolatile <> 'i' and p.oid <> 'core.org_id()'::regprocedure
    union
    select r.view_name
    from reached as r
    join pg_class as c on c.oid = r.objid
    where r.classid = 'pg_class'::regclass
      and (
        c.relkind not in ('v', 'r', 'p')
        or (c.relkind = 'v' and pg_get_viewdef(c.oid) ~* '\m(current_setting|current_user|session_user|current_role|user)\M')
        or exists (
          select
          from pg_policy as p
          where p.polrelid = c.oid
            and p.polcmd in ('r', '*')
            and p.polroles && array['member'::regrole::oid, 0::oid]
            and pg_get_expr(p.polqual, p.polrelid) ~* '\m(current_setting|current_user|session_user|current_role|user)\M'
        )
      )
  )
  select distinct r.view_name from reached as r where r.view_name not in (select q.view_name from personal as q);
$$;

comment on function core.shared_views() is
  'The views of the API that show every member of an organisation the same rows: neither they nor the policies behind them call '
  'anything that may ask who the caller is. For the gateway''s cache, which may then give one''s answer to another.';

grant execute on function core.shared_views() to relay, migrator;
