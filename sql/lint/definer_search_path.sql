-- a SECURITY DEFINER function fixes its search_path
-- To pg_catalog, pg_temp, in this order: without pg_temp at the end a caller's temporary table would come first.
select
  'definer_search_path' as rule,
  p.oid::regprocedure::text as object,
  'is a definer, and its search_path is ' || coalesce(
    (select split_part(s.item, '=', 2) from unnest(p.proconfig) as s (item) where s.item ~ '^search_path='), 'not set'
  ) as detail,
  'set search_path = pg_catalog, pg_temp' as hint
from pg_proc as p
inner join pg_namespace as n on n.oid = p.pronamespace
where n.nspowner = 'owner'::regrole
  and p.prosecdef
  and not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'], false);
