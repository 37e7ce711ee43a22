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
  v_changes wms.balance_changes;
  v_found record;
  v_values numeric[];
  v_has_reservation boolean;
  v_ignored boolean;
begin
  -- What changes, summed up by balance. Balances are for real places only.
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
  v_changes := wms.find_balances(org_id, v_items, v_lots, v_places, v_deltas, v_holds);
  v_found := wms.find_values(org_id, movements, v_items, v_warehouses);
  if movements[1].document_no < movements[cardinality(movements)].document_no and cardinality(v_items) > 50 then
    v_ignored := wms.queue_up(v_warehouses) is null;
  end if;
  v_ignored := wms.change_balances(
    org_id, v_items, v_lots, v_places, v_warehouses, v_deltas, v_holds, v_changes
  ) is null;
  if v_has_reservation then
    v_ignored := wms.take_reservations(org_id, movements) is null;
  end if;
  if v_found.is_missing then
    -- Before any value is locked, in the order of all.
    v_ignored := wms.begin_values(
      org_id, v_items, v_warehouses, v_deltas, case when valuation_method = 'FIFO' then 'FIFO' else 'AVERAGE' end
    ) is null;
  end if;
  v_values := wms.value_movements(
    org_id, movements, v_found.value_items, v_found.value_warehouses, v_found.ends, valuation_method
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

create or replace function wms.find_balances(
  org_id uuid,
  items uuid[],
  lots uuid[],
  places uuid[],
  deltas numeric[],
  holds numeric[]
)
returns wms.balance_changes
language plpgsql
volatile
parallel unsafe
as $$
begin
  -- `offset 0` keeps the planner from joining otherwise than one by one, whatever the statistics say.
  return (
    select
      row(
        array_agg(b.id order by b.id), array_agg(c.delta order by b.id), array_agg(c.hold order by b.id),
        array_agg(c.hold - c.delta order by b.id), bool_or(b.id is null)
      )::wms.balance_changes
    from unnest(items, lots, places, deltas, holds) as c (item_id, lot_id, location_id, delta, hold)
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

comment on function wms.find_balances(uuid, uuid[], uuid[], uuid[], numeric[], numeric[]) is
  'The balances of items (and lots) at places, and how they change.';

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
  changes wms.balance_changes default null
)
returns void
language plpgsql
volatile
parallel unsafe
-- rows are locked in the order of an index, not of the table
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
  v_changes wms.balance_changes := coalesce(
    changes, wms.find_balances(org_id, items, lots, places, deltas, holds)
  );
  v_deltas numeric[];
  v_holds numeric[];
  v_needs numeric[];
  v_count bigint;
  v_short uuid[];
  v_available numeric[];
  v_requested numeric[];
  v_twice record;
begin
  while v_changes.is_missing loop
    -- A row must be there to be locked, and a negative quantity cannot be inserted, not even where the sum would be
    -- legal: so zeros first. In key order, so that two sessions making the same rows wait for each other one way only.
    insert into wms.balance (org_id, item_id, lot_id, location_id, warehouse_id)
    select change_balances.org_id, c.item_id, c.lot_id, c.location_id, c.warehouse_id
    from unnest(items, lots, places, warehouses) with ordinality as c (item_id, lot_id, location_id, warehouse_id, n)
    where not exists (
      select
      from wms.balance as b
      where b.org_id = change_balances.org_id
        and b.item_id = c.item_id
        and b.location_id = c.location_id
        and b.lot_id is not distinct from c.lot_id
    )
    order by c.n
    on conflict on constraint one_balance_per_item_place_and_lot do nothing;
    v_changes := wms.find_balances(org_id, items, lots, places, deltas, holds);
  end loop;

  -- Rows are locked as they are changed, in the order of their ids by everybody: whoever waits holds nothing that the other
  -- still needs. Each finds its change by halving. One that is short would break a constraint, and nobody would know which
  -- it was: it stays as it is, and is named afterwards.
  v_deltas := v_changes.deltas;
  v_holds := v_changes.holds;
  v_needs := v_changes.needs;
  with changed as (
    update wms.balance as b
    set
      quantity = case
        when b.quantity - b.reserved < v_needs[width_bucket(b.id, v_changes.ids)] then b.quantity
        else b.quantity + v_deltas[width_bucket(b.id, v_changes.ids)]
      end,
      reserved = case
        when b.quantity - b.reserved < v_needs[width_bucket(b.id, v_changes.ids)] then b.reserved
        else b.reserved + v_holds[width_bucket(b.id, v_changes.ids)]
      end,
      updated_at = now()
    where b.org_id = change_balances.org_id
      and b.id = any (v_changes.ids)
    returning
      b.id,
      old.quantity - old.reserved as available,
      case
        when new.quantity = old.quantity and new.reserved = old.reserved then v_needs[width_bucket(b.id, v_changes.ids)]
      end as requested
  )
  select
    count(*),
    array_agg(c.id) filter (where c.available < c.requested),
    array_agg(c.available) filter (where c.available < c.requested),
    array_agg(c.requested) filter (where c.available < c.requested)
  into v_count, v_short, v_available, v_requested
  from changed as c;
  if v_count < cardinality(v_changes.ids) then
    perform core.raise_error('wms.busy'); -- an empty balance was removed with its place meanwhile
  elsif v_short is not null then
    perform wms.raise_short(org_id, v_short, v_available, v_requested);
  end if;

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

comment on function wms.change_balances(uuid, uuid[], uuid[], uuid[], uuid[], numeric[], numeric[], wms.balance_changes) is
  'Changes quantity (deltas) and reserved (holds) of the balances of items (and lots) at places, given in key order; changes: '
  'what wms.find_balances has found for them already. Makes those that are missing, locks all of them until the transaction '
  'ends. Raises wms.insufficient_stock, wms.serial_elsewhere (422), wms.busy (503).';

create or replace function wms.raise_short(org_id uuid, balances uuid[], available numeric[], requested numeric[])
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
      'location_id', b.location_id, 'requested', trim_scale(c.requested),
      'available',
      case when not wms.is_stock_hidden(b.location_id, b.item_id, b.lot_id) then trim_scale(c.available) end,
      'unit', i.unit_code
    )
    order by i.sku, p.code, t.lot_no
  )
  into v_short
  from unnest(balances, available, requested) as c (id, available, requested)
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
    and t.id = b.lot_id;

  perform core.raise_error('wms.insufficient_stock', (v_short -> 0) || jsonb_build_object('short', v_short));
end
$$;

comment on function wms.raise_short(uuid, uuid[], numeric[], numeric[]) is
  'Raises wms.insufficient_stock for balances, with what is requested of each and what was available, unreserved; the latter is '
  'not told to who counts it blind.';
