-- Where goods belong.

create type api.wms_put_away_proposal as (
  position_id uuid,
  position_code text,
  zone text,
  quantity numeric,
  unit_code text,
  free numeric,
  why text
);

comment on type api.wms_put_away_proposal is 'How much of some goods should go to a position, and why';

create or replace function api.wms_put_away_propose(
  warehouse_id uuid,
  item_id uuid,
  quantity numeric,
  lot_id uuid default null,
  unit_code text default null
)
returns setof api.wms_put_away_proposal
language plpgsql
stable
parallel safe
-- definer: how full positions are, and the rules, are read whatever the caller sees of them
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_path public.ltree;
  v_item core.item;
  v_quantity numeric;
  v_is_approved boolean := true;
  v_zones text[];
begin
  perform core.require_permission('wms.stock.move');
  v_item := wms.require_item(wms_put_away_propose.item_id, wms_put_away_propose.lot_id);
  v_quantity := wms.in_item_unit(v_item, wms_put_away_propose.quantity, wms_put_away_propose.unit_code);
  v_path := (
    select w.path
    from core.location as w
    where w.org_id = v_org
      and w.id = wms_put_away_propose.warehouse_id
      and w.kind = 'WAREHOUSE'
  );
  if v_path is null then
    perform core.raise_error(
      'wms.not_a_warehouse', jsonb_build_object('field', 'warehouse_id', 'id', wms_put_away_propose.warehouse_id)
    );
  end if;
  if wms_put_away_propose.lot_id is not null then
    v_is_approved := (
      select t.status = 'APPROVED'
      from wms.lot as t
      where t.org_id = v_org
        and t.item_id = v_item.id
        and t.id = wms_put_away_propose.lot_id
    );
  end if;

  if v_is_approved then
    v_zones := wms.required_zones(v_org, wms_put_away_propose.warehouse_id, v_item.id, v_item.class);
  end if;

  return query
  with place as materialized (
    -- Positions that have none in them; a lot that may not be used goes aside.
    select p.id, p.code, p.zone, p.capacity, p.capacity_unit
    from core.location as p
    where p.org_id = v_org
      and p.path operator (public.<@) v_path
      and p.is_active
      and (v_zones is null or p.zone = any (v_zones))
      and p.kind = any (case when v_is_approved then array['STORAGE', 'PICKING'] else array['QUARANTINE'] end)
      and not exists (
        select
        from core.location as c
        where c.org_id = p.org_id
          and c.parent_id = p.id
      )
  ),
  held as materialized (
    select
      b.location_id,
      b.item_id,
      sum(b.quantity) as quantity,
      bool_or(b.item_id = v_item.id and b.lot_id is not distinct from wms_put_away_propose.lot_id) as is_same
    from wms.balance as b
    where b.org_id = v_org
      and b.warehouse_id = wms_put_away_propose.warehouse_id
      and b.quantity > 0
    group by b.location_id, b.item_id
  ),
  measure as materialized (
    select m.item_id, m.capacity_unit, wms.unit_factor(m.item_id, i.unit_code, m.capacity_unit) as factor
    from (
      select h.item_id, p.capacity_unit
      from place as p
      inner join held as h
        on h.location_id = p.id
      where p.capacity is not null
      union
      select v_item.id, p.capacity_unit
      from place as p
      where p.capacity is not null
    ) as m
    inner join core.item as i
      on i.org_id = v_org
      and i.id = m.item_id
  ),
  room as (
    select
      p.id,
      p.code,
      p.zone,
      (p.capacity - coalesce(u.used, 0)) / o.factor as free,
      coalesce(u.is_same, false) as is_same,
      coalesce(u.has_item, false) as has_item,
      u.id is null as is_empty,
      z.rank
    from place as p
    left join measure as o
      on o.item_id = v_item.id
      and o.capacity_unit = p.capacity_unit
    left join (
      select
        h.location_id as id,
        sum(h.quantity * m.factor) as used,
        bool_or(h.is_same) as is_same,
        bool_or(h.item_id = v_item.id) as has_item
      from held as h
      inner join place as p
        on p.id = h.location_id
      left join measure as m
        on m.item_id = h.item_id
        and m.capacity_unit = p.capacity_unit
      group by h.location_id
    ) as u
      on u.id = p.id
    left join lateral (
      select min(case when r.item_id is not null then 1 when r.item_class is not null then 2 else 3 end) as rank
      from wms.put_away_rule as r
      where r.org_id = v_org
        and r.zone = p.zone
        and coalesce(r.warehouse_id, wms_put_away_propose.warehouse_id) = wms_put_away_propose.warehouse_id
        and coalesce(r.item_id, v_item.id) = v_item.id
        and coalesce(r.item_class, v_item.class) = v_item.class
    ) as z on true
  ),
  ranked as (
    select
      r.*,
      least(r.free, v_quantity) as taken,
      sum(coalesce(least(r.free, v_quantity), v_quantity)) over w
      - coalesce(least(r.free, v_quantity), v_quantity) as before,
      row_number() over w as n
    from room as r
    where r.free is null
      or r.free > 0
    window w as (
      order by r.rank nulls last, r.is_same desc, r.has_item desc, r.is_empty desc, r.code, r.id
      rows between unbounded preceding and current row
    )
  )
  select
    k.id,
    k.code,
    k.zone,
    trunc(least(coalesce(k.taken, v_quantity), v_quantity - k.before), 6),
    v_item.unit_code,
    case when not wms.is_stock_hidden(k.id) then trim_scale(round(k.free, 6)) end,
    concat_ws(
      ', ',
      case k.rank
        when 1 then 'zone of the item'
        when 2 then 'zone of its class'
        when 3 then 'zone of all goods'
      end,
      case
        when k.is_same and wms_put_away_propose.lot_id is not null then 'holds the lot'
        when k.has_item then 'holds the item'
        when k.is_empty then 'empty'
        else 'has room'
      end
    )
  from ranked as k
  where k.before < v_quantity
    and trunc(least(coalesce(k.taken, v_quantity), v_quantity - k.before), 6) > 0
  order by k.n;
end
$$;

comment on function api.wms_put_away_propose(uuid, uuid, numeric, uuid, text) is
  'Where goods should be put away
Positions of kind STORAGE and PICKING (for a lot that is not APPROVED: QUARANTINE) with room, first those in the zones of the
put-away rules, then those that hold the lot or the item, then empty ones; with how much goes where. Less than quantity in
sum: there is no more room. free is in the unit of the item; null: no limit, or who asks counts blind what lies there. Goods with
a required rule are proposed for its zones only. Needs wms.stock.move.';

grant execute on function api.wms_put_away_propose(uuid, uuid, numeric, uuid, text) to member, superadmin, migrator;
