-- Migrations as they were applied, and their text.
select
  format('V%s', to_char(v.version, 'FM0000')) as identity,
  null as part_of,
  jsonb_build_object('name', v.description, 'text', f.sha256) as properties
from ops.schema_version as v
left join ops.migration_file as f on f.version = v.version
