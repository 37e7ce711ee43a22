-- Gives a webhook another secret.

-- Definer: nobody reads or writes secrets.
create or replace function api.webhook_secret_rotate(id uuid, version integer default null)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_webhook events.webhook;
begin
  perform core.require_person();
  perform core.require_permission('core.webhook.update');
  update events.webhook as w
  set
    old_secret = w.secret,
    old_secret_until = now() + interval '24 hours',
    secret = events.make_webhook_secret(),
    version = coalesce(webhook_secret_rotate.version, w.version)
  where w.org_id = core.org_id() and w.id = webhook_secret_rotate.id
  returning w.* into v_webhook;
  if not found then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'webhook', 'id', webhook_secret_rotate.id));
  end if;
  perform set_config('response.headers', '[{"Cache-Control": "no-store"}]', true);
  return jsonb_build_object(
    'id', v_webhook.id, 'secret', v_webhook.secret, 'old_secret_until', v_webhook.old_secret_until
  );
end
$$;

comment on function api.webhook_secret_rotate(uuid, integer) is
  E'Change the secret of a webhook\n'
  'For 24 hours what is sent carries signatures of both. Returns id, secret (not shown again) and old_secret_until. '
  'Errors: core.permission_missing, core.api_key_refused (403), core.not_found (404), '
  'core.stale_version (412).';

grant execute on function api.webhook_secret_rotate(uuid, integer) to member;
