-- In which units the caller may do something, whether he holds it everywhere or in some.

create or replace function records.all_permitted_units(permission text)
returns uuid[]
language plpgsql
stable
parallel safe
-- definer: as core.permitted_units; tells only of the caller himself
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if core.has_permission(all_permitted_units.permission) or (session_user = 'migrator' and core.user_id() is null) then
    return coalesce((select array_agg(u.id) from core.org_unit as u where u.org_id = core.org_id()), '{}');
  end if;
  return core.permitted_units(all_permitted_units.permission);
end
$$;

comment on function records.all_permitted_units(text) is
  'The units in which the caller holds the permission: all of them if he holds it everywhere; never null. In policies: '
  'unit_id = any ((select records.all_permitted_units(''records.crate.read''))::uuid[]).';

grant execute on function records.all_permitted_units(text) to member, superadmin, migrator;

create or replace function records.is_in_central()
returns boolean
language plpgsql
stable
parallel safe
-- definer: as core.permitted_units; tells only of the caller himself
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select
    from core.org_unit as u
    where u.org_id = core.org_id()
      and u.kind = 'CENTRAL'
      and u.id = any (records.all_permitted_units('records.crate.read'))
  );
end
$$;

comment on function records.is_in_central() is
  'Whether the caller sees crates in a unit of kind CENTRAL, and with that those of other units that are flagged for it';

grant execute on function records.is_in_central() to member, superadmin, migrator;
