-- title: no active place or organisation unit lies below one that is not active
select 'location' as tree, c.org_id, c.id, c.parent_id
from core.location as c
inner join core.location as p
  on p.org_id = c.org_id
  and p.id = c.parent_id
where c.is_active and not p.is_active
union all
select 'org_unit' as tree, c.org_id, c.id, c.parent_id
from core.org_unit as c
inner join core.org_unit as p
  on p.org_id = c.org_id
  and p.id = c.parent_id
where c.is_active and not p.is_active;
