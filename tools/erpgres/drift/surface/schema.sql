-- Schemas, but for those of PostgreSQL.
select
  quote_ident(n.nspname) as identity,
  null as part_of,
  jsonb_build_object(
    'owner', pg_get_userbyid(n.nspowner),
    'comment', obj_description(n.oid, 'pg_namespace'),
    'grants', array(
      select format('%s: %s%s', case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end,
        lower(a.privilege_type), case when a.is_grantable then ' with grant option' else '' end)
      from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a
      where a.grantee <> n.nspowner
      order by 1
    ),
    '_drop', format('drop schema %I', n.nspname)
  ) as properties
from pg_namespace as n
where n.nspname !~ '^pg_'
  and n.nspname <> 'information_schema'
