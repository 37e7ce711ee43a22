-- Row-level security policies.
select
  format('%s.%I', p.polrelid::regclass, p.polname) as identity,
  'table ' || p.polrelid::regclass::text as part_of,
  jsonb_build_object(
    'command', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
      else 'all' end,
    'kind', case when p.polpermissive then 'permissive' else 'restrictive' end,
    'roles', array(
      select case r when 0 then 'public' else pg_get_userbyid(r) end from unnest(p.polroles) as r order by 1
    ),
    'using', pg_get_expr(p.polqual, p.polrelid),
    'check', pg_get_expr(p.polwithcheck, p.polrelid),
    'comment', obj_description(p.oid, 'pg_policy'),
    '_table', p.polrelid::regclass::text,
    '_drop', format('drop policy %I on %s', p.polname, p.polrelid::regclass)
  ) as properties
from pg_policy as p
join pg_class as c on c.oid = p.polrelid
join ours on ours.oid = c.relnamespace
