-- Writes a security event.

create or replace function core.log_security(
  kind text, user_id uuid, session_id uuid default null, org_id uuid default null, details jsonb default '{}'
)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_claims jsonb := core.claims();
  v_org_id uuid := log_security.org_id;
begin
  if v_org_id is null and log_security.user_id is not null then
    -- Seen as the user himself: all his organisations, and no other's.
    perform core.act_as(jsonb_build_object('sub', log_security.user_id));
    select case count(*) when 1 then (array_agg(m.org_id))[1] end
    into v_org_id
    from core.membership as m
    where m.user_id = log_security.user_id;
    perform core.act_as(coalesce(v_claims, '{}'));
  end if;
  insert into core.security_event (org_id, kind, user_id, session_id, address, details)
  values (
    v_org_id, log_security.kind, log_security.user_id, log_security.session_id, core.client_address(),
    log_security.details
  );
end
$$;

comment on function core.log_security(text, uuid, uuid, uuid, jsonb) is
  'Keep a security event, for the organisation given, else for the only one of the user. details must hold no secret.';
