-- What movements are worth: moving average or layers, by item and warehouse.

create or replace function wms.value_movements(org_id uuid, movements wms.movement[])
returns wms.movement[]
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_method text := core.setting('wms.valuation_method') #>> '{}';
  v_movements wms.movement[] := movements;
  v_movement wms.movement;
  v_items uuid[];
  v_warehouses uuid[];
  v_deltas numeric[];
  v_quantities numeric[];
  v_values numeric[];
  v_costs numeric[];
  v_old_methods text[];
  v_from integer[];
  v_to integer[];
  v_value numeric;
  v_n integer;
begin
  if v_method is distinct from 'FIFO' then
    v_method := 'AVERAGE';
  end if;

  -- Inside a warehouse nothing changes its value. The stocks whose value changes, in key order, and which of them are at the
  -- ends of each movement.
  with ends as (
    select m.n, m.item_id, s.warehouse_id, s.delta, s.is_from
    from unnest(movements) with ordinality as m (
      document_id, document_no, line_no, line_id, item_id, lot_id, from_location_id, to_location_id, from_warehouse_id,
      to_warehouse_id, quantity, line_value, tracking, needs_approved, reservation_id, reservation_document_id, is_hold_carried,
      occurred_at, reverses, value, n
    )
    cross join lateral (
      values
        (m.from_warehouse_id, - m.quantity, true),
        (m.to_warehouse_id, m.quantity, false)
    ) as s (warehouse_id, delta, is_from)
    where s.warehouse_id is not null
      and m.from_warehouse_id is distinct from m.to_warehouse_id
  ),
  stocks as (
    select e.item_id, e.warehouse_id, sum(e.delta) as delta, row_number() over (order by e.item_id, e.warehouse_id) as k
    from ends as e
    group by e.item_id, e.warehouse_id
  ),
  places as (
    select
      e.n,
      max(s.k) filter (where e.is_from) as from_k,
      max(s.k) filter (where not e.is_from) as to_k
    from ends as e
    inner join stocks as s
      on s.item_id = e.item_id
      and s.warehouse_id = e.warehouse_id
    group by e.n
  )
  select
    (select array_agg(s.item_id order by s.k) from stocks as s),
    (select array_agg(s.warehouse_id order by s.k) from stocks as s),
    (select array_agg(s.delta order by s.k) from stocks as s),
    array_agg(p.from_k order by g.n),
    array_agg(p.to_k order by g.n)
  into v_items, v_warehouses, v_deltas, v_from, v_to
  from generate_series(1, cardinality(movements)) as g (n)
  left join places as p
    on p.n = g.n;
  if v_items is null then
    return v_movements;
  end if;

  -- The balances are changed already, and stay locked: what lay there before is known.
  insert into wms.stock_value (org_id, item_id, warehouse_id, quantity, method)
  select
    value_movements.org_id,
    s.item_id,
    s.warehouse_id,
    (
      select sum(b.quantity)
      from wms.balance as b
      where b.org_id = value_movements.org_id
        and b.warehouse_id = s.warehouse_id
        and b.item_id = s.item_id
    ) - s.delta,
    v_method
  from unnest(v_items, v_warehouses, v_deltas) with ordinality as s (item_id, warehouse_id, delta, k)
  where not exists (
    select
    from wms.stock_value as v
    where v.org_id = value_movements.org_id
      and v.item_id = s.item_id
      and v.warehouse_id = s.warehouse_id
  )
  order by s.k
  on conflict on constraint stock_value_pkey do nothing;

  select
    array_agg(h.quantity order by h.k),
    array_agg(h.value order by h.k),
    array_agg(h.unit_cost order by h.k),
    array_agg(h.method order by h.k)
  into v_quantities, v_values, v_costs, v_old_methods
  from (
    select v.quantity, v.value, v.unit_cost, v.method, s.k
    from unnest(v_items, v_warehouses) with ordinality as s (item_id, warehouse_id, k)
    inner join wms.stock_value as v
      on v.org_id = value_movements.org_id
      and v.item_id = s.item_id
      and v.warehouse_id = s.warehouse_id
    order by s.k
    for no key update of v
  ) as h;

  if v_method = 'FIFO' or 'FIFO' = any (v_old_methods) then
    for v_n in 1..cardinality(v_items) loop
      if v_old_methods[v_n] <> v_method then
        perform wms.begin_layers(org_id, v_items[v_n], v_warehouses[v_n], v_method, v_quantities[v_n], v_values[v_n]);
      end if;
    end loop;
  end if;

  for v_n in 1..cardinality(v_movements) loop
    v_movement := v_movements[v_n];
    continue when v_from[v_n] is null and v_to[v_n] is null;

    if v_from[v_n] is null then
      v_value := coalesce(v_movement.line_value, round(v_movement.quantity * v_costs[v_to[v_n]], 4));
    else
      v_value := case
        when v_method = 'FIFO' then wms.take_layers(
          org_id, v_movement.item_id, v_movement.from_warehouse_id, v_movement.quantity, v_movement.reverses
        )
        -- The last of it takes all that is left.
        when v_movement.quantity = v_quantities[v_from[v_n]] then v_values[v_from[v_n]]
        -- What is reversed leaves at the value with which it came, as far as that still lies there.
        when v_movement.reverses is not null then least(v_movement.line_value, v_values[v_from[v_n]])
        else round(v_values[v_from[v_n]] * v_movement.quantity / v_quantities[v_from[v_n]], 4)
      end;
      v_quantities[v_from[v_n]] := v_quantities[v_from[v_n]] - v_movement.quantity;
      v_values[v_from[v_n]] := v_values[v_from[v_n]] - v_value;
      if v_quantities[v_from[v_n]] > 0 then
        v_costs[v_from[v_n]] := v_values[v_from[v_n]] / v_quantities[v_from[v_n]];
      end if;
    end if;

    if v_to[v_n] is not null then
      v_quantities[v_to[v_n]] := v_quantities[v_to[v_n]] + v_movement.quantity;
      v_values[v_to[v_n]] := v_values[v_to[v_n]] + v_value;
      v_costs[v_to[v_n]] := v_values[v_to[v_n]] / v_quantities[v_to[v_n]];
      if v_method = 'FIFO' then
        insert into wms.value_layer (org_id, item_id, warehouse_id, document_id, quantity, value)
        values (
          value_movements.org_id, v_movement.item_id, v_movement.to_warehouse_id, v_movement.document_id,
          v_movement.quantity, v_value
        );
      end if;
    end if;
    v_movements[v_n].value := v_value;
  end loop;

  update wms.stock_value as v
  set
    quantity = s.quantity,
    value = s.value,
    unit_cost = s.unit_cost,
    method = v_method,
    updated_at = now()
  from unnest(v_items, v_warehouses, v_quantities, v_values, v_costs)
    as s (item_id, warehouse_id, quantity, value, unit_cost)
  where v.org_id = value_movements.org_id
    and v.item_id = s.item_id
    and v.warehouse_id = s.warehouse_id;
  return v_movements;
end
$$;

comment on function wms.value_movements(uuid, wms.movement[]) is
  'Says what each movement is worth, in their order, and changes the values of the stocks at their ends. What comes in has the '
  'value of its price, else the cost of what lies there (or lay there last); what leaves, the average or that of the oldest '
  'layers; what changes the warehouse takes its value along; a mirror has the value of what it reverses as far as that still '
  'lies there. Later postings never change it. The caller has changed the balances.';

create or replace function wms.begin_layers(
  org_id uuid,
  item_id uuid,
  warehouse_id uuid,
  method text,
  quantity numeric,
  value numeric
)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  delete from wms.value_layer as y
  where y.org_id = begin_layers.org_id
    and y.item_id = begin_layers.item_id
    and y.warehouse_id = begin_layers.warehouse_id;
  if method = 'FIFO' and quantity > 0 then
    insert into wms.value_layer (org_id, item_id, warehouse_id, quantity, value)
    values (
      begin_layers.org_id, begin_layers.item_id, begin_layers.warehouse_id, begin_layers.quantity, begin_layers.value
    );
  end if;
end
$$;

comment on function wms.begin_layers(uuid, uuid, uuid, text, numeric, numeric) is
  'When the organisation changes its method: what lies there becomes one layer, or layers go.';

create or replace function wms.take_layers(
  org_id uuid,
  item_id uuid,
  warehouse_id uuid,
  quantity numeric,
  document_id uuid
)
returns numeric
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_value numeric;
begin
  with layer as (
    select
      y.id,
      y.quantity,
      y.value,
      sum(y.quantity) over (order by y.document_id is not distinct from take_layers.document_id desc, y.id)
        - y.quantity as before
    from wms.value_layer as y
    where y.org_id = take_layers.org_id
      and y.item_id = take_layers.item_id
      and y.warehouse_id = take_layers.warehouse_id
  ),
  taken as (
    select
      y.id,
      least(y.quantity, take_layers.quantity - y.before) as quantity,
      case
        when y.quantity <= take_layers.quantity - y.before then y.value
        else round(y.value * (take_layers.quantity - y.before) / y.quantity, 4)
      end as value,
      y.quantity <= take_layers.quantity - y.before as is_used_up
    from layer as y
    where y.before < take_layers.quantity
  ),
  used_up as (
    delete from wms.value_layer as y
    using taken as t
    where y.org_id = take_layers.org_id
      and y.id = t.id
      and t.is_used_up
  ),
  less as (
    update wms.value_layer as y
    set
      quantity = y.quantity - t.quantity,
      value = y.value - t.value
    from taken as t
    where y.org_id = take_layers.org_id
      and y.id = t.id
      and not t.is_used_up
  )
  select sum(t.value) into v_value from taken as t;
  return v_value;
end
$$;

comment on function wms.take_layers(uuid, uuid, uuid, numeric, uuid) is
  'Takes a quantity out of the oldest layers, those of document_id (what is reversed) before all others; returns its value. The '
  'caller holds the value of the stock.';
