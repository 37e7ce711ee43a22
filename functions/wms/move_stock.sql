-- Moves stock as the lines of a document say, so that any number of sessions may do it at once.

create or replace function wms.move_stock(document wms.document, occurred_at timestamptz)
returns void
language plpgsql
as $$
declare
  v_balances uuid [];
  v_deltas numeric [];
  v_is_short boolean;
begin
  -- Rows to lock must be there first: a negative quantity cannot be inserted, not even when the sum would be legal.
  -- In key order, as below, so that two sessions making the same rows wait for each other one way only.
  insert into wms.balance (org_id, item_id, lot_id, location_id, warehouse_id)
  select document.org_id, e.item_id, e.lot_id, e.location_id, e.warehouse_id
  from (
    select distinct l.item_id, l.lot_id, s.location_id, s.warehouse_id
    from wms.document_line as l
    cross join lateral (
      values
        (l.from_position_id, document.from_location_id),
        (l.to_position_id, document.to_location_id)
    ) as s (location_id, warehouse_id)
    where l.org_id = document.org_id
      and l.document_id = document.id
      and s.warehouse_id is not null
  ) as e
  where not exists (
    select
    from wms.balance as b
    where b.org_id = document.org_id
      and b.item_id = e.item_id
      and b.location_id = e.location_id
      and b.lot_id is not distinct from e.lot_id
  )
  order by e.item_id, e.location_id, e.lot_id
  on conflict on constraint one_balance_per_item_place_and_lot do nothing;

  with change as materialized (
    select l.item_id, l.lot_id, s.location_id, sum(s.delta) as delta
    from wms.document_line as l
    cross join lateral (
      values
        (l.from_position_id, document.from_location_id, - l.quantity_base),
        (l.to_position_id, document.to_location_id, l.quantity_base)
    ) as s (location_id, warehouse_id, delta)
    where l.org_id = document.org_id
      and l.document_id = document.id
      and s.warehouse_id is not null
    group by l.item_id, l.lot_id, s.location_id
  ),
  held as (
    select b.id, b.quantity - b.reserved as available, c.delta
    from change as c
    inner join wms.balance as b
      on b.org_id = document.org_id
      and b.item_id = c.item_id
      and b.location_id = c.location_id
      and b.lot_id is not distinct from c.lot_id
    order by b.item_id, b.location_id, b.lot_id
    for update of b
  )
  select array_agg(h.id), array_agg(h.delta), bool_or(h.available + h.delta < 0 and h.delta < 0)
  into v_balances, v_deltas, v_is_short
  from held as h;

  if v_is_short then
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

create or replace function wms.raise_short(org_id uuid, balances uuid [], deltas numeric [])
returns void
language plpgsql
stable
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

comment on function wms.raise_short(uuid, uuid [], numeric []) is
  'Raises wms.insufficient_stock for the balances that would fall below what is reserved, naming each of them.';
