-- title: line_count and total of a document are those of its lines
select
  d.org_id,
  d.id,
  d.line_count,
  coalesce(l.line_count, 0) as lines,
  d.total,
  coalesce(l.total, 0) as sum_of_amounts
from wms.document as d
left join (
  select
    x.org_id,
    x.document_id,
    count(*) as line_count,
    sum(round(x.quantity * x.unit_price, 4)) as total
  from wms.document_line as x
  group by x.org_id, x.document_id
) as l
  on l.org_id = d.org_id
  and l.document_id = d.id
where d.line_count <> coalesce(l.line_count, 0)
  or d.total <> coalesce(l.total, 0);
