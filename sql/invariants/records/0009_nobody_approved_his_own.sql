-- title: every request was approved by somebody else, and those that were decided against keep the reason of the round
-- why: two persons are wanted, and what one of them said stays
select
  r.org_id,
  r.id,
  r.request_no,
  r.status
from records.request as r
where r.approved_by = r.requested_by
  or r.rejected_by = r.requested_by
  or (
    r.status in ('REJECTED', 'SENT_BACK')
    and not exists (
      select
      from records.send_back as s
      where s.org_id = r.org_id
        and s.request_id = r.id
        and s.round = r.round
        and s.kind = case r.status when 'REJECTED' then 'REJECTION' else 'CHANGE_REQUEST' end
    )
  );
