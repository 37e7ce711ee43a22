-- What may be taken of an item in a warehouse.

create or replace function wms.stock_in_warehouse(org_id uuid, warehouse_id uuid, item_id uuid)
returns table (quantity numeric, reserved numeric, unusable numeric)
language sql
stable
parallel safe
begin atomic
  select
    coalesce(sum(b.quantity), 0),
    coalesce(sum(b.reserved), 0),
    -- Promised and held at once counts as held.
    coalesce(sum(b.quantity - b.reserved) filter (where t.status <> 'APPROVED' or t.expires_on < core.today()), 0)
  from wms.balance as b
  left join wms.lot as t
    on t.org_id = b.org_id
    and t.id = b.lot_id
  where b.org_id = stock_in_warehouse.org_id
    and b.warehouse_id = stock_in_warehouse.warehouse_id
    and b.item_id = stock_in_warehouse.item_id;
end;

comment on function wms.stock_in_warehouse(uuid, uuid, uuid) is
  'What lies in a warehouse of an item, how much of it is promised, and how much else may not move: lots that are held or '
  'expired';

grant execute on function wms.stock_in_warehouse(uuid, uuid, uuid) to member, superadmin, migrator;

create or replace function wms.order_quantity(available numeric, minimum numeric, maximum numeric, multiple numeric)
returns numeric
language sql
immutable
parallel safe
return case
  when order_quantity.available < order_quantity.minimum
    then ceil((order_quantity.maximum - order_quantity.available) / order_quantity.multiple) * order_quantity.multiple
  else 0
end;

comment on function wms.order_quantity(numeric, numeric, numeric, numeric) is
  'How much to order: what is missing to the maximum, rounded up to whole multiples, when there is less than the minimum';

grant execute on function wms.order_quantity(numeric, numeric, numeric, numeric) to member, superadmin, migrator;
