-- everybody has no right on tables and schemas
select
  'public_grant' as rule,
  x.object,
  'PUBLIC may ' || lower(g.privilege_type) as detail,
  'revoke it; grant to the roles that need it' as hint
from (
  select c.oid::regclass::text as object, c.relacl as acl
  from pg_class as c
  inner join pg_namespace as n on n.oid = c.relnamespace
  where n.nspowner = 'owner'::regrole
  union all
  select n.nspname::text, n.nspacl
  from pg_namespace as n
  where n.nspowner = 'owner'::regrole
    or n.nspname = 'public'
) as x
cross join lateral aclexplode(x.acl) as g
where g.grantee = 0;
