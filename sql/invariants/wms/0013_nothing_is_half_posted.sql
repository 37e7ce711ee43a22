-- title: no document is left in the middle of being posted
select
  d.org_id,
  d.id,
  d.document_type
from wms.document as d
where d.status = 'POSTING';
