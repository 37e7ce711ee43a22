-- org_id is never null
-- A row of no organisation is seen by nobody, or by everybody whose policy forgot it.
select
  'tenant_column_required' as rule,
  c.oid::regclass::text as object,
  'org_id may be null' as detail,
  'org_id uuid not null default core.org_id()' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
inner join pg_attribute as o on o.attrelid = c.oid and o.attname = 'org_id' and not o.attisdropped
where n.nspowner = 'owner'::regrole
  and c.relkind in ('r', 'p')
  and not c.relispartition
  and not o.attnotnull;
