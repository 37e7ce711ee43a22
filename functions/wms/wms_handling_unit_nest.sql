-- A carton goes on a pallet, or comes off it.

create or replace function api.wms_handling_unit_nest(id uuid, parent_id uuid default null, version integer default null)
returns api.wms_handling_units
language plpgsql
volatile
parallel unsafe
-- definer: units are written by these functions only, which keep them and the balances together
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_unit wms.handling_unit;
  v_parent wms.handling_unit;
  v_height integer;
  v_row api.wms_handling_units;
begin
  perform core.require_permission('wms.handling_unit.update');
  if wms_handling_unit_nest.parent_id is not null then
    -- Both families at once, in the order of their ids.
    perform wms.lock_handling_units(array[wms_handling_unit_nest.id, wms_handling_unit_nest.parent_id]);
    v_parent := wms.lock_handling_unit(wms_handling_unit_nest.parent_id);
  end if;
  v_unit := wms.lock_handling_unit(wms_handling_unit_nest.id, wms_handling_unit_nest.version);

  if v_parent.id in (select f.id from wms.handling_unit_family(v_unit.id) as f (id)) then
    perform core.raise_error('wms.handling_unit_in_itself', jsonb_build_object('sscc', v_unit.sscc));
  elsif v_parent.location_id <> v_unit.location_id then
    perform core.raise_error('wms.handling_unit_elsewhere', jsonb_build_object('sscc', v_parent.sscc));
  end if;
  v_height := (
    select max(u.depth) - v_unit.depth + 1
    from wms.handling_unit as u
    where u.org_id = v_unit.org_id
      and u.id in (select f.id from wms.handling_unit_family(v_unit.id) as f (id))
  );
  if v_parent.depth + v_height > 3 then
    perform core.raise_error('wms.handling_unit_too_deep', jsonb_build_object('sscc', v_unit.sscc));
  end if;

  update wms.handling_unit as u
  set
    depth = u.depth + coalesce(v_parent.depth, 0) + 1 - v_unit.depth,
    parent_id = case when u.id = v_unit.id then v_parent.id else u.parent_id end
  where u.org_id = v_unit.org_id
    and u.id in (select f.id from wms.handling_unit_family(v_unit.id) as f (id))
    and (
      u.id = v_unit.id and u.parent_id is distinct from v_parent.id or coalesce(v_parent.depth, 0) + 1 <> v_unit.depth
    );

  select u.* into v_row from api.wms_handling_units as u where u.org_id = v_unit.org_id and u.id = v_unit.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_handling_unit_nest(uuid, uuid, integer) is
  'Put a handling unit into another, or take it out
parent_id is the unit that it goes into, which stands at the same position; left out, it comes out and stands by itself.
Three deep at most (wms.handling_unit_too_deep, 422). Needs wms.handling_unit.update.';

grant execute on function api.wms_handling_unit_nest(uuid, uuid, integer) to member, superadmin, migrator;
