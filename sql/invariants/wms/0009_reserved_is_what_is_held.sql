-- title: the reserved quantity of a balance is the sum of the reservations that hold it
select
  m.org_id,
  m.item_id,
  m.lot_id,
  m.location_id,
  sum(m.reserved) as reserved,
  sum(m.held) as held
from (
  select b.org_id, b.item_id, b.lot_id, b.location_id, b.reserved, 0 as held
  from wms.balance as b
  where b.reserved <> 0
  union all
  select r.org_id, r.item_id, r.lot_id, r.location_id, 0, r.quantity
  from wms.reservation as r
  where r.status = 'HELD'
) as m
group by m.org_id, m.item_id, m.lot_id, m.location_id
having sum(m.reserved) <> sum(m.held);
