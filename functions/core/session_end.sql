-- How long a session lasts.

create or replace function core.session_end(started_at timestamptz)
returns timestamptz
language sql
stable
parallel safe
return least(
  clock_timestamp()
  + make_interval(days => (core.installation_setting('core.refresh_token_days') #>> '{}')::integer),
  session_end.started_at + make_interval(days => (core.installation_setting('core.session_days') #>> '{}')::integer)
);

comment on function core.session_end(timestamptz) is
  'Until when a session that began then may now be refreshed: the days of a refresh token, but not beyond the longest session';
