-- The present state of rows that a device pushes.

create or replace function events.sync_hashes(
  device_id uuid,
  schema_version integer,
  table_name text,
  row_ids uuid[],
  parent_ids uuid[]
)
returns table (row_id uuid, parent_id uuid, hash bigint)
language plpgsql
stable
parallel unsafe
as $$
declare
  v_parent text;
begin
  select t.parent_column into strict v_parent from core.sync_table as t where t.name = sync_hashes.table_name;
  return query execute format(
    'select s.row_id, s.parent_id, hashtextextended(s.data, 0) from (%s and %s) as s where s.row_id = any ($3)',
    events.sync_query(sync_hashes.table_name, sync_hashes.schema_version),
    case when v_parent is null then 'v.id = any ($3)' else format('v.%I = any ($4)', v_parent) end
  )
  using core.org_id(), sync_hashes.device_id, sync_hashes.row_ids, sync_hashes.parent_ids;
end
$$;

comment on function events.sync_hashes(uuid, integer, text, uuid[], uuid[]) is
  'Of those of the rows that the caller sees and a device of his may hold, the hash of their state and what they belong to; '
  'rows that belong to others are looked for below parent_ids';

grant execute on function events.sync_hashes(uuid, integer, text, uuid[], uuid[]) to member, partner;
