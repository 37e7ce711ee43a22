-- title: crates that lie in their place are in the custody of a place, the others of a person
-- why: who looks for a crate goes where its custody says
select
  c.org_id,
  c.id,
  c.barcode,
  c.status,
  u.location_id,
  u.holder_id
from records.crate as c
inner join records.custody as u
  on u.org_id = c.org_id
  and u.crate_id = c.id
  and upper_inf(u.during)
where (c.status in ('ACTIVE', 'ARCHIVED') and u.location_id is null)
  or (c.status in ('WITHDRAWN', 'IN_TRANSIT') and u.holder_id is null);
