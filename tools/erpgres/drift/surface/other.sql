-- Everything else that somebody can make in a database: casts, operators and their classes, collations, text search,
-- foreign servers, languages, conversions, transforms. We make none, so that there is one is all there is to say.
select
  format('%s %s', o.type, o.identity) as identity,
  null as part_of,
  jsonb_build_object('_drop', format('drop %s %s', o.type, o.identity)) as properties
from (
  select 'pg_cast'::regclass as classid, oid from pg_cast where oid >= 16384
  union all
  select 'pg_operator'::regclass, oid from pg_operator where oid >= 16384
  union all
  select 'pg_opclass'::regclass, oid from pg_opclass where oid >= 16384
  union all
  select 'pg_opfamily'::regclass, oid from pg_opfamily where oid >= 16384
  union all
  select 'pg_conversion'::regclass, oid from pg_conversion where oid >= 16384
  union all
  select 'pg_collation'::regclass, oid from pg_collation where oid >= 16384
  union all
  select 'pg_ts_config'::regclass, oid from pg_ts_config where oid >= 16384
  union all
  select 'pg_ts_dict'::regclass, oid from pg_ts_dict where oid >= 16384
  union all
  select 'pg_ts_parser'::regclass, oid from pg_ts_parser where oid >= 16384
  union all
  select 'pg_ts_template'::regclass, oid from pg_ts_template where oid >= 16384
  union all
  select 'pg_foreign_data_wrapper'::regclass, oid from pg_foreign_data_wrapper where oid >= 16384
  union all
  select 'pg_foreign_server'::regclass, oid from pg_foreign_server where oid >= 16384
  union all
  select 'pg_language'::regclass, oid from pg_language where oid >= 16384
  union all
  select 'pg_transform'::regclass, oid from pg_transform where oid >= 16384
  union all
  select 'pg_am'::regclass, oid from pg_am where oid >= 16384
) as c
cross join lateral pg_identify_object(c.classid, c.oid, 0) as o
where not exists (select from extension_member as e where e.classid = c.classid and e.objid = c.oid)
