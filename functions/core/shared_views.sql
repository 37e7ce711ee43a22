-- Of which views all members of an organisation get the same rows.

create or replace function core.shared_views()
returns setof text
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with reached as materialized (
    select o.view_name, o.classid, o.objid from core.api_objects('{member}', false) as o
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
