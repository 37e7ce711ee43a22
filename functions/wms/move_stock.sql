-- Moves stock, under locks that everybody takes in the same order.

create or replace function wms.move_stock(org_id uuid, movements wms.movement[], valuation_method text)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_items uuid[];
  v_lots uuid[];
  v_places uuid[];
  v_warehouses uuid[];
  v_deltas numeric[];
  v_holds numeric[];
  v_balances uuid[];
  v_values numeric[];
  v_is_missing boolean;
  v_has_reservation boolean;
  v_ignored boolean;
begin
  -- What changes, summed up by balance and in key order. Balances are for real places only.
  select
    array_agg(c.item_id order by c.item_id, c.location_id, c.lot_id),
    array_agg(c.lot_id order by c.item_id, c.location_id, c.lot_id),
    array_agg(c.location_id order by c.item_id, c.location_id, c.lot_id),
    array_agg(c.warehouse_id order by c.item_id, c.location_id, c.lot_id),
    array_agg(c.delta order by c.item_id, c.location_id, c.lot_id),
    array_agg(c.hold order by c.item_id, c.location_id, c.lot_id),
    bool_or(c.has_reservation)
  into v_items, v_lots, v_places, v_warehouses, v_deltas, v_holds, v_has_reservation
  from (
    select
      m.item_id,
      m.lot_id,
      s.location_id,
      s.warehouse_id,
      sum(s.delta) as delta,
      sum(s.hold) as hold,
      bool_or(m.reservation_id is not null) as has_reservation
    from unnest(movements) as m
    -- Not VALUES, which gets its expressions ready for each row anew.
    cross join lateral (
      select
        m.from_location_id, m.from_warehouse_id, - m.quantity,
        case when m.reservation_id is null then 0 else - m.quantity end
      union all
      select m.to_location_id, m.to_warehouse_id, m.quantity, case when m.is_hold_carried then m.quantity else 0 end
    ) as s (location_id, warehouse_id, delta, hold)
    where s.warehouse_id is not null
    group by m.item_id, m.lot_id, s.location_id, s.warehouse_id
  ) as c;

  -- What can be looked up before anything is locked is looked up now: whoever waits for this posting waits less.
  v_balances := wms.find_balances(org_id, v_items, v_lots, v_places);
  v_is_missing := wms.lacks_value(org_id, v_items, v_warehouses);
  if movements[1].document_no < movements[cardinality(movements)].document_no and cardinality(v_balances) > 50 then
    v_ignored := wms.queue_up(v_warehouses) is null;
  end if;
  v_ignored := wms.change_balances(
    org_id, v_items, v_lots, v_places, v_warehouses, v_deltas, v_holds, v_balances
  ) is null;
  if v_has_reservation then
    v_ignored := wms.take_reservations(org_id, movements) is null;
  end if;
  v_values := wms.value_movements(
    org_id, movements, v_items, v_warehouses, v_deltas, v_is_missing, valuation_method
  );

  insert into wms.stock_ledger (
    org_id, item_id, lot_id, location_id, warehouse_id, delta, value_delta, document_id, line_id, occurred_at
  )
  select
    move_stock.org_id, m.item_id, m.lot_id, s.location_id, s.warehouse_id, s.delta, s.value_delta, m.document_id, m.line_id,
    m.occurred_at
  from unnest(movements) with ordinality as m
  cross join lateral (
    select m.from_location_id, m.from_warehouse_id, - m.quantity, - v_values[m.ordinality]
    union all
    select m.to_location_id, m.to_warehouse_id, m.quantity, v_values[m.ordinality]
  ) as s (location_id, warehouse_id, delta, value_delta);
end
$$;

comment on function wms.move_stock(uuid, wms.movement[], text) is
  'Changes the balances, reservations and values that the movements touch, and writes the ledger, all at once. Raises '
  'wms.insufficient_stock, wms.serial_elsewhere (422), wms.reservation_ended (409).';

create or replace function wms.find_balances(org_id uuid, items uuid[], lots uuid[], places uuid[])
returns uuid[]
language plpgsql
volatile
parallel unsafe
as $$
begin
  -- `offset 0` keeps the planner from joining otherwise than one by one, whatever the statistics say.
  return (
    select array_agg(b.id order by c.n)
    from unnest(items, lots, places) with ordinality as c (item_id, lot_id, location_id, n)
    left join lateral (
      select b.id
      from wms.balance as b
      where b.org_id = find_balances.org_id
        and b.item_id = c.item_id
        and b.location_id = c.location_id
        and b.lot_id is not distinct from c.lot_id
      offset 0
    ) as b on true
  );
end
$$;

comment on function wms.find_balances(uuid, uuid[], uuid[], uuid[]) is
  'The balances of items (and lots) at places, in their order; null where there is none.';

create or replace function wms.queue_up(warehouses uuid[])
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_key bigint;
  v_ignored boolean;
begin
  for v_key in
    select ops.lock_key('wms.posting', w.id) as key
    from (select distinct u.id from unnest(warehouses) as u (id)) as w
    order by key
  loop
    v_ignored := pg_advisory_xact_lock(v_key) is null;
  end loop;
end
$$;

comment on function wms.queue_up(uuid[]) is
  'Waits for other postings of many documents and balances in the warehouses. They would meet in any case: row after row, each '
  'time finding it changed since they looked, where here they wait once and look then. Others neither ask for these locks nor '
  'wait for them. Taken after lots and before balances, in one order.';

create or replace function wms.change_balances(
  org_id uuid,
  items uuid[],
  lots uuid[],
  places uuid[],
  warehouses uuid[],
  deltas numeric[],
  holds numeric[],
  balances uuid[] default null
)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_balances uuid[] := coalesce(balances, wms.find_balances(org_id, items, lots, places));
  v_held uuid[];
  v_changes numeric[];
  v_hold_changes numeric[];
  v_is_short boolean;
  v_twice record;
begin
  while array_position(v_balances, null) is not null loop
    -- A row must be there to be locked, and a negative quantity cannot be inserted, not even where the sum would be
    -- legal: so zeros first. In key order, so that two sessions making the same rows wait for each other one way only.
    insert into wms.balance (org_id, item_id, lot_id, location_id, warehouse_id)
    select change_balances.org_id, c.item_id, c.lot_id, c.location_id, c.warehouse_id
    from unnest(items, lots, places, warehouses, v_balances) with ordinality
      as c (item_id, lot_id, location_id, warehouse_id, balance_id, n)
    where c.balance_id is null
    order by c.n
    on conflict on constraint one_balance_per_item_place_and_lot do nothing;
    v_balances := wms.find_balances(org_id, items, lots, places);
  end loop;

  -- Locks are taken in the same order by everybody: whoever waits holds nothing that the other still needs. Nothing is locked
  -- as long as a balance is missing, and nothing is changed when one of them is short. `offset 0` keeps the planner from
  -- joining otherwise than one by one in this order, whatever the statistics say.
  select
    array_agg(h.id order by h.id),
    array_agg(h.delta order by h.id),
    array_agg(h.hold order by h.id),
    bool_or(h.is_short)
  into v_held, v_changes, v_hold_changes, v_is_short
  from (
    select
      w.id,
      w.delta,
      w.hold,
      w.delta < w.hold and b.quantity - b.reserved + w.delta - w.hold < 0 as is_short
    from unnest(v_balances, deltas, holds) as w (id, delta, hold)
    cross join lateral (
      select b.quantity, b.reserved
      from wms.balance as b
      where b.org_id = change_balances.org_id
        and b.id = w.id
      offset 0
      for no key update
    ) as b
    offset 0
  ) as h;

  if coalesce(cardinality(v_held), 0) < cardinality(v_balances) then
    perform core.raise_error('wms.busy'); -- an empty balance was removed with its place meanwhile
  elsif v_is_short then
    perform wms.raise_short(org_id, v_balances, deltas, holds);
  end if;

  -- They are sorted, and each finds its change by halving.
  update wms.balance as b
  set
    quantity = b.quantity + v_changes[width_bucket(b.id, v_held)],
    reserved = b.reserved + v_hold_changes[width_bucket(b.id, v_held)],
    updated_at = now()
  where b.org_id = change_balances.org_id
    and b.id = any (v_held);

  if array_remove(lots, null) <> '{}' then
    select i.sku, t.lot_no, t.id, sum(b.quantity) as quantity
    into v_twice
    from wms.lot as t
    inner join core.item as i
      on i.org_id = t.org_id
      and i.id = t.item_id
      and i.tracking = 'SERIAL'
    inner join wms.balance as b
      on b.org_id = t.org_id
      and b.item_id = t.item_id
      and b.lot_id = t.id
    where t.org_id = change_balances.org_id
      and t.id = any (lots)
    group by i.sku, t.lot_no, t.id
    having sum(b.quantity) > 1
    order by i.sku, t.lot_no
    limit 1;
    if found then
      perform core.raise_error(
        'wms.serial_elsewhere', jsonb_build_object('item', v_twice.sku, 'lot', v_twice.lot_no, 'lot_id', v_twice.id)
      );
    end if;
  end if;
end
$$;

comment on function wms.change_balances(uuid, uuid[], uuid[], uuid[], uuid[], numeric[], numeric[], uuid[]) is
  'Changes quantity (deltas) and reserved (holds) of the balances of items (and lots) at places, given in key order; balances: '
  'what wms.find_balances has found for them already. Makes those that are missing, locks all of them until the transaction '
  'ends. Raises wms.insufficient_stock, wms.serial_elsewhere (422), wms.busy (503).';

create or replace function wms.raise_short(org_id uuid, balances uuid[], deltas numeric[], holds numeric[])
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_short jsonb;
begin
  select jsonb_agg(
    jsonb_build_object(
      'item', i.sku, 'item_id', b.item_id, 'lot', t.lot_no, 'lot_id', b.lot_id, 'place', p.code,
      'location_id', b.location_id, 'requested', trim_scale(c.hold - c.delta),
      'available',
      case when not wms.is_stock_hidden(b.location_id, b.item_id, b.lot_id) then trim_scale(b.quantity - b.reserved) end,
      'unit', i.unit_code
    )
    order by i.sku, p.code, t.lot_no
  )
  into v_short
  from unnest(balances, deltas, holds) as c (id, delta, hold)
  inner join wms.balance as b
    on b.org_id = raise_short.org_id
    and b.id = c.id
  inner join core.item as i
    on i.org_id = b.org_id
    and i.id = b.item_id
  inner join core.location as p
    on p.org_id = b.org_id
    and p.id = b.location_id
  left join wms.lot as t
    on t.org_id = b.org_id
    and t.id = b.lot_id
  where c.delta - c.hold < 0
    and b.quantity - b.reserved + c.delta - c.hold < 0;

  perform core.raise_error('wms.insufficient_stock', (v_short -> 0) || jsonb_build_object('short', v_short));
end
$$;

comment on function wms.raise_short(uuid, uuid[], numeric[], numeric[]) is
  'Raises wms.insufficient_stock for the balances of which more is asked than lies there unreserved, naming each of them; how '
  'much lies there is not told to who counts it blind.';
