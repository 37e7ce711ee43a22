-- no private function takes or returns the row type of a view that is made anew
-- The views of api and analytics are dropped and made again with each release. A private function whose argument or result
-- is the row type of one would have to go with it, and everything that uses the function after it; the migration is refused.
-- A private function takes and returns the row type of its table, or columns of its own.
select
  'row_type_of_view' as rule,
  p.oid::regprocedure::text as object,
  'its signature has the row type of ' || string_agg(distinct v.oid::regclass::text, ', ') as detail,
  'take or return the row of the table, or `returns table (…)`' as hint
from pg_proc as p
inner join pg_namespace as n on n.oid = p.pronamespace
cross join unnest(p.proargtypes::oid[] || coalesce(p.proallargtypes, '{}') || p.prorettype) as a (type_id)
inner join pg_type as t on t.oid = a.type_id
left join pg_type as e on e.oid = t.typelem and t.typcategory = 'A'
left join pg_type as b on b.oid = coalesce(e.typbasetype, t.typbasetype)
inner join pg_class as v on v.oid in (t.typrelid, e.typrelid, b.typrelid)
inner join pg_namespace as w on w.oid = v.relnamespace
where n.nspowner = 'owner'::regrole
  and n.nspname not in ('api', 'analytics')
  and w.nspname in ('api', 'analytics')
  and v.relkind in ('v', 'm')
group by p.oid;
