-- a view that users reach runs with the rights of the caller
-- Without security_invoker the views of api and analytics would read as owner, and policies would bind nobody.
select
  'view_security_invoker' as rule,
  c.oid::regclass::text as object,
  'is not a security invoker' as detail,
  'create view … with (security_invoker = true)' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspname in ('api', 'analytics')
  and c.relkind = 'v'
  and not coalesce(c.reloptions && array['security_invoker=true', 'security_invoker=on'], false);
