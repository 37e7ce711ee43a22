-- title: a serial number is one piece at one place, and promised once
select
  t.org_id,
  t.id as lot_id,
  t.lot_no,
  sum(b.quantity) as quantity,
  sum(b.reserved) as reserved
from core.item as i
inner join wms.lot as t
  on t.org_id = i.org_id
  and t.item_id = i.id
inner join wms.balance as b
  on b.org_id = t.org_id
  and b.item_id = t.item_id
  and b.lot_id = t.id
where i.tracking = 'SERIAL'
group by t.org_id, t.id, t.lot_no
having sum(b.quantity) not in (0, 1)
  or sum(b.reserved) not in (0, 1);
