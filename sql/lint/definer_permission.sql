-- a SECURITY DEFINER function of the API asks for a permission
-- It runs with more rights than its caller, so it is the one that has to ask: core.require_permission, or core.require_over_…
-- where the permission depends on whom it is used on. The few that anybody may call are exceptions.
select
  'definer_permission' as rule,
  p.oid::regproc::text as object,
  'calls no core.require_permission' as detail,
  'perform core.require_permission(…) as its first statement' as hint
from pg_proc as p
inner join pg_namespace as n on n.oid = p.pronamespace
where n.nspname = 'api'
  and p.prosecdef
  and coalesce(p.prosrc, '') || coalesce(pg_get_function_sqlbody(p.oid), '') !~ '\mrequire_(permission(_once)?|over_[a-z_]+)\(';
