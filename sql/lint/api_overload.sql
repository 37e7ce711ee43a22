-- a function of the API has one signature
-- PostgREST chooses among overloads by the keys of the request; a changed signature that left its twin is called by chance.
select
  'api_overload' as rule,
  'api.' || p.proname as object,
  'has ' || count(*) || ' signatures: ' || string_agg(p.oid::regprocedure::text, ', ' order by p.oid) as detail,
  'drop the old one in a migration, or name them differently' as hint
from pg_proc as p
inner join pg_namespace as n on n.oid = p.pronamespace
where n.nspname = 'api'
group by p.proname
having count(*) > 1;
