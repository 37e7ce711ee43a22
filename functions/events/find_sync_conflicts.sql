-- Drafts that changed since the device saw them.

create or replace function events.find_sync_conflicts(device_id uuid, schema_version integer, changes jsonb)
returns table (table_name text, row_id uuid, is_missing boolean)
language plpgsql
stable
parallel unsafe
as $$
declare
  v_name text;
  v_rows uuid[];
  v_parents uuid[];
begin
  for v_name, v_rows, v_parents in
    select p.table_name, array_agg(p.row_id), array_agg(distinct p.root_id)
    from events.read_sync_push(find_sync_conflicts.device_id, find_sync_conflicts.changes) as p
    where p.push_kind in ('DRAFT', 'LINE')
      and p.row_id is not null
    group by p.table_name
  loop
    return query
    select v_name, r.id, s.row_id is null
    from unnest(v_rows) as r (id)
    left join events.sync_hashes(
      find_sync_conflicts.device_id, find_sync_conflicts.schema_version, v_name, v_rows, v_parents
    ) as s on s.row_id = r.id
    left join events.sync_held as h
      on h.org_id = core.org_id()
      and h.device_id = find_sync_conflicts.device_id
      and h.table_name = v_name
      and h.row_id = r.id
    where case
      when h.row_id is null then s.row_id is not null
      when s.row_id is null then true
      else s.hash is distinct from h.hash and s.hash is distinct from h.pushed_hash
    end;
  end loop;
end
$$;

comment on function events.find_sync_conflicts(uuid, integer, jsonb) is
  'Rows of a push that are not as the device holds them, be it that another changed them, that they are gone (is_missing), or '
  'that they are there though the device does not know it';

grant execute on function events.find_sync_conflicts(uuid, integer, jsonb) to member, partner;
