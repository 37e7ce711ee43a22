-- Makes a webhook.

-- Definer: nobody reads or writes secrets.
create or replace function api.webhook_create(name text, url text, event_types text[] default '{*}')
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
  perform core.require_permission('core.webhook.create');
  insert into events.webhook (name, url, event_types, secret)
  values (webhook_create.name, webhook_create.url, webhook_create.event_types, events.make_webhook_secret())
  returning * into v_webhook;
  perform set_config('response.headers', '[{"Cache-Control": "no-store"}]', true);
  return jsonb_build_object(
    'id', v_webhook.id, 'name', v_webhook.name, 'url', v_webhook.url, 'event_types', v_webhook.event_types,
    'user_id', v_webhook.user_id, 'is_active', v_webhook.is_active, 'secret', v_webhook.secret
  );
end
$$;

comment on function api.webhook_create(text, text, text[]) is
  E'Make a webhook\n'
  'url: where events are sent, https. event_types: types (partner.created), all of an entity (partner.*) or all (*, when '
  'left out). It gets what the user who makes it may see. Returns it with secret, which signs what is sent and is not '
  'shown again. Errors: core.permission_missing, core.api_key_refused (403), events.webhook_url (422), 23514 (400: '
  'name or event_types).';

grant execute on function api.webhook_create(text, text, text[]) to member;

create or replace function events.make_webhook_secret()
returns text
language sql
volatile
parallel unsafe
return 'whsec_' || encode(public.gen_random_bytes(32), 'base64');

comment on function events.make_webhook_secret() is 'A new secret of 256 bits, written as Standard Webhooks has it';
