-- everything of the API has a comment
-- PostgREST serves comments as the OpenAPI description: the first line is the summary.
select
  'api_documented' as rule,
  x.object,
  'has no comment' as detail,
  'comment on ' || x.kind || ' ' || x.object || ' is ''…''' as hint
from (
  select c.oid::regclass::text as object, 'view' as kind
  from pg_class as c
  inner join pg_namespace as n on n.oid = c.relnamespace
  where n.nspname in ('api', 'analytics')
    and c.relkind in ('v', 'm')
    and obj_description(c.oid, 'pg_class') is null
  union all
  select c.oid::regclass::text || '.' || a.attname, 'column'
  from pg_class as c
  inner join pg_namespace as n on n.oid = c.relnamespace
  inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where n.nspname in ('api', 'analytics')
    and c.relkind in ('v', 'm')
    and col_description(c.oid, a.attnum) is null
  union all
  select p.oid::regprocedure::text, 'function'
  from pg_proc as p
  inner join pg_namespace as n on n.oid = p.pronamespace
  where n.nspname = 'api'
    and obj_description(p.oid, 'pg_proc') is null
) as x;
