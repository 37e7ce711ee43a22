-- Until when crates are kept: what was decided for them, and what the classes of their documents say.

create or replace function records.refresh_crates(crate_ids uuid[])
returns void
language sql
volatile
parallel unsafe
begin atomic
  update records.crate as c
  set
    is_retained = k.destruction_on is null,
    destruction_on = k.destruction_on
  from (
    select
      a.id,
      case
        when a.is_permanent or coalesce(bool_or(t.id is not null and (d.due_on is null or t.disposal <> 'DESTROY')), false)
          then null
        else greatest(a.minimum_on, max(d.due_on))
      end as destruction_on
    from records.crate as a
    left join records.crate_document as e
      on e.org_id = a.org_id
      and e.crate_id = a.id
      and e.removed_at is null
    left join records.document as d
      on d.org_id = e.org_id
      and d.id = e.document_id
    left join records.retention_class as t
      on t.org_id = d.org_id
      and t.id = d.retention_class_id
    where a.org_id = (select core.org_id())
      and a.id = any (refresh_crates.crate_ids)
      and a.status not in ('DESTROYED', 'CANCELLED')
    group by a.id, a.is_permanent, a.minimum_on
  ) as k
  where c.org_id = (select core.org_id())
    and c.id = k.id
    and c.destruction_on is distinct from k.destruction_on;
end;

comment on function records.refresh_crates(uuid[]) is
  'Set the destruction date of crates: the latest of their minimum and the due dates of their documents; none when one of '
  'them is kept for good, must be reviewed first, or is not known yet.';
