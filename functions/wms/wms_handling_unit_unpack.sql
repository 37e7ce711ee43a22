-- Goods that come out of a handling unit and lie loose beside it.

create or replace function api.wms_handling_unit_unpack(
  id uuid,
  item_id uuid,
  quantity numeric default null,
  lot_id uuid default null,
  unit_code text default null,
  version integer default null
)
returns api.wms_handling_units
language plpgsql
volatile
parallel unsafe
-- definer: contents and balances are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_unit wms.handling_unit;
  v_item core.item;
  v_packed numeric;
  v_quantity numeric;
  v_row api.wms_handling_units;
begin
  perform core.require_permission('wms.handling_unit.update');
  v_unit := wms.lock_handling_unit(wms_handling_unit_unpack.id, wms_handling_unit_unpack.version);
  v_item := wms.require_item(wms_handling_unit_unpack.item_id, wms_handling_unit_unpack.lot_id);

  perform wms.lock_balance(v_unit.warehouse_id, v_unit.location_id, v_item.id, wms_handling_unit_unpack.lot_id);
  v_packed := coalesce(
    (
      select c.quantity
      from wms.handling_unit_content as c
      where c.org_id = v_unit.org_id
        and c.handling_unit_id = v_unit.id
        and c.item_id = v_item.id
        and c.lot_id is not distinct from wms_handling_unit_unpack.lot_id
    ),
    0
  );
  v_quantity := case
    when wms_handling_unit_unpack.quantity is null and v_packed > 0 then v_packed
    else wms.in_item_unit(
      v_item, coalesce(wms_handling_unit_unpack.quantity, 1), wms_handling_unit_unpack.unit_code
    )
  end;
  if v_packed < v_quantity then
    perform core.raise_error(
      'wms.not_in_handling_unit',
      jsonb_build_object(
        'item', v_item.sku, 'requested', trim_scale(v_quantity), 'packed', trim_scale(v_packed),
        'unit', v_item.unit_code, 'sscc', v_unit.sscc
      )
    );
  elsif v_packed = v_quantity then
    delete from wms.handling_unit_content as c
    where c.org_id = v_unit.org_id
      and c.handling_unit_id = v_unit.id
      and c.item_id = v_item.id
      and c.lot_id is not distinct from wms_handling_unit_unpack.lot_id;
  else
    update wms.handling_unit_content as c
    set
      quantity = c.quantity - v_quantity,
      updated_at = now(),
      updated_by = core.user_id()
    where c.org_id = v_unit.org_id
      and c.handling_unit_id = v_unit.id
      and c.item_id = v_item.id
      and c.lot_id is not distinct from wms_handling_unit_unpack.lot_id;
  end if;
  perform wms.change_packed(
    v_unit.warehouse_id, v_unit.location_id, array[v_item.id], array[wms_handling_unit_unpack.lot_id],
    array[- v_quantity]
  );

  select u.* into v_row from api.wms_handling_units as u where u.org_id = v_unit.org_id and u.id = v_unit.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_handling_unit_unpack(uuid, uuid, numeric, uuid, text, integer) is
  'Take goods out of a handling unit
They lie loose where the unit stands. quantity left out: all of the item (and lot). wms.not_in_handling_unit (422) when less
is in it. Needs wms.handling_unit.update.';

grant execute on function api.wms_handling_unit_unpack(uuid, uuid, numeric, uuid, text, integer)
to member, superadmin, migrator;
