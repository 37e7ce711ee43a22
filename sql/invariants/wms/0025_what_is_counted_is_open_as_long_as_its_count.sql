-- title: lines of a count are open exactly as long as their count
select
  l.org_id,
  l.id,
  c.status
from wms.count_line as l
inner join wms.count_session as c
  on c.org_id = l.org_id
  and c.id = l.count_id
where l.is_open <> (c.status not in ('POSTED', 'CANCELLED'));
