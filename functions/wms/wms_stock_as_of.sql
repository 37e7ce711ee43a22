-- Stock at a moment, past ones too.

create type api.wms_stock_quantity as (
  item_id uuid,
  sku text,
  item_name text,
  unit_code text,
  lot_id uuid,
  lot_no text,
  location_id uuid,
  location_code text,
  quantity numeric
);

comment on type api.wms_stock_quantity is 'How much of an item (and lot) lay at a place';

-- From the balances of now, less what has happened since: nothing can be entered before it happened, so the rows to take
-- back have ids from that moment on and older partitions are not read. Yesterday's stock costs one day of the ledger.
create or replace function api.wms_stock_as_of(
  at timestamptz,
  location_id uuid default null,
  item_id uuid default null
)
returns setof api.wms_stock_quantity
language sql
stable
parallel safe
begin atomic
  select
    i.id,
    i.sku,
    i.name,
    i.unit_code,
    t.id,
    t.lot_no,
    p.id,
    p.code,
    m.quantity
  from (
    select c.org_id, c.item_id, c.lot_id, c.location_id, sum(c.quantity) as quantity
    from (
      select b.org_id, b.item_id, b.lot_id, b.location_id, b.quantity
      from wms.balance as b
      where b.org_id = (select core.org_id())
        and (wms_stock_as_of.item_id is null or b.item_id = wms_stock_as_of.item_id)
      union all
      select l.org_id, l.item_id, l.lot_id, l.location_id, -l.delta
      from wms.stock_ledger as l
      where l.org_id = (select core.org_id())
        and l.id >= core.uuid_floor(wms_stock_as_of.at)
        and l.occurred_at > wms_stock_as_of.at
        and (wms_stock_as_of.item_id is null or l.item_id = wms_stock_as_of.item_id)
    ) as c
    group by c.org_id, c.item_id, c.lot_id, c.location_id
    having sum(c.quantity) <> 0
  ) as m
  inner join core.location as p
    on p.org_id = m.org_id
    and p.id = m.location_id
    and not p.is_virtual
  inner join core.item as i
    on i.org_id = m.org_id
    and i.id = m.item_id
  left join wms.lot as t
    on t.org_id = m.org_id
    and t.id = m.lot_id
  where wms_stock_as_of.location_id is null
    or p.path operator (public.<@) (
      select w.path
      from core.location as w
      where w.org_id = (select core.org_id())
        and w.id = wms_stock_as_of.location_id
    )
  order by i.id, t.id, p.id;
end;

comment on function api.wms_stock_as_of(timestamptz, uuid, uuid) is
  'Stock as it was at a moment
What lay at each place, of one item or in one warehouse or position if asked; moments in the future show the stock of now.
Movements count from when they happened (occurred_at), also if they were entered later.';

grant execute on function api.wms_stock_as_of(timestamptz, uuid, uuid) to member, superadmin, migrator;
