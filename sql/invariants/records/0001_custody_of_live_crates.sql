-- title: every live crate is in exactly one custody, and no other crate is in any
-- why: a crate of which nobody can say where it is, or which is in two places, is lost
select
  c.org_id,
  c.id,
  c.barcode,
  c.status,
  count(u.id) as present_custodies
from records.crate as c
left join records.custody as u
  on u.org_id = c.org_id
  and u.crate_id = c.id
  and upper_inf(u.during)
group by c.org_id, c.id
having count(u.id) <> case when c.status in ('ACTIVE', 'ARCHIVED', 'WITHDRAWN', 'IN_TRANSIT') then 1 else 0 end;
