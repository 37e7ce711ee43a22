-- Ends sessions of a user.

create or replace function core.end_sessions(
  user_id uuid, because text, org_id uuid default null, except_id uuid default null
)
returns integer
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_ended integer;
begin
  update core.session as s
  set revoked_at = clock_timestamp(), revoked_because = end_sessions.because
  where s.user_id = end_sessions.user_id
    and s.revoked_at is null
    and s.expires_at > clock_timestamp()
    and (end_sessions.org_id is null or s.org_id = end_sessions.org_id)
    and s.id is distinct from end_sessions.except_id;
  get diagnostics v_ended = row_count;
  return v_ended;
end
$$;

comment on function core.end_sessions(uuid, text, uuid, uuid) is
  'End the sessions of a user, in one organisation or in all, but for one; returns how many were open. The caller''s '
  'policies decide which it reaches.';
