-- title: the destruction date of a crate is the latest of its minimum and of its documents
-- why: nothing is destroyed before its last document may go
select
  k.org_id,
  k.id,
  k.barcode,
  k.destruction_on,
  k.should_be
from (
  select
    c.org_id,
    c.id,
    c.barcode,
    c.destruction_on,
    case
      when c.is_permanent or coalesce(bool_or(t.id is not null and (d.due_on is null or t.disposal <> 'DESTROY')), false)
        then null
      else greatest(c.minimum_on, max(d.due_on))
    end as should_be
  from records.crate as c
  left join records.crate_document as e
    on e.org_id = c.org_id
    and e.crate_id = c.id
    and e.removed_at is null
  left join records.document as d
    on d.org_id = e.org_id
    and d.id = e.document_id
  left join records.retention_class as t
    on t.org_id = d.org_id
    and t.id = d.retention_class_id
  where c.status not in ('DESTROYED', 'CANCELLED')
  group by c.org_id, c.id
) as k
where k.destruction_on is distinct from k.should_be;
