-- Switches webhooks on and off.

-- Definer: the state of a webhook is nobody's to write.
create or replace function api.webhook_enable(id uuid, version integer default null)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform core.require_permission('core.webhook.update');
  perform core.check_version('webhook', webhook_enable.version, w.version)
  from events.webhook as w
  where w.org_id = core.org_id() and w.id = webhook_enable.id
  for no key update;
  update events.webhook as w
  set is_active = true, disabled_because = null
  where w.org_id = core.org_id() and w.id = webhook_enable.id and not w.is_active;
  if not exists (select from events.webhook as w where w.org_id = core.org_id() and w.id = webhook_enable.id) then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'webhook', 'id', webhook_enable.id));
  end if;
  update events.webhook_state as s
  set failures = 0, failing_since = null, resume_at = '-infinity'
  where s.org_id = core.org_id() and s.webhook_id = webhook_enable.id;
  return jsonb_build_object('id', webhook_enable.id, 'is_active', true);
end
$$;

comment on function api.webhook_enable(uuid, integer) is
  E'Switch a webhook on\n'
  'What waited when it was switched off is sent; what happened meanwhile is not: read it from /rpc/events_since. Ends a '
  'pause after failures. Returns id and is_active. Errors: core.permission_missing (403), core.not_found (404), '
  'core.stale_version (412).';

grant execute on function api.webhook_enable(uuid, integer) to member, superadmin;
