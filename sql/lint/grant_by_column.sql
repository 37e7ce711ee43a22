-- requests write listed columns, and never the organisation, the id or the status of a row
-- A grant on the whole table would include columns that functions keep: status, balances, who made it.
select
  'grant_by_column' as rule,
  c.oid::regclass::text as object,
  g.grantee::regrole::text || ' may ' || lower(g.privilege_type) || ' every column' as detail,
  'grant ' || lower(g.privilege_type) || ' (columns) on …' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
cross join lateral aclexplode(c.relacl) as g
where n.nspowner = 'owner'::regrole
  and g.privilege_type in ('INSERT', 'UPDATE')
  and g.grantee in (
    'anon'::regrole, 'partner'::regrole, 'member'::regrole, 'superadmin'::regrole, 'analyst'::regrole
  )
union all
select
  'grant_by_column' as rule,
  c.oid::regclass::text || '.' || a.attname as object,
  g.grantee::regrole::text || ' may update it' as detail,
  'leave the column out; a function changes it' as hint
from pg_attribute as a
inner join pg_class as c on c.oid = a.attrelid
inner join pg_namespace as n on n.oid = c.relnamespace
cross join lateral aclexplode(a.attacl) as g
where n.nspowner = 'owner'::regrole
  and g.privilege_type = 'UPDATE'
  and a.attname in ('org_id', 'id', 'status')
  and g.grantee in (
    'anon'::regrole, 'partner'::regrole, 'member'::regrole, 'superadmin'::regrole, 'analyst'::regrole
  );
