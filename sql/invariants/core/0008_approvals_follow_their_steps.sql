-- title: every approval is what the decisions on its steps make it, each by another person and none by who asked
-- why: what looks approved must have been
select
  a.org_id,
  a.id,
  a.entity,
  a.status,
  s.made,
  s.approved,
  s.against
from core.approval as a
cross join lateral (
  select
    count(*) as made,
    count(*) filter (where s.decision = 'APPROVE') as approved,
    count(*) filter (where s.decision in ('REJECT', 'SEND_BACK')) as against,
    count(s.decided_by) - count(distinct s.decided_by) as twice,
    count(*) filter (where s.decided_by = a.requested_by) as own
  from core.approval_step as s
  where s.org_id = a.org_id and s.approval_id = a.id
) as s
where s.made <> a.step_count
  or s.twice > 0
  or s.own > 0
  or case a.status
    when 'APPROVED' then s.approved <> a.step_count
    when 'PENDING' then s.against > 0 or s.approved = a.step_count
    when 'WITHDRAWN' then s.against > 0
    else s.against <> 1
  end;
