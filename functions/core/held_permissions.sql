-- All that the caller may do everywhere: core.has_permission for every permission at once.

-- Definer: as core.has_permission. One statement for all: asked one by one they are read a hundred times.
create or replace function core.held_permissions()
returns text[]
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb := core.claims();
  v_org uuid := core.org_id();
  v_roles uuid[];
  v_is_administrator boolean;
  v_listed text[];
begin
  if v_claims ? 'api_key' then
    v_listed := coalesce(
      (select k.permissions from core.api_key as k where k.org_id = v_org and k.id = (v_claims ->> 'api_key')::uuid), '{}'
    );
  end if;
  -- The role a SUPER_ADMIN's token switches to.
  v_is_administrator := current_setting('role') = 'superadmin';
  if not v_is_administrator then
    select array_agg(u.role_id)
    into v_roles
    from core.user_role as u
    where u.org_id = v_org
      and u.user_id = (v_claims ->> 'sub')::uuid
      and u.unit_id is null;
    v_is_administrator := exists (
      select from core.role as r where r.org_id = v_org and r.id = any (v_roles) and r.is_administrator
    );
  end if;
  return coalesce(
    (
      select array_agg(p.code order by p.code)
      from core.permission as p
      where (v_listed is null or p.code = any (v_listed))
        and (
          (v_is_administrator and not p.is_duty)
          or p.code in (
            select held.permission
            from core.role_permission as held
            where held.org_id = v_org and held.role_id = any (v_roles)
          )
        )
    ),
    '{}'
  );
end
$$;

comment on function core.held_permissions() is
  'The codes of the permissions for which core.has_permission(code) is true, sorted; never null';
