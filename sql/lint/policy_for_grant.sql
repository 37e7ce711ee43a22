-- a command that a role is granted has a policy
-- Under row-level security a grant without a policy is silence: no rows, or UPDATE 0, and nobody learns why.
with granted as (
  select c.oid, g.grantee, g.privilege_type
  from pg_class as c
  inner join pg_namespace as n on n.oid = c.relnamespace
  cross join lateral aclexplode(c.relacl) as g
  where n.nspowner = 'owner'::regrole
    and c.relkind in ('r', 'p')
    and c.relrowsecurity
    and not c.relispartition
  union
  select c.oid, g.grantee, g.privilege_type
  from pg_class as c
  inner join pg_namespace as n on n.oid = c.relnamespace
  inner join pg_attribute as a on a.attrelid = c.oid and not a.attisdropped
  cross join lateral aclexplode(a.attacl) as g
  where n.nspowner = 'owner'::regrole
    and c.relkind in ('r', 'p')
    and c.relrowsecurity
    and not c.relispartition
)

select
  'policy_for_grant' as rule,
  t.oid::regclass::text as object,
  t.grantee::regrole::text || ' may ' || lower(t.privilege_type) || ', and has no policy for it' as detail,
  'write the policy, or take the grant away' as hint
from granted as t
where t.grantee not in (0, 'owner'::regrole)
  and t.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
  and not exists (
    select
    from pg_policy as p
    where p.polrelid = t.oid
      and t.grantee = any (p.polroles)
      and p.polcmd in (
        '*',
        case t.privilege_type when 'SELECT' then 'r' when 'INSERT' then 'a' when 'UPDATE' then 'w' else 'd' end
      )
  );
