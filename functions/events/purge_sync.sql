-- Removes what devices leave behind.

create or replace function events.purge_sync()
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_devices bigint;
  v_commands bigint;
begin
  delete from events.sync_device as d
  where greatest(d.created_at, d.pulled_at, d.pushed_at) < now() - interval '90 days';
  get diagnostics v_devices = row_count;
  -- A device that comes back later than this may repeat a command.
  delete from events.sync_command as c
  where c.executed_at < now() - interval '400 days';
  get diagnostics v_commands = row_count;
  return jsonb_build_object('devices', v_devices, 'commands', v_commands);
end
$$;

comment on function events.purge_sync() is
  'Forget devices that were away for 90 days (they get everything anew) and commands after 400. Returns how '
  'many. To be run daily.';

grant execute on function events.purge_sync() to worker, migrator;
