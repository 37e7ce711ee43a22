-- A handling unit goes somewhere else, with all that is in it.

create or replace function api.wms_handling_unit_move(
  id uuid,
  to_position_id uuid,
  reason text default null,
  version integer default null
)
returns api.wms_handling_units
language plpgsql
volatile
parallel unsafe
-- definer: units, balances and documents are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_unit wms.handling_unit;
  v_target wms.place;
  v_items uuid[];
  v_lots uuid[];
  v_quantities numeric[];
  v_taken numeric[];
  v_row api.wms_handling_units;
begin
  perform core.require_permission('wms.handling_unit.update');
  v_unit := wms.lock_handling_unit(wms_handling_unit_move.id, wms_handling_unit_move.version);
  if v_unit.parent_id is not null then
    perform core.raise_error('wms.handling_unit_nested', jsonb_build_object('sscc', v_unit.sscc));
  elsif v_unit.location_id = wms_handling_unit_move.to_position_id then
    perform core.raise_error('wms.same_position', jsonb_build_object('position_id', v_unit.location_id));
  end if;
  v_target := wms.require_position(wms_handling_unit_move.to_position_id, v_unit.warehouse_id);
  select g.items, g.lots, g.quantities into v_items, v_lots, v_quantities from wms.handling_unit_goods(v_unit.id) as g;

  if cardinality(v_items) > 0 then
    perform wms.require_capacity(v_target.id, v_items, v_quantities);
    -- In the order of every posting: the days, lots, balances.
    perform wms.enter_period(v_unit.org_id);
    perform wms.lock_lots(v_unit.org_id, array_remove(v_lots, null));
    v_taken := array(select - q.quantity from unnest(v_quantities) with ordinality as q (quantity, n) order by q.n);
    perform wms.lock_balances(
      v_unit.warehouse_id, v_items || v_items, v_lots || v_lots,
      array_fill(v_unit.location_id, array[cardinality(v_items)]) || array_fill(v_target.id, array[cardinality(v_items)])
    );
    perform wms.change_packed(v_unit.warehouse_id, v_unit.location_id, v_items, v_lots, v_taken);
    perform wms.post_at_once(
      'MOVE', v_unit.warehouse_id, v_unit.warehouse_id,
      wms.lines_with_holds(v_items, v_lots, v_quantities, v_unit.location_id, v_target.id),
      reason => nullif(btrim(wms_handling_unit_move.reason), ''), reference => v_unit.sscc
    );
    perform wms.change_packed(v_unit.warehouse_id, v_target.id, v_items, v_lots, v_quantities);
  end if;

  update wms.handling_unit as u
  set location_id = v_target.id
  where u.org_id = v_unit.org_id
    and u.id in (select f.id from wms.handling_unit_family(v_unit.id) as f (id));

  select u.* into v_row from api.wms_handling_units as u where u.org_id = v_unit.org_id and u.id = v_unit.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_handling_unit_move(uuid, uuid, text, integer) is
  'Move a handling unit to another position of its warehouse
With all that is in it, by one MOVE document whose reference is its SSCC. What is reserved of it stays reserved, at the position
that it reaches. A unit that lies in another moves with that one
(wms.handling_unit_nested, 409). Needs wms.handling_unit.update.';

grant execute on function api.wms_handling_unit_move(uuid, uuid, text, integer) to member, superadmin, migrator;

create or replace function wms.handling_unit_goods(
  id uuid,
  out items uuid[],
  out lots uuid[],
  out quantities numeric[]
)
returns record
language sql
stable
parallel safe
begin atomic
  select
    coalesce(array_agg(s.item_id order by s.item_id, s.lot_id), '{}') as items,
    coalesce(array_agg(s.lot_id order by s.item_id, s.lot_id), '{}') as lots,
    coalesce(array_agg(s.quantity order by s.item_id, s.lot_id), '{}') as quantities
  from (
    select c.item_id, c.lot_id, sum(c.quantity) as quantity
    from wms.handling_unit_family(handling_unit_goods.id) as f (id)
    inner join wms.handling_unit_content as c
      on c.org_id = core.org_id()
      and c.handling_unit_id = f.id
    group by c.item_id, c.lot_id
  ) as s;
end;

comment on function wms.handling_unit_goods(uuid) is
  'All that is in a handling unit and in the units in it, summed up by item and lot.';

create or replace function wms.lines_between(
  items uuid[],
  lots uuid[],
  quantities numeric[],
  from_position_id uuid,
  to_position_id uuid
)
returns jsonb
language sql
immutable
parallel safe
begin atomic
  select jsonb_agg(
    jsonb_strip_nulls(
      jsonb_build_object(
        'item_id', g.item_id, 'lot_id', g.lot_id, 'quantity', g.quantity, 'from_position_id',
        lines_between.from_position_id, 'to_position_id', lines_between.to_position_id
      )
    )
    order by g.n
  )
  from unnest(lines_between.items, lines_between.lots, lines_between.quantities) with ordinality
    as g (item_id, lot_id, quantity, n);
end;

comment on function wms.lines_between(uuid[], uuid[], numeric[], uuid, uuid) is
  'Lines of a document that takes these goods from one place to another; a place that is null is left to the document.';

create or replace function wms.lines_with_holds(
  items uuid[],
  lots uuid[],
  quantities numeric[],
  from_position_id uuid,
  to_position_id uuid
)
returns jsonb
language sql
stable
parallel safe
begin atomic
  with goods as (
    select g.n, g.item_id, g.lot_id, g.quantity, least(g.quantity, b.quantity - b.reserved) as free
    from unnest(lines_with_holds.items, lines_with_holds.lots, lines_with_holds.quantities) with ordinality
      as g (item_id, lot_id, quantity, n)
    inner join wms.balance as b
      on b.org_id = core.org_id()
      and b.item_id = g.item_id
      and b.location_id = lines_with_holds.from_position_id
      and b.lot_id is not distinct from g.lot_id
  ),
  held as (
    select
      g.n,
      g.item_id,
      g.lot_id,
      r.id,
      r.quantity,
      g.quantity - g.free as needed,
      coalesce(
        sum(r.quantity) over (partition by g.n order by r.id rows between unbounded preceding and 1 preceding), 0
      ) as before
    from goods as g
    inner join wms.reservation as r
      on r.org_id = core.org_id()
      and r.item_id = g.item_id
      and r.location_id = lines_with_holds.from_position_id
      and r.lot_id is not distinct from g.lot_id
      and r.status = 'HELD'
    where g.quantity > g.free
  ),
  part as (
    select g.n, null::uuid as reservation_id, g.item_id, g.lot_id, g.free as quantity
    from goods as g
    where g.free > 0
    union all
    select h.n, h.id, h.item_id, h.lot_id, least(h.quantity, h.needed - h.before)
    from held as h
    where h.before < h.needed
  )
  select jsonb_agg(
    jsonb_strip_nulls(
      jsonb_build_object(
        'item_id', p.item_id, 'lot_id', p.lot_id, 'quantity', p.quantity, 'reservation_id', p.reservation_id,
        'from_position_id', lines_with_holds.from_position_id, 'to_position_id', lines_with_holds.to_position_id
      )
    )
    order by p.n, p.reservation_id nulls first
  )
  from part as p;
end;

comment on function wms.lines_with_holds(uuid[], uuid[], numeric[], uuid, uuid) is
  'Lines of a MOVE that takes these goods from one place to another: first what nobody holds, then out of reservations, which '
  'go along. The caller holds the balances.';
