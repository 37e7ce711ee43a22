-- title: every line of a posted document is in the ledger, what left one place and what reached the other
-- why: it leaves the place and lot of the line, or those that were reserved for it; it reaches the place of the line
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
having count(s.id) < 2
  or sum(s.delta) <> 0
  or sum(s.value_delta) <> 0
  or sum(s.delta) filter (where s.delta > 0) <> l.quantity_base
  or count(*) filter (
    where s.item_id <> l.item_id
      or (l.lot_id is not null and s.lot_id is distinct from l.lot_id)
      or (s.delta > 0 and s.location_id <> l.to_position_id)
      or (
        s.delta < 0
        and (s.location_id <> l.from_position_id or s.lot_id is distinct from l.lot_id)
        and not exists (
          select
          from wms.reservation as r
          where r.org_id = s.org_id
            and r.document_id = s.document_id
            and r.line_id = s.line_id
            and r.status = 'CONSUMED'
            and r.location_id = s.location_id
            and r.lot_id is not distinct from s.lot_id
        )
      )
  ) > 0;
