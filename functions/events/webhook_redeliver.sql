-- Sends something again.

-- Definer: deliveries are nobody's to write.
create or replace function api.webhook_redeliver(delivery_id uuid)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform core.require_permission('core.webhook.update');
  update events.webhook_delivery as d
  set state = 'WAITING', attempts = 0, next_attempt_at = now(), finished_at = null
  where d.org_id = core.org_id() and d.id = webhook_redeliver.delivery_id;
  if not found then
    perform core.raise_error(
      'core.not_found', jsonb_build_object('entity', 'webhook delivery', 'id', webhook_redeliver.delivery_id)
    );
  end if;
  return jsonb_build_object('delivery_id', webhook_redeliver.delivery_id, 'state', 'WAITING');
end
$$;

comment on function api.webhook_redeliver(uuid) is
  E'Send an event to a webhook again\n'
  'Whatever became of the delivery before; webhook-id is the same, so a receiver that has it already can tell. Returns '
  'delivery_id and state. Errors: core.permission_missing (403), core.not_found (404).';

grant execute on function api.webhook_redeliver(uuid) to member, superadmin;
