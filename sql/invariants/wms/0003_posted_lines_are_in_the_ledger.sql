-- title: every line of a posted document has two ledger rows, what left one place and what reached the other
select
  l.org_id,
  l.document_id,
  l.id as line_id,
  l.item_id,
  l.quantity_base,
  g.ledger_rows
from wms.document as d
inner join wms.document_line as l
  on l.org_id = d.org_id
  and l.document_id = d.id
left join (
  select
    s.org_id,
    s.document_id,
    s.line_id,
    count(*) as ledger_rows,
    min(s.delta) as removed,
    max(s.delta) as added,
    min(s.item_id) as item_id,
    max(s.item_id) as other_item_id,
    min(s.lot_id) as lot_id,
    count(s.lot_id) as with_lot,
    min(s.location_id) filter (where s.delta < 0) as from_id,
    min(s.location_id) filter (where s.delta > 0) as to_id
  from wms.stock_ledger as s
  group by s.org_id, s.document_id, s.line_id
) as g
  on g.org_id = l.org_id
  and g.document_id = l.document_id
  and g.line_id = l.id
where d.number is not null
  and (
    g.ledger_rows,
    g.removed,
    g.added,
    g.item_id,
    g.other_item_id,
    g.lot_id,
    g.with_lot,
    g.from_id,
    g.to_id
  ) is distinct from (
    2::bigint,
    - l.quantity_base,
    l.quantity_base,
    l.item_id,
    l.item_id,
    l.lot_id,
    case when l.lot_id is null then 0 else 2 end::bigint,
    l.from_position_id,
    l.to_position_id
  );
