-- title: a crate is what its requests made it
-- why: a crate that is out without a withdrawal was taken, not lent
select
  c.org_id,
  c.id,
  c.barcode,
  c.status,
  r.request_no,
  r.kind,
  r.status as request_status
from records.crate as c
left join records.request as r
  on r.org_id = c.org_id
  and r.crate_id = c.id
  and r.status in ('PENDING', 'SENT_BACK', 'APPROVED', 'ISSUED', 'PARTIALLY_RETURNED', 'IN_TRANSIT')
where (c.status = 'WITHDRAWN') <> (r.status is not distinct from 'ISSUED' and r.is_full)
  or (c.status = 'IN_TRANSIT') <> (r.status is not distinct from 'IN_TRANSIT')
  or (c.status = 'IN_TRANSIT' and c.bound_for_id is distinct from r.target_unit_id)
  or (c.status in ('PROPOSED', 'DESTROYED', 'CANCELLED') and r.kind <> 'STORAGE')
  or (c.status in ('DESTROYED', 'CANCELLED') and r.id is not null)
  or (c.status not in ('PROPOSED') and r.kind = 'STORAGE');
