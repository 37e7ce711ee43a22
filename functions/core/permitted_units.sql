-- In which units the caller may do something that he may not do everywhere.

-- Definer: as core.has_permission.
create or replace function core.permitted_units(permission text)
returns uuid[]
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if core.claims() ? 'api_key' and not core.api_key_allows(permitted_units.permission) then
    return '{}';
  end if;
  return coalesce(
    (
      select array_agg(distinct below.id)
      from core.user_role as u
      join core.role as r on r.org_id = u.org_id and r.id = u.role_id
      join core.org_unit as held on held.org_id = u.org_id and held.id = u.unit_id
      join core.org_unit as below on below.org_id = held.org_id and below.path operator(public.<@) held.path
      where u.org_id = core.org_id()
        and u.user_id = core.user_id()
        and (
          (r.is_administrator and not core.is_duty(permitted_units.permission))
          or exists (
            select
            from core.role_permission as p
            where p.org_id = r.org_id and p.role_id = r.id and p.permission = permitted_units.permission
          )
        )
    ),
    '{}'
  );
end
$$;

comment on function core.permitted_units(text) is
  'The units in which roles that the user holds there or above give the permission, those below included; never null. In '
  'policies, beside has_permission: unit_id = any ((select core.permitted_units(''core.user_role.create''))::uuid[]).';

grant execute on function core.permitted_units(text) to partner, member, superadmin, migrator;

create or replace function core.require_over_user(permission text, user_id uuid)
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_units uuid [];
begin
  if core.has_permission(require_over_user.permission) or (session_user = 'migrator' and core.user_id() is null) then
    return;
  end if;
  v_units := core.permitted_units(require_over_user.permission);
  if cardinality(v_units) = 0
    or not exists (select from core.user_role as u where u.org_id = core.org_id() and u.user_id = require_over_user.user_id)
    or exists (
      select
      from core.user_role as u
      where u.org_id = core.org_id()
        and u.user_id = require_over_user.user_id
        and (u.unit_id is null or u.unit_id <> all (v_units))
    )
  then
    perform core.raise_error(
      'core.permission_missing', jsonb_build_object('permission', require_over_user.permission)
    );
  end if;
end
$$;

comment on function core.require_over_user(text, uuid) is
  'Raise core.permission_missing (403) unless the caller holds the permission everywhere, or in units which hold all roles '
  'of that user, who has one at least: who keeps the users of a branch has no say over those who work elsewhere too.';

grant execute on function core.require_over_user(text, uuid) to member, superadmin, migrator;
