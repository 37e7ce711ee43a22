-- domain: core
-- why: the relay reads events as the role and with the claims of each subscriber, so its session is believed like PostgREST's
-- locks: none (functions)
-- breaking: no

create or replace function core.claims()
returns jsonb
language sql
stable
parallel safe
return case
  when session_user in ('authenticator', 'migrator', 'relay')
    then nullif(current_setting('request.jwt.claims', true), '')::jsonb
end;

comment on function core.claims() is
  'The verified claims of the request, or null. Believed only in sessions of PostgREST, of the relay and of the tools: '
  'anybody else could set the setting himself.';

create or replace function core.org_id()
returns uuid
language plpgsql
stable
parallel safe
as $$
begin
  if session_user in ('authenticator', 'migrator', 'relay') then
    return (nullif(current_setting('request.jwt.claims', true), '')::json ->> 'org_id')::uuid;
  end if;
  return (select a.org_id from core.analyst_login as a where a.login = session_user);
end
$$;

-- The relay acts for subscribers of these roles, whose rights on the tables behind the views it needs nothing of its own for.
grant usage on schema events to analyst, partner, member, superadmin;
