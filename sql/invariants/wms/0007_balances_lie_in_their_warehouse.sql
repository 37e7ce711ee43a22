-- title: every balance is of a real place in the warehouse that it names
select
  b.org_id,
  b.id,
  b.location_id,
  b.warehouse_id
from wms.balance as b
inner join core.location as p
  on p.org_id = b.org_id
  and p.id = b.location_id
inner join core.location as w
  on w.org_id = b.org_id
  and w.id = b.warehouse_id
where p.is_virtual
  or w.kind <> 'WAREHOUSE'
  or p.id = w.id
  or not p.path operator (public.<@) w.path;
