-- Moves stock as the lines of a document say, so that any number of sessions may do it at once.

create or replace function wms.move_stock(document wms.document, occurred_at timestamptz)
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
  v_balances uuid[];
  v_missing boolean;
  v_is_short boolean;
begin
  -- What changes, summed up by balance and in key order. Balances are for real places only, which are those at an end
  -- where the document has a warehouse.
  select
    array_agg(c.item_id order by c.item_id, c.location_id, c.lot_id),
    array_agg(c.lot_id order by c.item_id, c.location_id, c.lot_id),
    array_agg(c.location_id order by c.item_id, c.location_id, c.lot_id),
    array_agg(c.warehouse_id order by c.item_id, c.location_id, c.lot_id),
    array_agg(c.delta order by c.item_id, c.location_id, c.lot_id)
  into v_items, v_lots, v_places, v_warehouses, v_deltas
  from (
    select l.item_id, l.lot_id, s.location_id, s.warehouse_id, sum(s.delta) as delta
    from wms.document_line as l
    cross join lateral (
      values
        (l.from_position_id, document.from_location_id, - l.quantity_base),
        (l.to_position_id, document.to_location_id, l.quantity_base)
    ) as s (location_id, warehouse_id, delta)
    where l.org_id = document.org_id
      and l.document_id = document.id
      and s.warehouse_id is not null
    group by l.item_id, l.lot_id, s.location_id, s.warehouse_id
  ) as c;

  v_balances := wms.find_balances(document.org_id, v_items, v_lots, v_places);
  if array_position(v_balances, null) is not null then
    -- A row must be there to be locked, and a negative quantity cannot be inserted, not even where the sum would be
    -- legal: so zeros first. In key order, so that two sessions making the same rows wait for each other one way only.
    insert into wms.balance (org_id, item_id, lot_id, location_id, warehouse_id)
    select document.org_id, c.item_id, c.lot_id, c.location_id, c.warehouse_id
    from unnest(v_items, v_lots, v_places, v_warehouses, v_balances) with ordinality
      as c (item_id, lot_id, location_id, warehouse_id, balance_id, n)
    where c.balance_id is null
    order by c.n
    on conflict on constraint one_balance_per_item_place_and_lot do nothing;

    v_balances := wms.find_balances(document.org_id, v_items, v_lots, v_places);
  end if;

  -- Locks are taken in the same order by everybody: whoever waits holds nothing that the other still needs.
  select
    count(*) < cardinality(v_balances),
    bool_or(h.delta < 0 and h.available + h.delta < 0)
  into v_missing, v_is_short
  from (
    select b.quantity - b.reserved as available, c.delta
    from unnest(v_balances, v_deltas) with ordinality as c (id, delta, n)
    inner join wms.balance as b
      on b.org_id = document.org_id
      and b.id = c.id
    order by c.n
    for update of b
  ) as h;

  if v_missing then
    perform core.raise_error('wms.busy'); -- an empty balance was removed with its place meanwhile
  elsif v_is_short then
    perform wms.raise_short(document.org_id, v_balances, v_deltas);
  end if;

  update wms.balance as b
  set
    quantity = b.quantity + c.delta,
    updated_at = now()
  from unnest(v_balances, v_deltas) as c (id, delta)
  where b.org_id = document.org_id
    and b.id = c.id;

  insert into wms.stock_ledger (org_id, item_id, lot_id, location_id, delta, document_id, line_id, occurred_at)
  select l.org_id, l.item_id, l.lot_id, s.location_id, s.delta, l.document_id, l.id, move_stock.occurred_at
  from wms.document_line as l
  cross join lateral (
    values
      (l.from_position_id, - l.quantity_base),
      (l.to_position_id, l.quantity_base)
  ) as s (location_id, delta)
  where l.org_id = document.org_id
    and l.document_id = document.id;
end
$$;

comment on function wms.move_stock(wms.document, timestamptz) is
  'Locks the balances that the lines touch in key order, changes them and writes the ledger, all lines at once. Raises '
  'wms.insufficient_stock (422). The caller holds the document.';

create or replace function wms.find_balances(org_id uuid, items uuid[], lots uuid[], places uuid[])
returns uuid[]
language sql
stable
parallel safe
begin atomic
  select array_agg(b.id order by c.n)
  from unnest(find_balances.items, find_balances.lots, find_balances.places) with ordinality
    as c (item_id, lot_id, location_id, n)
  left join wms.balance as b
    on b.org_id = find_balances.org_id
    and b.item_id = c.item_id
    and b.location_id = c.location_id
    and b.lot_id is not distinct from c.lot_id;
end;

comment on function wms.find_balances(uuid, uuid[], uuid[], uuid[]) is
  'The balances of items (and lots) at places, in the order given; null where there is none yet.';

create or replace function wms.raise_short(org_id uuid, balances uuid[], deltas numeric[])
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
      'location_id', b.location_id, 'requested', trim_scale(- c.delta), 'available', trim_scale(b.quantity - b.reserved),
      'unit', i.unit_code
    )
    order by i.sku, p.code, t.lot_no
  )
  into v_short
  from unnest(balances, deltas) as c (id, delta)
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
  where c.delta < 0
    and b.quantity - b.reserved + c.delta < 0;

  perform core.raise_error('wms.insufficient_stock', (v_short -> 0) || jsonb_build_object('short', v_short));
end
$$;

comment on function wms.raise_short(uuid, uuid[], numeric[]) is
  'Raises wms.insufficient_stock for the balances that would fall below what is reserved, naming each of them.';
