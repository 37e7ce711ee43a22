-- A device begins anew, or takes back what it changed.

create or replace function api.sync_reset(device uuid, rows jsonb default null, is_removed boolean default false)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_device events.sync_device;
  v_count bigint;
begin
  select d.*
  into v_device
  from events.sync_device as d
  where d.org_id = core.org_id()
    and d.user_id = core.user_id()
    and d.device = sync_reset.device
  for update;
  if v_device.id is null then
    perform core.raise_error('events.sync_device_unknown', jsonb_build_object('device', sync_reset.device));
  elsif rows is not null
    and (
      jsonb_typeof(rows) <> 'object'
      or jsonb_path_exists(rows, 'strict $.* ? (@.type() != "array")')
      or jsonb_path_exists(rows, 'lax $.*[*] ? (@.type() != "string")')
    )
  then
    perform core.raise_error('events.sync_malformed', jsonb_build_object('what', 'rows'));
  end if;

  if is_removed then
    delete from events.sync_device as d where d.org_id = v_device.org_id and d.id = v_device.id;
  elsif rows is null then
    -- The number that the device will come back with is nobody's any more: it is sent everything in place of what it has.
    update events.sync_device as d
    set
      point = d.point + 1,
      confirmed_point = null,
      seen_xid = null
    where d.org_id = v_device.org_id
      and d.id = v_device.id;
    delete from events.sync_refusal as f where f.org_id = v_device.org_id and f.device_id = v_device.id;
  else
    delete from events.sync_refusal as f
    using jsonb_each(sync_reset.rows) as t (name, ids)
    cross join lateral jsonb_array_elements_text(t.ids) as i (id)
    where f.org_id = v_device.org_id
      and f.device_id = v_device.id
      and f.table_name = t.name
      and f.row_id::text = i.id;
    delete from events.sync_held as h
    using jsonb_each(sync_reset.rows) as t (name, ids)
    cross join lateral jsonb_array_elements_text(t.ids) as i (id)
    where h.org_id = v_device.org_id
      and h.device_id = v_device.id
      and h.table_name = t.name
      and h.row_id::text = i.id;
    update events.sync_device as d
    set seen_xid = null
    where d.org_id = v_device.org_id
      and d.id = v_device.id;
  end if;
  get diagnostics v_count = row_count;
  return jsonb_build_object('device', sync_reset.device, 'is_removed', is_removed, 'is_done', v_count > 0);
end
$$;

comment on function api.sync_reset(uuid, jsonb, boolean) is
  E'Let a device begin anew, or take back what it changed\n'
  'rows: {table: [id]}, which the device has thrown away (destroyPermanently): the next pull brings them as they are on the '
  'server, and their refusals are forgotten. Left out: the next pull brings everything in place of what the device holds. '
  'is_removed: the device is forgotten. Errors: events.sync_malformed (400), events.sync_device_unknown (404).';

grant execute on function api.sync_reset(uuid, jsonb, boolean) to member, partner;
