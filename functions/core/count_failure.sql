-- Counts a failed attempt.

create or replace function core.count_failure(subject text, user_id uuid default null)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_limit integer := (
    core.installation_setting(
      case when count_failure.subject like '%address:%' then 'core.sign_in_address_failures' else 'core.sign_in_failures' end
    ) #>> '{}'
  )::integer;
  v_longest integer := (core.installation_setting('core.sign_in_lock_minutes') #>> '{}')::integer;
  v_minutes integer;
  v_row core.sign_in_failure;
begin
  insert into core.sign_in_failure as f (subject, window_started_at, failures, updated_at)
  values (count_failure.subject, v_now, 1, v_now)
  on conflict on constraint sign_in_failure_pkey do update
  set
    failures = case when f.window_started_at > v_now - interval '1 minute' then f.failures + 1 else 1 end,
    window_started_at = case
      when f.window_started_at > v_now - interval '1 minute' then f.window_started_at else v_now
    end,
    locks = case when f.updated_at > v_now - interval '1 day' then f.locks else 0 end,
    updated_at = v_now
  returning f.* into v_row;

  if v_row.failures >= v_limit then
    v_minutes := least(v_longest, power(2, least(v_row.locks, 20)))::integer;
    update core.sign_in_failure as f
    set failures = 0, locks = v_row.locks + 1, locked_until = v_now + make_interval(mins => v_minutes)
    where f.subject = count_failure.subject;
    perform core.log_security(
      case split_part(count_failure.subject, ':', 1)
        when 'account' then 'ACCOUNT_LOCKED' when 'address' then 'ADDRESS_LOCKED' else 'RESET_LOCKED'
      end,
      count_failure.user_id,
      details => jsonb_build_object('minutes', v_minutes)
    );
  end if;
end
$$;

comment on function core.count_failure(text, uuid) is
  'Count a failed attempt. The fifth within a minute locks the subject: for 1 minute, the next time for 2, 4 … up to an '
  'hour; a day without failures forgets it. Callers count the account before the address.';
