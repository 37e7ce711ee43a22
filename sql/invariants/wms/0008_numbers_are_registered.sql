-- title: the number of every posted document is registered for it
select
  d.org_id,
  d.id,
  d.number
from wms.document as d
left join core.number_register as r
  on r.org_id = d.org_id
  and r.document_type = 'wms.' || lower(d.document_type)
  and r.entity_id = d.id
where d.number is not null
  and r.number is distinct from d.number;
