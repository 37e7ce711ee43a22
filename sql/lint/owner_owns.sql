-- everything belongs to owner
-- What another role owns escapes the default privileges, and a definer function would run with that role's rights.
select
  'owner_owns' as rule,
  x.object,
  'belongs to ' || x.owner::regrole::text as detail,
  'alter … owner to owner' as hint
from (
  select c.oid::regclass::text as object, c.relowner as owner, c.relnamespace as namespace
  from pg_class as c
  where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
  union all
  select p.oid::regprocedure::text, p.proowner, p.pronamespace
  from pg_proc as p
) as x
inner join pg_namespace as n on n.oid = x.namespace
where n.nspowner = 'owner'::regrole
  and x.owner <> 'owner'::regrole;
