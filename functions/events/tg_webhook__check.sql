-- Trigger of webhooks: where they may send to, and as whom.

-- Definer: who sets an address need not be able to read the installation's settings.
create or replace function events.tg_webhook__check()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.url !~ '^https?://[^\s/?#@\\]+([/?][^\s#\\]*)?$'
    or octet_length(new.url) > 2000
    or (new.url ~ '^http:' and not (core.installation_setting('events.webhook_http') #>> '{}')::boolean)
  then
    perform core.raise_error('events.webhook_url');
  end if;
  if tg_op = 'UPDATE' and new.url is distinct from old.url and core.user_id() is not null then
    -- The address decides who reads the events: so it is the rights of who sets it that count.
    perform core.require_person();
    new.user_id := core.user_id();
  end if;
  return new;
end
$$;

comment on function events.tg_webhook__check() is
  'BEFORE INSERT OR UPDATE: an address that is not http(s), or http where the installation does not allow it, is '
  'events.webhook_url (422); who changes the address becomes the user of the webhook, and is no API key';

create or replace trigger check_url before insert or update of url on events.webhook
for each row execute function events.tg_webhook__check();

create or replace trigger touch before update on events.webhook
for each row execute function core.tg_row__touch();

create or replace function events.tg_webhook__keep_state()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  insert into events.webhook_state (org_id, webhook_id) values (new.org_id, new.id);
  return null;
end
$$;

comment on function events.tg_webhook__keep_state() is
  'AFTER INSERT: the row of how the webhook fares';

create or replace trigger keep_state after insert on events.webhook
for each row execute function events.tg_webhook__keep_state();
