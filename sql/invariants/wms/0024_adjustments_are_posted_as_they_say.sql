-- title: the document of an adjustment moves its difference, and no other line
select
  a.org_id,
  a.id,
  a.document_id,
  a.difference,
  l.difference as posted
from wms.adjustment as a
cross join lateral (
  select sum(s.delta) as difference
  from wms.stock_ledger as s
  where s.org_id = a.org_id
    and s.document_id = a.document_id
    and s.location_id = a.position_id
    and s.item_id = a.item_id
    and s.lot_id is not distinct from a.lot_id
) as l
where a.status = 'POSTED'
  and a.difference is distinct from l.difference;
