-- How long attempts are refused.

create or replace function core.seconds_locked(subjects text[])
returns integer
language sql
volatile
parallel unsafe
return (
  select coalesce(max(ceil(extract(epoch from f.locked_until - clock_timestamp()))), 0)::integer
  from core.sign_in_failure as f
  where f.subject = any (seconds_locked.subjects) and f.locked_until > clock_timestamp()
);

comment on function core.seconds_locked(text[]) is 'Seconds until none of these subjects is locked any more; 0: none is';
