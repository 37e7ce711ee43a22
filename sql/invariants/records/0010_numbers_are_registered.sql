-- title: the barcode of every crate and the number of every request are registered for it
-- why: what is not registered could be given twice
select
  c.org_id,
  c.id,
  c.barcode as number
from records.crate as c
left join core.number_register as n
  on n.org_id = c.org_id
  and n.document_type = 'records.crate'
  and n.entity_id = c.id
where n.number is distinct from c.barcode
union all
select
  r.org_id,
  r.id,
  r.request_no as number
from records.request as r
left join core.number_register as n
  on n.org_id = r.org_id
  and n.document_type = 'records.request'
  and n.entity_id = r.id
where r.request_no is not null
  and n.number is distinct from r.request_no;
