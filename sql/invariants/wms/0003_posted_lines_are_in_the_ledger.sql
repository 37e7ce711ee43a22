-- title: every line of a posted document has two ledger rows, what left one place and what reached the other
select
  l.org_id,
  l.document_id,
  l.id as line_id,
  l.item_id,
  l.quantity_base,
  count(s.id) as ledger_rows
from wms.document as d
inner join wms.document_line as l
  on l.org_id = d.org_id
  and l.document_id = d.id
left join wms.stock_ledger as s
  on s.org_id = l.org_id
  and s.document_id = l.document_id
  and s.line_id = l.id
where d.number is not null
group by l.org_id, l.document_id, l.id
having count(s.id) <> 2
  or sum(s.delta) <> 0
  or count(*) filter (
    where s.item_id = l.item_id
      and s.lot_id is not distinct from l.lot_id
      and (s.location_id, s.delta) in (
        (l.from_position_id, -l.quantity_base),
        (l.to_position_id, l.quantity_base)
      )
  ) <> 2;
