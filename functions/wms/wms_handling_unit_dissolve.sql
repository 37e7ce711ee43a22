-- A handling unit that is no more.

create or replace function api.wms_handling_unit_dissolve(id uuid, reason text, version integer default null)
returns api.wms_handling_units
language plpgsql
volatile
parallel unsafe
-- definer: units, contents and balances are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_unit wms.handling_unit;
  v_items uuid[];
  v_lots uuid[];
  v_taken numeric[];
  v_row api.wms_handling_units;
begin
  perform core.require_permission('wms.handling_unit.update');
  v_unit := wms.lock_handling_unit(wms_handling_unit_dissolve.id, wms_handling_unit_dissolve.version);
  if exists (
    select from wms.handling_unit as u where u.org_id = v_unit.org_id and u.parent_id = v_unit.id
  ) then
    perform core.raise_error('wms.handling_unit_not_empty', jsonb_build_object('sscc', v_unit.sscc));
  end if;

  select
    coalesce(array_agg(c.item_id order by c.item_id, c.lot_id), '{}'),
    coalesce(array_agg(c.lot_id order by c.item_id, c.lot_id), '{}'),
    coalesce(array_agg(- c.quantity order by c.item_id, c.lot_id), '{}')
  into v_items, v_lots, v_taken
  from wms.handling_unit_content as c
  where c.org_id = v_unit.org_id
    and c.handling_unit_id = v_unit.id;
  perform wms.lock_balances(
    v_unit.warehouse_id, v_items, v_lots, array_fill(v_unit.location_id, array[cardinality(v_items)])
  );
  perform wms.change_packed(v_unit.warehouse_id, v_unit.location_id, v_items, v_lots, v_taken);
  delete from wms.handling_unit_content as c
  where c.org_id = v_unit.org_id
    and c.handling_unit_id = v_unit.id;
  update wms.handling_unit as u
  set
    status = 'DISSOLVED',
    status_reason = nullif(btrim(wms_handling_unit_dissolve.reason), ''),
    parent_id = null,
    depth = 1
  where u.org_id = v_unit.org_id
    and u.id = v_unit.id;

  select u.* into v_row from api.wms_handling_units as u where u.org_id = v_unit.org_id and u.id = v_unit.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_handling_unit_dissolve(uuid, text, integer) is
  'Unpack a handling unit for good
All that is in it lies loose where it stood, and its number is not used again. Units that lie in it are taken out before
(wms.handling_unit_not_empty, 409). A reason is needed. Needs wms.handling_unit.update.';

grant execute on function api.wms_handling_unit_dissolve(uuid, text, integer) to member, superadmin, migrator;
