-- title: the balance of a place is the sum of its ledger
select
  m.org_id,
  m.item_id,
  m.lot_id,
  m.location_id,
  sum(m.balance) as balance,
  sum(m.ledger) as ledger
from (
  select b.org_id, b.item_id, b.lot_id, b.location_id, b.quantity as balance, 0 as ledger
  from wms.balance as b
  union all
  select l.org_id, l.item_id, l.lot_id, l.location_id, 0, sum(l.delta)
  from wms.stock_ledger as l
  where l.location_id not in (select p.id from core.location as p where p.is_virtual)
  group by l.org_id, l.item_id, l.lot_id, l.location_id
) as m
group by m.org_id, m.item_id, m.lot_id, m.location_id
having sum(m.balance) <> sum(m.ledger);
