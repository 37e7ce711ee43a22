-- What signatures of a request cover.

create or replace function records.request_payload(id uuid)
returns jsonb
language sql
stable
parallel safe
begin atomic
  select jsonb_build_object(
    'entity', 'records_request',
    'id', r.id,
    'request_no', r.request_no,
    'kind', r.kind,
    'round', r.round,
    'unit_id', r.unit_id,
    'target_unit_id', r.target_unit_id,
    'requested_by', r.requested_by,
    'purpose', r.purpose,
    'is_full', r.is_full,
    'expected_return_on', r.expected_return_on,
    'crate_id', c.id,
    'barcode', c.barcode,
    -- Of a withdrawal what it lists; what is stored or destroyed is what the crate holds.
    'documents', (
      select jsonb_agg(d.document_number order by d.document_number)
      from records.document as d
      where d.org_id = r.org_id
        and d.id in (
          select x.document_id
          from records.request_document as x
          where x.org_id = r.org_id
            and x.request_id = r.id
            and r.is_full is false
          union all
          select e.document_id
          from records.crate_document as e
          where e.org_id = r.org_id
            and e.crate_id = r.crate_id
            and e.removed_at is null
            and r.kind in ('STORAGE', 'DESTRUCTION')
        )
    )
  )
  from records.request as r
  inner join records.crate as c
    on c.org_id = r.org_id
    and c.id = r.crate_id
  where r.org_id = core.org_id()
    and r.id = request_payload.id;
end;

comment on function records.request_payload(uuid) is
  'What a signature of a request covers: what it asks for, the crate, the numbers of the documents, its round; null: there is '
  'no such request. Not its state, which the signature moves on.';
