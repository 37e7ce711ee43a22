-- What runs before each request of the API: who is this, and may he still come in?

-- Definer: a user need not be able to read what is checked here.
create or replace function core.pre_request()
returns void
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_role text := current_setting('role');
  v_claims jsonb := core.claims();
  v_request_id text := nullif(current_setting('request.headers', true), '')::json ->> 'x-request-id';
  v_kind text;
  v_is_active boolean;
  v_is_limited boolean;
begin
  -- Nothing here may write a table: GET runs read only.
  if v_request_id is not null then
    perform set_config('application_name', left(v_request_id, 63), true);
  end if;
  if v_role = 'anon' then
    return;
  end if;

  if not (
    pg_input_is_valid(coalesce(v_claims ->> 'sub', ''), 'uuid')
    and pg_input_is_valid(coalesce(v_claims ->> 'org_id', v_claims ->> 'sub'), 'uuid')
    and pg_input_is_valid(coalesce(v_claims ->> 'partner_id', v_claims ->> 'sub'), 'uuid')
    and pg_input_is_valid(coalesce(v_claims ->> 'sid', v_claims ->> 'sub'), 'uuid')
    and pg_input_is_valid(coalesce(v_claims ->> 'api_key', v_claims ->> 'sub'), 'uuid')
  ) then
    perform core.raise_error('core.token_malformed');
  end if;
  if v_role in ('member', 'partner') and v_claims ->> 'org_id' is null then
    perform core.raise_error('core.organization_missing');
  end if;

  if v_role = 'superadmin' then
    select u.kind, u.is_active into v_kind, v_is_active from core.app_user as u where u.id = core.user_id();
  else
    select
      u.kind,
      u.is_active and m.is_active and o.is_active
      and (
        v_role = 'member'
        or exists (
          select
          from core.partner as p
          where p.org_id = m.org_id and p.id = m.partner_id and p.id = core.partner_id() and p.status <> 'INACTIVE'
        )
      )
    into v_kind, v_is_active
    from core.app_user as u
    join core.membership as m on m.user_id = u.id and m.org_id = core.org_id()
    join core.organization as o on o.id = m.org_id
    where u.id = core.user_id();
  end if;
  if not coalesce(v_is_active, false) then
    perform core.raise_error('core.user_inactive');
  end if;
  if (v_role, v_kind) not in (('member', 'INTERNAL'), ('partner', 'EXTERNAL'), ('superadmin', 'SUPER_ADMIN')) then
    perform core.raise_error('core.role_mismatch');
  end if;

  -- A token of ours ends with its session; one of an outside provider has none.
  if v_claims ->> 'sid' is null and exists (
    select from core.identity_provider as p where p.issuer = v_claims ->> 'iss' and p.is_active
  ) then
    return;
  end if;
  select s.is_limited
  into v_is_limited
  from core.session as s
  left join core.api_key as k on k.org_id = s.org_id and k.id = s.api_key_id
  where s.id = (v_claims ->> 'sid')::uuid
    and s.user_id = core.user_id()
    and s.org_id is not distinct from core.org_id()
    and s.api_key_id is not distinct from (v_claims ->> 'api_key')::uuid
    and s.revoked_at is null
    and s.expires_at > now()
    and (s.api_key_id is null or (k.revoked_at is null and k.expires_at > now()));
  if not found then
    perform core.raise_error('core.session_ended');
  end if;
  if v_is_limited
    and current_setting('request.path', true) not in ('/rpc/me', '/rpc/totp_begin', '/rpc/totp_confirm', '/rpc/sign_out')
  then
    perform core.raise_error('core.second_factor_setup');
  end if;
end
$$;

comment on function core.pre_request() is
  'Runs before each request (db-pre-request): puts the request id into application_name, and refuses with 401 a '
  'token whose user, membership, organisation or partner is not active, whose role does not fit the kind of the '
  'user, that lacks an organisation, or whose session or API key has ended; with 403 all but setting up a second '
  'factor where that is still to be done.';

grant execute on function core.pre_request() to anon, partner, member, superadmin, migrator;
