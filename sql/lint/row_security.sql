-- row-level security is enabled and forced on every tenant table
-- Enabled alone, it does not bind the owner, as whom SECURITY DEFINER functions run. A table with policies needs it too.
select
  'row_security' as rule,
  c.oid::regclass::text as object,
  case when c.relrowsecurity then 'row-level security is not forced' else 'row-level security is not enabled' end as detail,
  'alter table … enable row level security; alter table … force row level security' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and c.relkind in ('r', 'p')
  and not c.relispartition
  and not (c.relrowsecurity and c.relforcerowsecurity)
  and (
    exists (select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'org_id' and not a.attisdropped)
    or exists (select from pg_policy as p where p.polrelid = c.oid)
  );
