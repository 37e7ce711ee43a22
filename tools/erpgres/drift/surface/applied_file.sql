-- Repeatable files as they were applied.
select
  f.path as identity,
  null as part_of,
  jsonb_build_object('text', f.sha256) as properties
from ops.repeatable_file as f
