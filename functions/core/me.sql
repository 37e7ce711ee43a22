-- What a client asks first: who am I, and what may I do?

-- Definer: EXTERNAL users may not read roles and memberships; shown is only what concerns the caller.
create or replace function api.me()
returns jsonb
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_user uuid := core.user_id();
begin
  return jsonb_build_object(
    'user', (
      select jsonb_build_object('id', u.id, 'email', u.email, 'name', u.name, 'kind', u.kind)
      from core.app_user as u
      where u.id = v_user
    ),
    'organization', (
      select jsonb_build_object(
        'id', o.id, 'code', o.code, 'name', o.name, 'base_currency', o.base_currency, 'time_zone', o.time_zone,
        'today', core.today()
      )
      from core.organization as o
      where o.id = v_org
    ),
    'organizations', core.my_organizations(),
    'session', (
      select jsonb_build_object(
        'id', s.id, 'created_at', s.created_at, 'expires_at', s.expires_at, 'api_key_id', s.api_key_id,
        'second_factor_setup', s.is_limited
      )
      from core.session as s
      where s.id = (core.claims() ->> 'sid')::uuid
    ),
    'has_second_factor', exists (
      select from core.second_factor as f where f.user_id = v_user and f.confirmed_at is not null
    ),
    'partner', (
      select jsonb_build_object('id', p.id, 'code', p.code, 'name', p.name)
      from core.partner as p
      where p.org_id = v_org and p.id = core.partner_id()
    ),
    'roles', (
      select coalesce(
        jsonb_agg(jsonb_build_object('code', r.code, 'unit_id', u.unit_id) order by r.code, u.unit_id), '[]'
      )
      from core.user_role as u
      join core.role as r on r.org_id = u.org_id and r.id = u.role_id
      where u.org_id = v_org and u.user_id = v_user
    ),
    'permissions', to_jsonb(core.held_permissions())
  );
end
$$;

comment on function api.me() is
  E'Who is signed in, and what he may do\n'
  'user (id, email, name, kind), organization (id, code, name, base_currency, time_zone, today), '
  'organizations that he may switch to, session (id, created_at, expires_at, api_key_id, second_factor_setup), '
  'has_second_factor, partner of an '
  'EXTERNAL user (id, code, name), roles (code and the unit they are bound to), permissions held everywhere (sorted '
  'codes).';

grant execute on function api.me() to partner, member, superadmin;
