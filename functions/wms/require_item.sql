-- What functions of the warehouse are given: the item with its lot; and the balance that they work on.

create or replace function wms.lock_balance(warehouse_id uuid, position_id uuid, item_id uuid, lot_id uuid)
returns numeric
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_quantity numeric;
begin
  -- A row must be there to be locked.
  insert into wms.balance (org_id, item_id, lot_id, location_id, warehouse_id)
  select core.org_id(), lock_balance.item_id, lock_balance.lot_id, lock_balance.position_id, lock_balance.warehouse_id
  where not exists (
    select
    from wms.balance as b
    where b.org_id = core.org_id()
      and b.item_id = lock_balance.item_id
      and b.location_id = lock_balance.position_id
      and b.lot_id is not distinct from lock_balance.lot_id
  )
  on conflict on constraint one_balance_per_item_place_and_lot do nothing;

  select b.quantity
  into strict v_quantity
  from wms.balance as b
  where b.org_id = core.org_id()
    and b.item_id = lock_balance.item_id
    and b.location_id = lock_balance.position_id
    and b.lot_id is not distinct from lock_balance.lot_id
  for no key update;
  return v_quantity;
end
$$;

comment on function wms.lock_balance(uuid, uuid, uuid, uuid) is
  'Locks one balance, made if there is none, until the transaction ends, and returns its quantity.';

create or replace function wms.require_item(item_id uuid, lot_id uuid, needs_lot boolean default true)
returns core.item
language plpgsql
stable
parallel safe
as $$
declare
  v_item core.item;
begin
  select i.*
  into v_item
  from core.item as i
  where i.org_id = core.org_id()
    and i.id = require_item.item_id;
  if not found then
    perform core.raise_error('wms.item_unknown', jsonb_build_object('item_id', require_item.item_id));
  elsif v_item.tracking = 'NONE' and require_item.lot_id is not null then
    perform core.raise_error('wms.lot_not_wanted', jsonb_build_object('item_id', v_item.id));
  elsif needs_lot and v_item.tracking <> 'NONE' and require_item.lot_id is null then
    perform core.raise_error('wms.lot_missing', jsonb_build_object('item', v_item.sku));
  elsif require_item.lot_id is not null and not exists (
    select
    from wms.lot as t
    where t.org_id = v_item.org_id
      and t.item_id = v_item.id
      and t.id = require_item.lot_id
  ) then
    perform core.raise_error('wms.lot_not_found', jsonb_build_object('id', require_item.lot_id));
  end if;
  return v_item;
end
$$;

comment on function wms.require_item(uuid, uuid, boolean) is
  'The item, with the lot that its tracking asks for, unless needs_lot is false. Raises wms.item_unknown, '
  'wms.lot_not_wanted, wms.lot_missing (422), wms.lot_not_found (404).';
