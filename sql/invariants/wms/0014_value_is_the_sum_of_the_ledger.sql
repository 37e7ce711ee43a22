-- title: the value of an item in a warehouse is the sum of the values of its ledger, and its quantity that of its balances
select
  m.org_id,
  m.item_id,
  m.warehouse_id,
  sum(m.value) as value,
  sum(m.ledger) as ledger,
  sum(m.quantity) as quantity,
  sum(m.balances) as balances
from (
  select v.org_id, v.item_id, v.warehouse_id, v.value, 0 as ledger, v.quantity, 0 as balances
  from wms.stock_value as v
  union all
  select l.org_id, l.item_id, l.warehouse_id, 0, sum(l.value_delta), 0, 0
  from wms.stock_ledger as l
  where l.warehouse_id is not null
  group by l.org_id, l.item_id, l.warehouse_id
  union all
  select b.org_id, b.item_id, b.warehouse_id, 0, 0, 0, sum(b.quantity)
  from wms.balance as b
  -- What has not moved since values are kept has none.
  where exists (
    select
    from wms.stock_value as v
    where v.org_id = b.org_id
      and v.item_id = b.item_id
      and v.warehouse_id = b.warehouse_id
  )
  group by b.org_id, b.item_id, b.warehouse_id
) as m
group by m.org_id, m.item_id, m.warehouse_id
having sum(m.value) <> sum(m.ledger)
  or sum(m.quantity) <> sum(m.balances);
