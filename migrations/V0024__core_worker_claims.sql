-- domain: core
-- why: the worker sends to a webhook what its user may see, so it reads events as that user, and its session is believed
-- locks: none (functions)
-- breaking: no

create or replace function core.claims()
returns jsonb
language sql
stable
parallel safe
return case
  when session_user in ('authenticator', 'migrator', 'relay', 'worker')
    then nullif(current_setting('request.jwt.claims', true), '')::jsonb
end;

comment on function core.claims() is
  'The verified claims of the request, or null. Believed only in sessions of PostgREST, of the relay, of the worker and of '
  'the tools: anybody else could set the setting himself.';

create or replace function core.org_id()
returns uuid
language plpgsql
stable
parallel safe
as $$
begin
  if session_user in ('authenticator', 'migrator', 'relay', 'worker') then
    return coalesce(
      nullif(current_setting('erpgres.org_id', true), ''),
      nullif(current_setting('request.jwt.claims', true), '')::json ->> 'org_id'
    )::uuid;
  end if;
  return (select a.org_id from core.analyst_login as a where a.login = session_user);
end
$$;
