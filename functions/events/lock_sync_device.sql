-- A device of the caller, known from its first pull on.

create or replace function events.lock_sync_device(device uuid, name text default null)
returns events.sync_device
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_device events.sync_device;
begin
  if lock_sync_device.device is null then
    perform core.raise_error('events.sync_malformed', jsonb_build_object('what', 'device'));
  end if;
  loop
    select d.*
    into v_device
    from events.sync_device as d
    where d.org_id = core.org_id()
      and d.user_id = core.user_id()
      and d.device = lock_sync_device.device
    for update;
    exit when v_device.id is not null;
    if (
      select count(*) from events.sync_device as d where d.org_id = core.org_id() and d.user_id = core.user_id()
    ) >= 20 then
      perform core.raise_error('events.sync_too_many_devices');
    end if;
    insert into events.sync_device as d (device, name)
    values (lock_sync_device.device, left(lock_sync_device.name, 100))
    on conflict on constraint device_once_a_user do nothing;
  end loop;
  return v_device;
end
$$;

comment on function events.lock_sync_device(uuid, text) is
  'The device of the caller with this id, made if it is new, locked until the transaction ends: one pull or push at a time';

grant execute on function events.lock_sync_device(uuid, text) to member, partner;
