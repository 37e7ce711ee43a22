-- path: functions/core/who.sql
create function core.who()
returns jsonb
language sql
stable
parallel safe
return current_setting('request.jwt.claims', true)::jsonb;
