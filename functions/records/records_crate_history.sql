-- What happened to a crate, in order.

create type api.records_crate_step as (
  at timestamptz,
  what text,
  request_id uuid,
  request_no text,
  location_id uuid,
  holder_id uuid,
  document_id uuid,
  document_number text,
  actor_id uuid,
  note text
);

comment on type api.records_crate_step is
  'Something that happened to a crate: custody that began, a request that was made or came to its end, a document added or removed';

create or replace function api.records_crate_history(crate_id uuid)
returns setof api.records_crate_step
language sql
stable
parallel safe
begin atomic
  select s.at, s.what, s.request_id, s.request_no, s.location_id, s.holder_id, s.document_id, s.document_number, s.actor_id, s.note
  from (
    select
      u.began_at as at,
      u.reason as what,
      u.request_id,
      r.request_no,
      u.location_id,
      u.holder_id,
      null::uuid as document_id,
      null::text as document_number,
      u.created_by as actor_id,
      u.note
    from api.records_custodies as u
    left join records.request as r
      on r.org_id = u.org_id
      and r.id = u.request_id
    where u.org_id = (select core.org_id())
      and u.crate_id = records_crate_history.crate_id
    union all
    select r.requested_at, r.kind || '_REQUESTED', r.id, r.request_no, null, null, null, null, r.requested_by, r.purpose
    from records.request as r
    where r.org_id = (select core.org_id())
      and r.crate_id = records_crate_history.crate_id
      and r.status <> 'DRAFT'
    union all
    select e.at, r.kind || '_' || e.what, r.id, r.request_no, null, null, null, null, e.by, r.status_reason
    from records.request as r
    cross join lateral (
      values
        (r.approved_at, 'APPROVED', r.approved_by),
        (r.rejected_at, 'REJECTED', r.rejected_by),
        (r.cancelled_at, 'CANCELLED', r.cancelled_by),
        (r.completed_at, 'COMPLETED', r.completed_by),
        (r.returned_at, 'COMPLETED', r.returned_by)
    ) as e (at, what, by)
    where r.org_id = (select core.org_id())
      and r.crate_id = records_crate_history.crate_id
      and e.at is not null
    union all
    select e.at, e.what, null, null, null, null, d.document_id, d.document_number, e.by, null
    from api.records_crate_documents as d
    cross join lateral (
      values (d.added_at, 'DOCUMENT_ADDED', d.added_by), (d.removed_at, 'DOCUMENT_REMOVED', d.removed_by)
    ) as e (at, what, by)
    where d.org_id = (select core.org_id())
      and d.crate_id = records_crate_history.crate_id
      and e.at is not null
  ) as s
  order by s.at, s.what, s.document_number;
end;

comment on function api.records_crate_history(uuid) is
  'What happened to a crate, the oldest first
Custody, requests and contents. The changes of its fields, with who made them, are in entity_history (entity records_crate).';

grant execute on function api.records_crate_history(uuid) to member, superadmin, migrator;
