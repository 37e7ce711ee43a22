-- What a signature on a request covers.

create or replace function records.request_payload(id uuid)
returns jsonb
language sql
stable
parallel safe
begin atomic
  select jsonb_build_object(
    'id', r.id,
    'request_no', r.request_no,
    'kind', r.kind,
    'round', r.round,
    'unit_id', r.unit_id,
    'target_unit_id', r.target_unit_id,
    'requested_by', r.requested_by,
    'purpose', r.purpose,
    'expected_return_on', r.expected_return_on,
    'crate', c.barcode,
    'destruction_on', c.destruction_on,
    'is_retained', c.is_retained,
    'documents', (
      select coalesce(jsonb_agg(d.document_number order by d.document_number), '[]')
      from records.crate_document as e
      inner join records.document as d
        on d.org_id = e.org_id
        and d.id = e.document_id
      where e.org_id = r.org_id
        and e.crate_id = r.crate_id
        and e.removed_at is null
        and (
          r.is_full is distinct from false
          or exists (
            select
            from records.request_document as x
            where x.org_id = r.org_id
              and x.request_id = r.id
              and x.document_id = e.document_id
          )
        )
    )
  )
  from records.request as r
  inner join records.crate as c
    on c.org_id = r.org_id
    and c.id = r.crate_id
  where r.org_id = (select core.org_id())
    and r.id = request_payload.id;
end;

comment on function records.request_payload(uuid) is
  'What a request asks for, as it is signed: crate, documents, dates, purpose, round; null when there is no such request.';
