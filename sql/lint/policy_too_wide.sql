-- a policy that shows every row is for a role that works for all organisations
-- These are migrator, superadmin, relay, worker and monitor. For everybody else a row has to belong to the caller.
select
  'policy_too_wide' as rule,
  p.polrelid::regclass::text || '.' || p.polname as object,
  'shows every row to ' || array_to_string(p.polroles::regrole[]::text[], ', ') as detail,
  'using (org_id = (select core.org_id()))' as hint
from pg_policy as p
inner join pg_class as c on c.oid = p.polrelid
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and (
    pg_get_expr(p.polqual, p.polrelid) = 'true'
    or (p.polcmd in ('a', '*') and pg_get_expr(p.polwithcheck, p.polrelid) = 'true')
  )
  and not p.polroles <@ array[
    'migrator'::regrole::oid, 'superadmin'::regrole::oid, 'relay'::regrole::oid, 'worker'::regrole::oid,
    'monitor'::regrole::oid
  ];
