-- Trigger of the security events.

create or replace function core.tg_security_event__refuse()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.raise_error('core.security_event_immutable', jsonb_build_object('operation', tg_op));
  return null;
end
$$;

comment on function core.tg_security_event__refuse() is 'Refuses UPDATE, DELETE and TRUNCATE of security events';
