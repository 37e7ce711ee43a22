-- Whether the caller may do something: asked by policies and functions at each request, so that taking a right away
-- acts at once.

-- Definer: users may be refused what others hold, and policies of the tables read here would ask this function again.
create or replace function core.has_permission(permission text, unit_id uuid default null)
returns boolean
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb := core.claims();
  v_org uuid := core.org_id();
  v_user uuid := (v_claims ->> 'sub')::uuid;
begin
  -- A session that an API key opened may do no more than the key says, now and not when its token was signed.
  if v_claims ? 'api_key' and not core.api_key_allows(has_permission.permission) then
    return false;
  end if;
  -- The role a SUPER_ADMIN's token switches to; nobody else can become it. Duties are not his.
  if current_setting('role') = 'superadmin' then
    return not core.is_duty(has_permission.permission);
  end if;
  -- His roles first and then each of them, which `offset 0` makes sure of: joined otherwise, every role of the organisation is
  -- looked at, and all that anybody holds.
  if exists (
    select
    from core.user_role as u
    cross join lateral (
      select
      from core.role_permission as p
      where p.org_id = v_org
        and p.role_id = u.role_id
        and p.permission = has_permission.permission
      offset 0
    ) as p
    where u.org_id = v_org
      and u.user_id = v_user
      and u.unit_id is null
  ) then
    return true;
  elsif exists (
    select
    from core.user_role as u
    cross join lateral (
      select
      from core.role as r
      where r.org_id = v_org
        and r.id = u.role_id
        and r.is_administrator
      offset 0
    ) as r
    where u.org_id = v_org
      and u.user_id = v_user
      and u.unit_id is null
  ) and not core.is_duty(has_permission.permission) then
    return true;
  end if;
  -- A statement of its own: most roles are held everywhere, and most questions name no unit.
  return has_permission.unit_id is not null and exists (
    select
    from core.user_role as u
    join core.role as r on r.org_id = u.org_id and r.id = u.role_id
    join core.org_unit as held on held.org_id = u.org_id and held.id = u.unit_id
    join core.org_unit as asked on asked.org_id = held.org_id and asked.path operator(public.<@) held.path
    where u.org_id = v_org
      and u.user_id = v_user
      and asked.id = has_permission.unit_id
      and (
        (r.is_administrator and not core.is_duty(has_permission.permission))
        or exists (
          select
          from core.role_permission as p
          where p.org_id = r.org_id and p.role_id = r.id and p.permission = has_permission.permission
        )
      )
  );
end
$$;

comment on function core.has_permission(text, uuid) is
  'Whether the signed-in user holds the permission. Without unit_id only roles held everywhere count; with it also '
  'those held in that unit or one above it. A duty (core.permission.is_duty) is not held by being an administrator. '
  'In policies: (select core.has_permission(''core.partner.create'')).';

grant execute on function core.has_permission(text, uuid) to partner, member, superadmin, migrator;

create or replace function core.api_key_allows(permission text)
returns boolean
language sql
stable
parallel safe
begin atomic
  select exists (
    select
    from core.api_key as k
    where k.org_id = core.org_id()
      and k.id = (core.claims() ->> 'api_key')::uuid
      and api_key_allows.permission = any (k.permissions)
  );
end;

comment on function core.api_key_allows(text) is 'Whether the API key that opened the session has the permission on its list';

create or replace function core.is_duty(permission text)
returns boolean
language sql
stable
parallel safe
begin atomic
  select exists (select from core.permission as p where p.code = is_duty.permission and p.is_duty);
end;

comment on function core.is_duty(text) is
  'Whether a permission is held only by roles that list it, not by being an administrator';

grant execute on function core.is_duty(text) to worker, migrator;
