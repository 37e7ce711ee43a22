-- Notes what came of sending.

create or replace function events.webhook_attempted(
  org_id uuid,
  delivery_id uuid,
  attempted_at timestamptz,
  milliseconds integer,
  http_status integer,
  error text,
  answer text,
  retry_after integer
)
returns boolean
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_is_good boolean := coalesce(webhook_attempted.http_status between 200 and 299, false);
  v_said text := coalesce(webhook_attempted.error, 'HTTP ' || webhook_attempted.http_status);
  v_delivery events.webhook_delivery;
  v_failures integer;
  v_failing_since timestamptz;
begin
  insert into events.webhook_attempt (org_id, delivery_id, attempted_at, milliseconds, http_status, error, answer)
  values (
    webhook_attempted.org_id, webhook_attempted.delivery_id, webhook_attempted.attempted_at,
    webhook_attempted.milliseconds, webhook_attempted.http_status, webhook_attempted.error,
    left(webhook_attempted.answer, 1000)
  );
  update events.webhook_delivery as d
  set
    attempts = d.attempts + 1,
    state = case
      when v_is_good then 'DELIVERED'
      when d.attempts + 1 >= 10 or webhook_attempted.http_status = 410 then 'DEAD'
      else 'WAITING'
    end,
    finished_at = case
      when v_is_good or d.attempts + 1 >= 10 or webhook_attempted.http_status = 410 then clock_timestamp()
    end,
    -- 15 seconds, 1, 4, 16, 64 minutes, 4.3 hours, then every 8, give or take a fifth: ten attempts in about 30 hours.
    next_attempt_at = clock_timestamp() + make_interval(
      secs => greatest(
        least(15 * 4 ^ d.attempts, 28800) * (0.8 + 0.4 * random()), least(coalesce(webhook_attempted.retry_after, 0), 3600)
      )
    ),
    last_error = case when not v_is_good then v_said end
  where d.org_id = webhook_attempted.org_id and d.id = webhook_attempted.delivery_id
  returning d.* into v_delivery;

  update events.webhook_state as s
  set
    failures = case when v_is_good then 0 else s.failures + 1 end,
    failing_since = case when not v_is_good then coalesce(s.failing_since, clock_timestamp()) end,
    -- From the third failure in a row the whole webhook rests: 15 seconds, doubling up to an hour.
    resume_at = case
      when v_is_good or s.failures < 2 then '-infinity'
      else clock_timestamp()
        + make_interval(secs => least(15 * 2 ^ least(s.failures - 2, 20), 3600) * (0.8 + 0.4 * random()))
    end,
    last_success_at = case when v_is_good then clock_timestamp() else s.last_success_at end,
    last_error = case when v_is_good then s.last_error else v_said end
  where s.org_id = webhook_attempted.org_id and s.webhook_id = v_delivery.webhook_id
  returning s.failures, s.failing_since into v_failures, v_failing_since;

  if webhook_attempted.http_status = 410 then
    perform events.switch_off_webhook(webhook_attempted.org_id, v_delivery.webhook_id, 'GONE');
  elsif v_failures >= 10 and v_failing_since < clock_timestamp() - make_interval(
    hours => (core.installation_setting('events.webhook_failing_hours') #>> '{}')::integer
  ) then
    perform events.switch_off_webhook(webhook_attempted.org_id, v_delivery.webhook_id, 'FAILING');
  end if;
  return v_is_good;
end
$$;

comment on function events.webhook_attempted(uuid, uuid, timestamptz, integer, integer, text, text, integer) is
  'Note an attempt at a delivery and what follows from it: delivered (2xx), again after a pause, or dead after ten; the '
  'webhook rests after failures in a row, and is switched off after days of them or by 410. True: delivered.';

grant execute on function events.webhook_attempted(uuid, uuid, timestamptz, integer, integer, text, text, integer)
to worker;

create or replace function events.switch_off_webhook(org_id uuid, id uuid, because text)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_name text;
begin
  update events.webhook as w
  set is_active = false, disabled_because = switch_off_webhook.because
  where w.org_id = switch_off_webhook.org_id and w.id = switch_off_webhook.id and w.is_active
  returning w.name into v_name;
  if found then
    perform events.emit(
      'webhook.disabled', 'webhook', switch_off_webhook.id,
      jsonb_build_object('because', switch_off_webhook.because, 'name', v_name), org_id => switch_off_webhook.org_id
    );
  end if;
end
$$;

comment on function events.switch_off_webhook(uuid, uuid, text) is
  'Switch a webhook off because it keeps failing, is gone, or its user no longer active, and say so in an event';

grant execute on function events.switch_off_webhook(uuid, uuid, text) to worker;

create or replace function events.webhook_skipped(org_id uuid, delivery_ids uuid[])
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  update events.webhook_delivery as d
  set state = 'SKIPPED', finished_at = clock_timestamp(), last_error = 'the user of the webhook may not see the event'
  where d.org_id = webhook_skipped.org_id and d.id = any (webhook_skipped.delivery_ids);
end
$$;

comment on function events.webhook_skipped(uuid, uuid[]) is 'Note deliveries that are not made: the user may not see the event';

grant execute on function events.webhook_skipped(uuid, uuid[]) to worker;
