-- domain: core
-- why: a request looks at one row, its session, to know whether it may come in; the organisation is read from a setting of
--   its own; user_create can give roles in a unit
-- locks: core.session ACCESS EXCLUSIVE, for the time of a few catalog changes and one pass over the open sessions
-- breaking: no

alter table core.session
add column role text,
add column partner_id uuid,
add column is_admitted boolean not null default true;

comment on column core.session.role is 'Database role of its tokens, by the kind of the user: member, partner or superadmin';
comment on column core.session.partner_id is 'Partner on whose behalf an EXTERNAL user signed in';
comment on column core.session.is_admitted is
  'Whether its user, membership, organisation, partner and API key are all such that he may come in; kept by triggers of '
  'those tables (core.readmit), so that each request need not look at them';

-- As migrator: policies bind the owner to one organisation. A new database has no sessions, and no grants yet.
do $$
begin
  if has_table_privilege('migrator', 'core.session', 'update') then
    set local role migrator;

    update core.session as s
    set
      role = case u.kind when 'SUPER_ADMIN' then 'superadmin' when 'INTERNAL' then 'member' else 'partner' end,
      partner_id = m.partner_id,
      is_admitted = coalesce(u.is_active, false)
        and (
          u.kind = 'SUPER_ADMIN'
          or (
            coalesce(m.is_active, false)
            and exists (select from core.organization as o where o.id = s.org_id and o.is_active)
            and (
              m.partner_id is null
              or exists (
                select from core.partner as p where p.org_id = s.org_id and p.id = m.partner_id and p.status <> 'INACTIVE'
              )
            )
          )
        )
        and (
          s.api_key_id is null
          or exists (
            select from core.api_key as k where k.org_id = s.org_id and k.id = s.api_key_id and k.revoked_at is null
          )
        )
    from core.app_user as u
    left join core.membership as m on m.user_id = u.id
    where u.id = s.user_id
      and (m.org_id is null or m.org_id = s.org_id);

    -- What is left belongs to somebody who is a member elsewhere only.
    update core.session as s set role = 'member', is_admitted = false where s.role is null;

    update core.session as s
    set expires_at = k.expires_at
    from core.api_key as k
    where k.org_id = s.org_id
      and k.id = s.api_key_id
      and s.expires_at > k.expires_at;

    set local role owner;
  end if;
end
$$;

alter table core.session
add constraint session_role_known check (role is not null and role in ('member', 'partner', 'superadmin')) not valid;
-- lint: allow squawk.constraint-missing-not-valid: every row was just written under the same lock; one pass more is short
alter table core.session validate constraint session_role_known;

-- The claims were read as JSON by every policy of every statement. Only core.pre_request() and core.act_as() write the
-- setting, always together with or right after the claims; where neither ran (tools), the claims tell.
create or replace function core.org_id()
returns uuid
language plpgsql
stable
parallel safe
as $$
begin
  if session_user in ('authenticator', 'migrator', 'relay') then
    return coalesce(
      nullif(current_setting('erpgres.org_id', true), ''),
      nullif(current_setting('request.jwt.claims', true), '')::json ->> 'org_id'
    )::uuid;
  end if;
  return (select a.org_id from core.analyst_login as a where a.login = session_user);
end
$$;

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

-- It takes the unit too (functions/core).
-- lint: allow squawk.ban-drop-function: the same transaction makes the new one, which takes every call of the old
drop function if exists api.user_create(text, text, text[], uuid);
