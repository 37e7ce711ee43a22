-- title: a reversed document and its mirror name each other and cancel out
select
  d.org_id,
  d.id,
  d.status,
  r.reversal_id,
  m.reverses
from wms.document as d
full join wms.reversal as r
  on r.org_id = d.org_id
  and r.document_id = d.id
left join wms.document as m
  on m.org_id = r.org_id
  and m.id = r.reversal_id
where ((d.status = 'REVERSED') <> (r.document_id is not null))
  or (r.document_id is not null and (m.reverses is distinct from r.document_id or m.status <> 'POSTED'))
  or exists (
    select
    from wms.stock_ledger as s
    where r.document_id is not null
      and s.org_id = r.org_id
      and s.document_id in (r.document_id, r.reversal_id)
    group by s.item_id, s.lot_id, s.location_id
    having sum(s.delta) <> 0
  )
union all
select
  m.org_id,
  m.id,
  m.status,
  null,
  m.reverses
from wms.document as m
where m.reverses is not null
  and not exists (
    select
    from wms.reversal as r
    where r.org_id = m.org_id
      and r.reversal_id = m.id
  );
