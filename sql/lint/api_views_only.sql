-- the schema api holds views and functions only
-- A table there would be exposed as it is, and dropped with the next rebuild of the schema.
select
  'api_views_only' as rule,
  c.oid::regclass::text as object,
  'is no view' as detail,
  'make it in the schema of its domain, and a view of it in api' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = 'api'
  and c.relkind in ('r', 'p', 'f', 'm', 'S');
