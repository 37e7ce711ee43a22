-- title: drafts and cancelled documents have no ledger rows
select
  d.org_id,
  d.id,
  d.status,
  count(*) as ledger_rows
from wms.document as d
inner join wms.stock_ledger as s
  on s.org_id = d.org_id
  and s.document_id = d.id
where d.status in ('DRAFT', 'CANCELLED')
group by d.org_id, d.id, d.status;
