-- Privileges that new objects get.
select
  format('of %I on %s%s', pg_get_userbyid(d.defaclrole),
    case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types'
      when 'n' then 'schemas' else 'large objects' end,
    coalesce(' in schema ' || quote_ident(n.nspname), '')) as identity,
  null as part_of,
  jsonb_build_object(
    'grants', array(
      select format('%s: %s%s', case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end,
        lower(a.privilege_type), case when a.is_grantable then ' with grant option' else '' end)
      from aclexplode(d.defaclacl) as a
      order by 1
    ),
    '_for', format('for role %I%s', pg_get_userbyid(d.defaclrole), coalesce(' in schema ' || quote_ident(n.nspname), '')),
    '_on', case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
      when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end
  ) as properties
from pg_default_acl as d
left join pg_namespace as n on n.oid = d.defaclnamespace
