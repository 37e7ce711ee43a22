-- title: stock is held only for documents that are reserved, picked or packed, and no more of a line than it says
select
  d.org_id,
  d.id,
  d.status,
  l.id as line_id,
  l.quantity_base,
  sum(r.quantity) as held
from wms.reservation as r
inner join wms.document as d
  on d.org_id = r.org_id
  and d.id = r.document_id
inner join wms.document_line as l
  on l.org_id = r.org_id
  and l.document_id = r.document_id
  and l.id = r.line_id
where r.status = 'HELD'
group by d.org_id, d.id, d.status, l.id, l.quantity_base
having d.status not in ('RESERVED', 'PICKING', 'PACKED')
  or sum(r.quantity) > l.quantity_base;
