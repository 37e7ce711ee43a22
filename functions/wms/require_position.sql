-- Positions that something is done at: that they are there, active, and have room.

create or replace function wms.require_position(position_id uuid, warehouse_id uuid default null)
returns wms.place
language plpgsql
stable
parallel safe
as $$
declare
  v_position api.wms_positions;
begin
  -- The view of the API is remade whenever it changes: no signature of a private function may stand on it.
  select p.*
  into v_position
  from api.wms_positions as p
  where p.org_id = core.org_id()
    and p.id = require_position.position_id;
  if not found then
    perform core.raise_error('wms.position_unknown', jsonb_build_object('position_id', require_position.position_id));
  elsif v_position.warehouse_id <> require_position.warehouse_id then
    perform core.raise_error('wms.position_elsewhere', jsonb_build_object('position_id', require_position.position_id));
  elsif not v_position.is_active then
    perform core.raise_error('wms.place_inactive', jsonb_build_object('place', v_position.code, 'id', v_position.id));
  end if;
  return row(v_position.id, v_position.warehouse_id, v_position.kind, v_position.code)::wms.place;
end
$$;

comment on function wms.require_position(uuid, uuid) is
  'A position where goods may be put or taken, in the warehouse if one is named. Raises wms.position_unknown, '
  'wms.position_elsewhere, wms.place_inactive (422).';

create or replace function wms.unit_factor(item_id uuid, from_unit text, to_unit text)
returns numeric
language plpgsql
stable
parallel safe
as $$
begin
  return core.convert(1, from_unit, to_unit, item_id);
exception
  -- core.no_conversion: the capacity says nothing about such goods.
  when sqlstate 'PGRST' then
    return null;
end
$$;

comment on function wms.unit_factor(uuid, text, text) is
  'How many to_unit one from_unit of an item is; null where nothing says so. Goods that cannot be measured in the unit of a '
  'capacity take nothing of it.';

create or replace function wms.free_capacity(position_id uuid)
returns numeric
language sql
stable
parallel safe
return (
  select p.capacity - coalesce(sum(u.quantity * wms.unit_factor(u.item_id, u.unit_code, p.capacity_unit)), 0)
  from core.location as p
  left join lateral (
    select b.item_id, i.unit_code, sum(b.quantity) as quantity
    from wms.balance as b
    inner join core.item as i
      on i.org_id = b.org_id
      and i.id = b.item_id
    where b.org_id = p.org_id
      and b.location_id = p.id
      and b.quantity > 0
    group by b.item_id, i.unit_code
  ) as u on p.capacity is not null
  where p.org_id = core.org_id()
    and p.id = free_capacity.position_id
  group by p.capacity, p.capacity_unit
);

comment on function wms.free_capacity(uuid) is
  'What a position can take, in the unit of its capacity; below zero when it holds more; null: no limit.';

create or replace function wms.require_capacity(position_id uuid, items uuid[], quantities numeric[])
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_place core.location;
  v_free numeric;
  v_wanted numeric;
begin
  -- Whoever puts something at a place with a limit waits for the others that do: before any balance is locked.
  select p.*
  into v_place
  from core.location as p
  where p.org_id = core.org_id()
    and p.id = require_capacity.position_id
    and p.capacity is not null
  for no key update;
  if not found then
    return;
  end if;

  v_free := wms.free_capacity(v_place.id);
  v_wanted := (
    select coalesce(sum(g.quantity * wms.unit_factor(i.id, i.unit_code, v_place.capacity_unit)), 0)
    from unnest(require_capacity.items, require_capacity.quantities) as g (item_id, quantity)
    inner join core.item as i
      on i.org_id = v_place.org_id
      and i.id = g.item_id
  );
  if v_wanted > v_free then
    perform core.raise_error(
      'wms.capacity_exceeded',
      jsonb_build_object(
        'place', v_place.code, 'location_id', v_place.id, 'free', trim_scale(greatest(v_free, 0)),
        'wanted', trim_scale(round(v_wanted, 6)), 'unit', v_place.capacity_unit
      )
    );
  end if;
end
$$;

comment on function wms.require_capacity(uuid, uuid[], numeric[]) is
  'Locks a position that has a limit, and raises wms.capacity_exceeded (422) unless these quantities of items fit in.';

create or replace function wms.lock_balances(warehouse_id uuid, items uuid[], lots uuid[], places uuid[])
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  -- A row must be there to be locked; then all in the order in which postings lock them.
  insert into wms.balance (org_id, item_id, lot_id, location_id, warehouse_id)
  select core.org_id(), k.item_id, k.lot_id, k.location_id, lock_balances.warehouse_id
  from unnest(lock_balances.items, lock_balances.lots, lock_balances.places) as k (item_id, lot_id, location_id)
  where not exists (
    select
    from wms.balance as b
    where b.org_id = core.org_id()
      and b.item_id = k.item_id
      and b.location_id = k.location_id
      and b.lot_id is not distinct from k.lot_id
  )
  order by k.item_id, k.location_id, k.lot_id
  on conflict on constraint one_balance_per_item_place_and_lot do nothing;

  perform
  from unnest(lock_balances.items, lock_balances.lots, lock_balances.places) as k (item_id, lot_id, location_id)
  inner join wms.balance as b
    on b.org_id = core.org_id()
    and b.item_id = k.item_id
    and b.location_id = k.location_id
    and b.lot_id is not distinct from k.lot_id
  order by b.id
  for update of b;
end
$$;

comment on function wms.lock_balances(uuid, uuid[], uuid[], uuid[]) is
  'Locks balances of one warehouse, made where there are none, in the order of their ids until the transaction ends.';
