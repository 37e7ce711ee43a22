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
end
$$;

comment on function core.pre_request() is
  'Runs before each request (db-pre-request): puts the request id into application_name, and refuses with 401 a '
  'token whose user, membership, organisation or partner is not active, whose role does not fit the kind of the '
  'user, or that lacks an organisation.';

grant execute on function core.pre_request() to anon, partner, member, superadmin, migrator;
