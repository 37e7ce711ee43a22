-- Removes what signing in leaves behind.

create or replace function core.purge_sign_in()
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_sessions bigint;
  v_failures bigint;
  v_resets bigint;
  v_messages bigint;
begin
  delete from core.session as s
  where s.expires_at < now() - interval '1 day'
    and (s.api_key_id is not null or s.expires_at < now() - interval '90 days');
  get diagnostics v_sessions = row_count;
  delete from core.sign_in_failure as f where f.updated_at < now() - interval '1 day';
  get diagnostics v_failures = row_count;
  delete from core.password_reset as r where r.expires_at < now() - interval '1 day';
  get diagnostics v_resets = row_count;
  delete from core.message_outbox as m where coalesce(m.sent_at, m.expires_at) < now() - interval '7 days';
  get diagnostics v_messages = row_count;
  return jsonb_build_object(
    'sessions', v_sessions, 'failures', v_failures, 'resets', v_resets, 'messages', v_messages
  );
end
$$;

comment on function core.purge_sign_in() is
  'Delete sessions that ended 90 days ago (those of API keys a day ago) with their refresh tokens, counters and reset '
  'tokens after a day, messages after a week; returns how many of each. To be run daily.';

grant execute on function core.purge_sign_in() to worker, migrator;
