-- What is to be counted again, by the rules of counting.

create or replace function wms.abc_classes(org_id uuid, warehouse_id uuid)
returns table (item_id uuid, abc_class text)
language plpgsql
stable
parallel safe
as $$
declare
  v_basis text := coalesce(core.setting('wms.abc_basis') #>> '{}', 'VALUE');
  v_days integer := greatest((core.setting('wms.abc_days') #>> '{}')::integer, 1);
  v_a numeric := (core.setting('wms.abc_a_percent') #>> '{}')::numeric / 100;
  v_b numeric := (core.setting('wms.abc_b_percent') #>> '{}')::numeric / 100;
begin
  return query
  with weighed as (
    select v.item_id, v.value as weight
    from wms.stock_value as v
    where v_basis <> 'MOVEMENT'
      and v.org_id = abc_classes.org_id
      and v.warehouse_id = abc_classes.warehouse_id
    union all
    -- What left the places of the warehouse, at the value that it took along; moves inside it take none.
    select l.item_id, - sum(l.value_delta)
    from wms.stock_ledger as l
    where v_basis = 'MOVEMENT'
      and l.org_id = abc_classes.org_id
      and l.warehouse_id = abc_classes.warehouse_id
      and l.id >= core.uuid_floor(now() - make_interval(days => v_days))
      and l.delta < 0
    group by l.item_id
  ),
  ranked as (
    select
      w.item_id,
      w.weight,
      sum(w.weight) over (order by w.weight desc, w.item_id rows unbounded preceding) - w.weight as before,
      sum(w.weight) over () as total
    from weighed as w
    where w.weight > 0
  )
  select
    r.item_id,
    case
      when r.before < v_a * r.total then 'A'
      when r.before < v_b * r.total then 'B'
      else 'C'
    end
  from ranked as r;
end
$$;

comment on function wms.abc_classes(uuid, uuid) is
  'Items of a warehouse by what they are worth, or what of them moved (setting wms.abc_basis): A for those that together make '
  'up wms.abc_a_percent, B for those up to wms.abc_b_percent, C for the others; items that are not listed are C.';

create or replace function wms.balances_due(rule wms.count_rule, on_date date)
returns table (
  balance_id uuid,
  item_id uuid,
  lot_id uuid,
  position_id uuid,
  abc_class text,
  last_counted_on date
)
language plpgsql
stable
parallel safe
as $$
declare
  v_time_zone text := (select o.time_zone from core.organization as o where o.id = rule.org_id);
begin
  return query
  with class as materialized (
    select a.item_id, a.abc_class
    from wms.abc_classes(rule.org_id, rule.warehouse_id) as a
  )
  select
    b.id,
    b.item_id,
    b.lot_id,
    b.location_id,
    coalesce(a.abc_class, 'C'),
    (d.counted_at at time zone v_time_zone)::date
  from wms.balance as b
  inner join core.location as p
    on p.org_id = b.org_id
    and p.id = b.location_id
  inner join core.item as i
    on i.org_id = b.org_id
    and i.id = b.item_id
  left join class as a
    on a.item_id = b.item_id
  cross join lateral (
    select max(l.counted_at) as counted_at
    from wms.count_line as l
    inner join wms.count_session as c
      on c.org_id = l.org_id
      and c.id = l.count_id
      and c.status = 'POSTED'
    where l.org_id = b.org_id
      and l.item_id = b.item_id
      and l.position_id = b.location_id
      and l.lot_id is not distinct from b.lot_id
      and l.counted_at is not null
  ) as d
  where b.org_id = rule.org_id
    and b.warehouse_id = rule.warehouse_id
    and b.quantity > 0
    and (rule.zone is null or p.zone = rule.zone)
    and (rule.item_class is null or i.class = rule.item_class)
    and (rule.abc_class is null or coalesce(a.abc_class, 'C') = rule.abc_class)
    and (d.counted_at is null or (d.counted_at at time zone v_time_zone)::date + rule.every_days <= on_date)
    -- What is being counted, or waits for a second person, is not due: counting it would be refused.
    and not exists (
      select
      from wms.count_line as l
      where l.org_id = b.org_id
        and l.item_id = b.item_id
        and l.position_id = b.location_id
        and l.lot_id is not distinct from b.lot_id
        and l.is_open
    )
    and not exists (
      select
      from wms.adjustment as j
      where j.org_id = b.org_id
        and j.item_id = b.item_id
        and j.position_id = b.location_id
        and j.lot_id is not distinct from b.lot_id
        and j.status = 'PENDING'
    )
  order by d.counted_at nulls first, b.item_id, b.location_id, b.lot_id
  limit rule.max_lines;
end
$$;

comment on function wms.balances_due(wms.count_rule, date) is
  'Balances that a rule has counted on a day, those that were counted longest ago first, max_lines at most. Counted is what '
  'was in a count that was posted.';
