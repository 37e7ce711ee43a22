-- no column or function has a type that cannot hold a decimal fraction
-- 0.1 + 0.2 is not 0.3 in real and double precision; money is a type of one currency, that of the server's locale.
select
  'no_float' as rule,
  x.object,
  'is ' || format_type(x.type, x.typmod) as detail,
  'numeric, with its unit or currency beside it' as hint
from (
  select
    c.oid::regclass::text || '.' || a.attname as object,
    a.atttypid as type,
    a.atttypmod as typmod
  from pg_class as c
  inner join pg_namespace as n on n.oid = c.relnamespace
  inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where n.nspowner = 'owner'::regrole
    and c.relkind in ('r', 'p', 'v', 'm')
    and not c.relispartition
  union all
  select
    p.oid::regprocedure::text,
    t.type,
    null
  from pg_proc as p
  inner join pg_namespace as n on n.oid = p.pronamespace
  cross join lateral unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype) as t (type)
  where n.nspowner = 'owner'::regrole
) as x
inner join pg_type as e on e.oid = x.type
where coalesce(nullif(e.typelem, 0), x.type) in ('real'::regtype, 'double precision'::regtype, 'money'::regtype);
