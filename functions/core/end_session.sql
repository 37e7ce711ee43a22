-- Ends one session.

create or replace function core.end_session(session_id uuid, because text)
returns void
language sql
volatile
parallel unsafe
begin atomic
  update core.session as s
  set revoked_at = clock_timestamp(), revoked_because = end_session.because
  where s.id = end_session.session_id and s.revoked_at is null;
end;

comment on function core.end_session(uuid, text) is 'End one session, and with it all its refresh tokens';
