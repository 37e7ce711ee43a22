-- Views and materialised views.
select
  c.oid::regclass::text as identity,
  'schema ' || quote_ident(ours.nspname) as part_of,
  jsonb_build_object(
    'kind', case c.relkind when 'v' then 'view' else 'materialized view' end,
    'owner', pg_get_userbyid(c.relowner),
    'definition', pg_get_viewdef(c.oid),
    'options', array(select o from unnest(c.reloptions) as o order by 1),
    'comment', obj_description(c.oid, 'pg_class'),
    'grants', array(
      select format('%s: %s%s', case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end,
        lower(a.privilege_type), case when a.is_grantable then ' with grant option' else '' end)
      from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) as a
      order by 1
    ),
    '_drop', format('drop %s %s', case c.relkind when 'v' then 'view' else 'materialized view' end, c.oid::regclass)
  ) as properties
from pg_class as c
join ours on ours.oid = c.relnamespace
where c.relkind in ('v', 'm')
  and not exists (select from extension_member as e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
