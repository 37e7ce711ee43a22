-- Extensions; who owns one depends on who was allowed to make it.
select
  quote_ident(x.extname) as identity,
  null as part_of,
  jsonb_build_object(
    'version', x.extversion,
    'schema', n.nspname,
    '_create', format('create extension %I schema %I', x.extname, n.nspname),
    '_drop', format('drop extension %I', x.extname)
  ) as properties
from pg_extension as x
join pg_namespace as n on n.oid = x.extnamespace
