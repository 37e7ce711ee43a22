-- What the stock is worth, today or on a day gone by.

create type api.wms_stock_valuation as (
  item_id uuid,
  sku text,
  item_name text,
  unit_code text,
  warehouse_id uuid,
  warehouse_code text,
  quantity numeric,
  value numeric,
  unit_cost numeric
);

comment on type api.wms_stock_valuation is 'What the stock of an item in a warehouse was worth';

-- From the values of now, less what has happened since, like wms_stock_as_of.
create or replace function api.wms_valuation(on_date date default null, warehouse_id uuid default null)
returns setof api.wms_stock_valuation
language sql
stable
parallel safe
begin atomic
  with moment as materialized (
    select (coalesce(wms_valuation.on_date, core.today()) + 1)::timestamp at time zone o.time_zone as at
    from core.organization as o
    where o.id = (select core.org_id())
  )
  select
    i.id,
    i.sku,
    i.name,
    i.unit_code,
    w.id,
    w.code,
    m.quantity,
    m.value,
    round(m.value / nullif(m.quantity, 0), 6)
  from (
    select c.item_id, c.warehouse_id, sum(c.quantity) as quantity, sum(c.value) as value
    from (
      select b.item_id, b.warehouse_id, b.quantity, 0 as value
      from wms.balance as b
      where b.org_id = (select core.org_id())
        and (wms_valuation.warehouse_id is null or b.warehouse_id = wms_valuation.warehouse_id)
      union all
      select v.item_id, v.warehouse_id, 0, v.value
      from wms.stock_value as v
      where v.org_id = (select core.org_id())
        and (wms_valuation.warehouse_id is null or v.warehouse_id = wms_valuation.warehouse_id)
      union all
      select l.item_id, h.warehouse_id, -l.delta, -l.value_delta
      from wms.stock_ledger as l
      inner join core.location as p
        on p.org_id = l.org_id
        and p.id = l.location_id
        and not p.is_virtual
      cross join lateral (
        select coalesce(
          l.warehouse_id,
          (
            select a.id
            from core.location as a
            where a.org_id = p.org_id
              and a.kind = 'WAREHOUSE'
              and a.path operator (public.@>) p.path
          )
        ) as warehouse_id
      ) as h
      where l.org_id = (select core.org_id())
        and l.id >= core.uuid_floor((select o.at from moment as o))
        and l.occurred_at >= (select o.at from moment as o)
        and (wms_valuation.warehouse_id is null or h.warehouse_id = wms_valuation.warehouse_id)
    ) as c
    group by c.item_id, c.warehouse_id
    having sum(c.quantity) <> 0 or sum(c.value) <> 0
  ) as m
  inner join core.item as i
    on i.org_id = (select core.org_id())
    and i.id = m.item_id
  inner join core.location as w
    on w.org_id = i.org_id
    and w.id = m.warehouse_id
  where not wms.is_counted_blind(m.item_id, m.warehouse_id)
  order by i.id, w.id;
end;

comment on function api.wms_valuation(date, uuid) is
  'What the stock is worth at the end of a day
By item and warehouse, in the base currency, of one warehouse if asked; today when on_date is left out. Movements count by
the day on which they happened, with the value that they were posted with.';

grant execute on function api.wms_valuation(date, uuid) to member, superadmin, migrator;
