-- title: what a line of a count is expected to be changes by what the ledger moved between start and counting
-- why: ids of the ledger are in the order of posting for each balance, so the marks say exactly which rows are in between
select
  e.org_id,
  e.line_id,
  e.expected,
  e.expected_at_count,
  m.moved
from wms.count_expectation as e
inner join wms.count_line as l
  on l.org_id = e.org_id
  and l.id = e.line_id
cross join lateral (
  select coalesce(sum(s.delta), 0) as moved
  from wms.stock_ledger as s
  where s.org_id = l.org_id
    and s.item_id = l.item_id
    and s.location_id = l.position_id
    and s.lot_id is not distinct from l.lot_id
    and s.id > e.start_mark
    and s.id <= e.count_mark
) as m
where e.count_mark is not null
  and e.expected_at_count - e.expected <> m.moved;
