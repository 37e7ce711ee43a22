-- title: a handling unit stands where its parent stands, one deeper, in the same state
select
  u.org_id,
  u.id,
  u.sscc,
  u.parent_id
from wms.handling_unit as u
inner join wms.handling_unit as p
  on p.org_id = u.org_id
  and p.id = u.parent_id
where u.location_id <> p.location_id
  or u.warehouse_id <> p.warehouse_id
  or u.status <> p.status
  or u.depth <> p.depth + 1;
