-- title: what a legal hold covers is active until the hold is released, and none of it is destroyed meanwhile
-- why: an item that is free too early is not kept
select
  i.org_id,
  i.id,
  h.hold_no,
  h.status
from records.legal_hold_item as i
inner join records.legal_hold as h
  on h.org_id = i.org_id
  and h.id = i.hold_id
left join records.crate as c
  on c.org_id = i.org_id
  and c.id = i.crate_id
left join records.document as d
  on d.org_id = i.org_id
  and d.id = i.document_id
where i.is_active <> (h.status = 'ACTIVE')
  or (i.is_active and 'DESTROYED' in (c.status, d.status));
