-- Messages to people, for whoever delivers them.

create or replace function core.send_message(kind text, recipient text, payload jsonb, lasts interval)
returns uuid
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_id uuid := uuidv7();
begin
  insert into core.message_outbox (id, kind, recipient, payload, expires_at)
  values (
    v_id, send_message.kind, send_message.recipient, send_message.payload, clock_timestamp() + send_message.lasts
  );
  return v_id;
end
$$;

comment on function core.send_message(text, text, jsonb, interval) is
  'Put a message into the outbox; after it has lasted so long it is not sent any more';

create or replace function core.send_password_token(user_id uuid, email text, kind text, lasts interval)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_token text := core.make_secret('epr_');
begin
  insert into core.password_reset (token_hash, user_id, expires_at)
  values (
    sha256(convert_to(v_token, 'UTF8')), send_password_token.user_id, clock_timestamp() + send_password_token.lasts
  );
  perform core.send_message(
    send_password_token.kind, send_password_token.email, jsonb_build_object('token', v_token), send_password_token.lasts
  );
end
$$;

comment on function core.send_password_token(uuid, text, text, interval) is
  'Send a user a token that sets his password once: an invitation, or what he asked for';

create or replace function core.message_sent(id uuid)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  update core.message_outbox as m
  set sent_at = clock_timestamp(), payload = '{}', attempts = m.attempts + 1, last_error = null
  where m.id = message_sent.id and m.sent_at is null;
end
$$;

comment on function core.message_sent(uuid) is 'Note that a message was delivered, and forget what it held';

grant execute on function core.message_sent(uuid) to worker, migrator;
