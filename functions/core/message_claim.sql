-- Gives messages to whoever delivers them, and notes how that went.

create or replace function core.message_claim()
returns setof core.message_outbox
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_message core.message_outbox;
begin
  update core.message_outbox as m
  set failed_at = clock_timestamp(), payload = '{}', last_error = coalesce(m.last_error, 'not delivered in time')
  where m.sent_at is null and m.failed_at is null and m.expires_at <= clock_timestamp();
  for v_message in
    select *
    from core.message_outbox as m
    where m.sent_at is null and m.failed_at is null and m.next_attempt_at <= clock_timestamp()
    order by m.id
  loop
    -- By the session, not by the transaction: one that stays open while a mail server thinks would hold up the feed.
    if not pg_try_advisory_lock(ops.lock_key('message', v_message.id)) then
      continue;
    end if;
    select *
    into v_message
    from core.message_outbox as m
    where m.id = v_message.id and m.sent_at is null and m.failed_at is null and m.next_attempt_at <= clock_timestamp()
    for update skip locked;
    if found then
      return next v_message;
      return;
    end if;
    perform pg_advisory_unlock(ops.lock_key('message', v_message.id));
  end loop;
end
$$;

comment on function core.message_claim() is
  'Take the message that has waited longest, for this session; no row: there is none. Messages that are too old are given '
  'up first. The session holds an advisory lock on it until it unlocks or ends.';

grant execute on function core.message_claim() to worker;

create or replace function core.message_failed(id uuid, error text, is_final boolean)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  update core.message_outbox as m
  set
    attempts = m.attempts + 1,
    last_error = left(message_failed.error, 500),
    next_attempt_at = clock_timestamp() + make_interval(secs => least(10 * 2 ^ m.attempts, 900)) * (0.9 + random() / 5),
    failed_at = case when message_failed.is_final then clock_timestamp() end,
    payload = case when message_failed.is_final then '{}' else m.payload end
  where m.id = message_failed.id and m.sent_at is null;
end
$$;

comment on function core.message_failed(uuid, text, boolean) is
  'Note why a message was not delivered: it is tried again after a pause (10 seconds, doubling up to 15 minutes), or given '
  'up when is_final';

grant execute on function core.message_failed(uuid, text, boolean) to worker;
