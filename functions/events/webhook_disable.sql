-- Switches a webhook off.

-- Definer: why it is off is nobody's to write.
create or replace function api.webhook_disable(id uuid, version integer default null)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform core.require_permission('core.webhook.update');
  perform core.check_version('webhook', webhook_disable.version, w.version)
  from events.webhook as w
  where w.org_id = core.org_id() and w.id = webhook_disable.id
  for no key update;
  update events.webhook as w
  set is_active = false, disabled_because = 'USER'
  where w.org_id = core.org_id() and w.id = webhook_disable.id and w.is_active;
  if not exists (select from events.webhook as w where w.org_id = core.org_id() and w.id = webhook_disable.id) then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'webhook', 'id', webhook_disable.id));
  end if;
  return jsonb_build_object('id', webhook_disable.id, 'is_active', false);
end
$$;

comment on function api.webhook_disable(uuid, integer) is
  E'Switch a webhook off\n'
  'Nothing is sent from now on; what waits stays. Returns id and is_active. Errors: core.permission_missing (403), '
  'core.not_found (404), core.stale_version (412).';

grant execute on function api.webhook_disable(uuid, integer) to member, superadmin;
