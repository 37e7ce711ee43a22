-- What goes into a handling unit, and out of it again.

create or replace function api.wms_handling_unit_pack(
  id uuid,
  item_id uuid,
  quantity numeric,
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
  v_quantity numeric;
  v_loose numeric;
  v_row api.wms_handling_units;
begin
  perform core.require_permission('wms.handling_unit.update');
  v_unit := wms.lock_handling_unit(wms_handling_unit_pack.id, wms_handling_unit_pack.version);
  v_item := wms.require_item(wms_handling_unit_pack.item_id, wms_handling_unit_pack.lot_id);
  v_quantity := wms.in_item_unit(v_item, wms_handling_unit_pack.quantity, wms_handling_unit_pack.unit_code);

  perform wms.lock_balance(v_unit.warehouse_id, v_unit.location_id, v_item.id, wms_handling_unit_pack.lot_id);
  v_loose := (
    select b.quantity - b.packed
    from wms.balance as b
    where b.org_id = v_unit.org_id
      and b.item_id = v_item.id
      and b.location_id = v_unit.location_id
      and b.lot_id is not distinct from wms_handling_unit_pack.lot_id
  );
  if v_loose < v_quantity then
    perform core.raise_error(
      'wms.loose_stock_missing',
      jsonb_build_object(
        'item', v_item.sku, 'requested', trim_scale(v_quantity), 'loose', trim_scale(v_loose), 'unit', v_item.unit_code
      )
    );
  end if;
  perform wms.change_packed(
    v_unit.warehouse_id, v_unit.location_id, array[v_item.id], array[wms_handling_unit_pack.lot_id], array[v_quantity]
  );
  insert into wms.handling_unit_content as c (org_id, handling_unit_id, item_id, lot_id, quantity)
  values (v_unit.org_id, v_unit.id, v_item.id, wms_handling_unit_pack.lot_id, v_quantity)
  on conflict on constraint one_content_per_item_and_lot do update
  set
    quantity = c.quantity + excluded.quantity,
    updated_at = now(),
    updated_by = core.user_id();

  select u.* into v_row from api.wms_handling_units as u where u.org_id = v_unit.org_id and u.id = v_unit.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_handling_unit_pack(uuid, uuid, numeric, uuid, text, integer) is
  'Pack goods into a handling unit
Of what lies loose where the unit stands (else wms.loose_stock_missing, 422). Stock does not change; from now on the goods
move with the unit only. Needs wms.handling_unit.update.';

grant execute on function api.wms_handling_unit_pack(uuid, uuid, numeric, uuid, text, integer)
to member, superadmin, migrator;

create or replace function wms.in_item_unit(item core.item, quantity numeric, unit_code text)
returns numeric
language plpgsql
stable
parallel safe
as $$
declare
  v_quantity numeric;
begin
  if in_item_unit.quantity is null or in_item_unit.quantity <= 0 or in_item_unit.quantity = 'NaN' then
    perform core.raise_error('wms.quantity_not_positive');
  end if;
  v_quantity := round(
    core.convert(
      in_item_unit.quantity, coalesce(in_item_unit.unit_code, in_item_unit.item.unit_code), in_item_unit.item.unit_code,
      in_item_unit.item.id
    ),
    6
  );
  if v_quantity = 0 then
    perform core.raise_error('wms.quantity_not_positive');
  end if;
  return v_quantity;
end
$$;

comment on function wms.in_item_unit(core.item, numeric, text) is
  'A quantity in the unit that the item is kept in. Raises wms.quantity_not_positive (422) and the errors of core.convert.';
