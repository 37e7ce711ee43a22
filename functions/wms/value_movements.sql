-- What movements are worth: moving average or layers, by item and warehouse.

create or replace function wms.find_values(
  org_id uuid,
  movements wms.movement[],
  items uuid[],
  warehouses uuid[],
  out value_items uuid[],
  out value_warehouses uuid[],
  out ends integer[],
  out is_missing boolean
)
returns record
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_movement wms.movement;
  v_is_inside boolean := true;
begin
  foreach v_movement in array movements loop
    v_is_inside := v_movement.from_warehouse_id is not distinct from v_movement.to_warehouse_id;
    exit when not v_is_inside;
  end loop;
  if v_is_inside then
    -- Nothing changes its value inside a warehouse.
    return;
  end if;

  select
    array_agg(s.item_id order by s.item_id, s.warehouse_id),
    array_agg(s.warehouse_id order by s.item_id, s.warehouse_id),
    bool_or(v.item_id is null)
  into value_items, value_warehouses, is_missing
  from (
    select distinct u.item_id, u.warehouse_id
    from unnest(items, warehouses) as u (item_id, warehouse_id)
  ) as s
  left join lateral (
    select v.item_id
    from wms.stock_value as v
    where v.org_id = find_values.org_id
      and v.item_id = s.item_id
      and v.warehouse_id = s.warehouse_id
    offset 0
  ) as v on true;

  select array_agg(case when k.warehouse_id is not null then k.n end order by k.ordinality, k.is_to)
  into ends
  from (
    select
      s.warehouse_id,
      s.is_to,
      m.ordinality,
      (dense_rank() over (order by s.warehouse_id is null, m.item_id, s.warehouse_id))::integer as n
    from unnest(movements) with ordinality as m
    cross join lateral (
      select m.from_warehouse_id, false
      union all
      select m.to_warehouse_id, true
    ) as s (warehouse_id, is_to)
  ) as k;
end
$$;

comment on function wms.find_values(uuid, wms.movement[], uuid[], uuid[]) is
  'The values that movements change, in the order of all (value_items, value_warehouses); the place of either end of each '
  'movement among them, null for what lies outside (ends, two a movement); whether one is not there yet: once there is one it '
  'stays. All null if nothing leaves its warehouse. items, warehouses: those of the balances that the movements touch.';

create or replace function wms.value_movements(
  org_id uuid,
  movements wms.movement[],
  value_items uuid[],
  value_warehouses uuid[],
  ends integer[],
  valuation_method text
)
returns numeric[]
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_method text := case when valuation_method = 'FIFO' then 'FIFO' else 'AVERAGE' end;
  v_movement wms.movement;
  v_quantities numeric[];
  v_values numeric[];
  v_costs numeric[];
  v_old_methods text[];
  v_rows tid[];
  v_from integer;
  v_to integer;
  v_value numeric;
  v_booked numeric[];
  v_n integer;
begin
  if ends is null then
    return array_fill(0::numeric, array[cardinality(movements)]);
  end if;

  select
    array_agg(h.quantity),
    array_agg(h.value),
    array_agg(h.unit_cost),
    array_agg(h.method),
    array_agg(h.ctid)
  into v_quantities, v_values, v_costs, v_old_methods, v_rows
  from (
    -- Locked one after the other in the order of all: `offset 0` keeps the planner from joining otherwise.
    select v.quantity, v.value, v.unit_cost, v.method, v.ctid
    from unnest(value_items, value_warehouses) as s (item_id, warehouse_id)
    cross join lateral (
      select v.quantity, v.value, v.unit_cost, v.method, v.ctid
      from wms.stock_value as v
      where v.org_id = value_movements.org_id
        and v.item_id = s.item_id
        and v.warehouse_id = s.warehouse_id
      offset 0
      for no key update
    ) as v
  ) as h;
  if cardinality(v_quantities) is distinct from cardinality(value_items) then
    perform core.raise_error('wms.busy'); -- a value was removed meanwhile
  end if;

  if array_remove(v_old_methods, v_method) <> '{}' then
    for v_n in 1..cardinality(value_items) loop
      if v_old_methods[v_n] <> v_method then
        perform wms.begin_layers(
          org_id, value_items[v_n], value_warehouses[v_n], v_method, v_quantities[v_n], v_values[v_n]
        );
      end if;
    end loop;
  end if;

  v_n := -1;
  foreach v_movement in array movements loop
    v_n := v_n + 2;
    v_from := ends[v_n];
    v_to := ends[v_n + 1];
    if v_from is not distinct from v_to then
      v_booked := v_booked || 0::numeric;
      continue;
    end if;

    if v_from is null then
      v_value := coalesce(v_movement.line_value, round(v_movement.quantity * v_costs[v_to], 4));
    else
      if v_method = 'FIFO' then
        v_value := wms.take_layers(
          org_id, v_movement.item_id, v_movement.from_warehouse_id, v_movement.quantity, v_movement.reverses
        );
      else
        v_value := case
          -- The last of it takes all that is left.
          when v_movement.quantity = v_quantities[v_from] then v_values[v_from]
          -- What is reversed leaves at the value with which it came, as far as that still lies there.
          when v_movement.reverses is not null then least(v_movement.line_value, v_values[v_from])
          else round(v_values[v_from] * v_movement.quantity / v_quantities[v_from], 4)
        end;
      end if;
      v_quantities[v_from] := v_quantities[v_from] - v_movement.quantity;
      v_values[v_from] := v_values[v_from] - v_value;
      if v_quantities[v_from] > 0 then
        v_costs[v_from] := v_values[v_from] / v_quantities[v_from];
      end if;
    end if;

    if v_to is not null then
      v_quantities[v_to] := v_quantities[v_to] + v_movement.quantity;
      v_values[v_to] := v_values[v_to] + v_value;
      v_costs[v_to] := v_values[v_to] / v_quantities[v_to];
      if v_method = 'FIFO' then
        insert into wms.value_layer (org_id, item_id, warehouse_id, document_id, quantity, value)
        values (
          value_movements.org_id, v_movement.item_id, v_movement.to_warehouse_id, v_movement.document_id,
          v_movement.quantity, v_value
        );
      end if;
    end if;
    v_booked := v_booked || v_value;
  end loop;

  update wms.stock_value as v
  set
    quantity = s.quantity,
    value = s.value,
    unit_cost = s.unit_cost,
    method = v_method,
    updated_at = now()
  from unnest(v_rows, v_quantities, v_values, v_costs) as s (ctid, quantity, value, unit_cost)
  where v.org_id = value_movements.org_id
    and v.ctid = s.ctid; -- a row that is locked stays where it is
  get diagnostics v_n = row_count;
  if v_n < cardinality(v_rows) then
    perform core.raise_error('wms.busy');
  end if;
  return v_booked;
end
$$;

comment on function wms.value_movements(uuid, wms.movement[], uuid[], uuid[], integer[], text) is
  'What each movement is worth, in their order; changes the values of the stocks at their ends. What comes in has the '
  'value of its price, else the cost of what lies there (or lay there last); what leaves, the average or that of the oldest '
  'layers; what changes the warehouse takes its value along; a mirror has the value of what it reverses as far as that still '
  'lies there. Later postings never change it. The caller has changed the balances, has asked wms.find_values what values that '
  'concerns and made those that were missing, and says how the organisation values its stock. Raises wms.busy (503).';

create or replace function wms.begin_values(org_id uuid, items uuid[], warehouses uuid[], deltas numeric[], method text)
returns void
language sql
volatile
parallel unsafe
begin atomic
  insert into wms.stock_value (org_id, item_id, warehouse_id, quantity, method)
  select
    begin_values.org_id,
    s.item_id,
    s.warehouse_id,
    (
      select sum(b.quantity)
      from wms.balance as b
      where b.org_id = begin_values.org_id
        and b.warehouse_id = s.warehouse_id
        and b.item_id = s.item_id
    ) - sum(s.delta),
    begin_values.method
  from unnest(begin_values.items, begin_values.warehouses, begin_values.deltas) as s (item_id, warehouse_id, delta)
  group by s.item_id, s.warehouse_id
  order by s.item_id, s.warehouse_id
  on conflict on constraint stock_value_pkey do nothing;
end;

comment on function wms.begin_values(uuid, uuid[], uuid[], numeric[], text) is
  'Makes the values that are missing, of stock that was there before values were kept; the balances are changed already.';

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
