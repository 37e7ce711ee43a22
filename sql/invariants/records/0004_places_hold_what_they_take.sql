-- title: crates lie in active places for crates that have no place in them, and no more than they take
-- why: a full shelf has no room for one more, whoever asks
select
  l.org_id,
  l.id,
  l.code,
  l.kind,
  l.capacity,
  count(u.id) as crates
from records.custody as u
inner join core.location as l
  on l.org_id = u.org_id
  and l.id = u.location_id
where upper_inf(u.during)
group by l.org_id, l.id
having not l.is_active
  or l.kind not in ('ROOM', 'RACK', 'COMPARTMENT', 'SHELF')
  or (l.capacity_unit = 'XCR' and count(u.id) > l.capacity)
  or exists (select from core.location as b where b.org_id = l.org_id and b.parent_id = l.id);
