-- a partition has no grants
-- Policies of the table do not hold for who reads the partition itself.
select
  'partition_grant' as rule,
  c.oid::regclass::text as object,
  g.grantee::regrole::text || ' may ' || lower(g.privilege_type) as detail,
  'revoke it: rights are given on the table' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
cross join lateral aclexplode(c.relacl) as g
where n.nspowner = 'owner'::regrole
  and c.relispartition
  and c.relkind in ('r', 'p')
  and g.grantee not in (0, c.relowner);
