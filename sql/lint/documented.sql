-- every table and function has a comment
select
  'documented' as rule,
  x.object,
  'has no comment' as detail,
  'comment on ' || x.kind || ' ' || x.object || ' is ''…''' as hint
from (
  select c.oid::regclass::text as object, 'table' as kind
  from pg_class as c
  inner join pg_namespace as n on n.oid = c.relnamespace
  where n.nspowner = 'owner'::regrole
    and c.relkind in ('r', 'p')
    and not c.relispartition
    and obj_description(c.oid, 'pg_class') is null
  union all
  select p.oid::regprocedure::text, 'function'
  from pg_proc as p
  inner join pg_namespace as n on n.oid = p.pronamespace
  where n.nspowner = 'owner'::regrole
    and n.nspname <> 'api'
    and obj_description(p.oid, 'pg_proc') is null
) as x;
