-- every tenant table has a policy for the owner
-- SECURITY DEFINER functions run as owner; without a policy they silently see nothing.
select
  'policy_for_owner' as rule,
  c.oid::regclass::text as object,
  'no policy is for owner' as detail,
  'create policy owner_all … to owner using (org_id = (select core.org_id())) with check (…)' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
inner join pg_attribute as o on o.attrelid = c.oid and o.attname = 'org_id' and not o.attisdropped
where n.nspowner = 'owner'::regrole
  and c.relkind in ('r', 'p')
  and not c.relispartition
  and not exists (select from pg_policy as p where p.polrelid = c.oid and 'owner'::regrole = any (p.polroles));
