-- title: documents become due when their class says
-- why: the law counts from the trigger, not from what was typed
select
  d.org_id,
  d.id,
  d.document_number,
  d.due_on
from records.document as d
left join records.retention_class as t
  on t.org_id = d.org_id
  and t.id = d.retention_class_id
where d.status = 'ACTIVE'
  and d.due_on is distinct from (
    case t.counts_from when 'CREATED' then d.dated_on when 'CLOSED' then d.closed_on when 'EVENT' then d.event_on end
    + make_interval(years => t.years)
  )::date;
