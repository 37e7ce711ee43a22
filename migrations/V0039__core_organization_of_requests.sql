-- domain: core
-- why: every policy of every statement asks for the organisation; an expression that is part of the plan costs a tenth of a call
-- locks: none (functions)
-- breaking: no

-- lint: allow right_tree: core.org_id(), which policies and defaults stand on, needs it
create function core.org_id_elsewhere()
returns uuid
language plpgsql
stable
parallel safe
as $$
begin
  if session_user in ('migrator', 'relay', 'worker') then
    return coalesce(
      nullif(current_setting('erpgres.org_id', true), ''),
      nullif(current_setting('request.jwt.claims', true), '')::json ->> 'org_id'
    )::uuid;
  end if;
  return (select a.org_id from core.analyst_login as a where a.login = session_user);
end
$$;

comment on function core.org_id_elsewhere() is
  'The organisation in sessions other than PostgREST''s: of the tools, the relay and the worker what they act for, of an analyst '
  'the one that his login is bound to. Asked through core.org_id().';

-- lint: allow right_tree: beside its function
grant execute on function core.org_id_elsewhere() to public;

-- Inlined: no call, no plan of its own.
create or replace function core.org_id()
returns uuid
language sql
stable
parallel safe
return case session_user
  when 'authenticator' then nullif(current_setting('erpgres.org_id', true), '')::uuid
  else core.org_id_elsewhere()
end;
