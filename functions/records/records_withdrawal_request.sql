-- The request to take a crate, or some of its documents, out of the store.

create or replace function api.records_withdrawal_request(
  crate_id uuid,
  purpose text,
  expected_return_on date,
  documents uuid[] default null,
  is_draft boolean default false,
  id uuid default null
)
returns api.records_requests
language plpgsql
volatile
parallel unsafe
-- definer: requests, crates and custody are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid := coalesce(records_withdrawal_request.id, uuidv7());
  v_crate records.crate;
  v_request records.request;
  v_row api.records_requests;
begin
  v_crate := records.lock_crate(crate_id);
  perform core.require_permission('records.request.create', v_crate.unit_id);
  perform records.check_new_request(v_id);
  perform records.check_available(v_crate);
  v_request.kind := 'WITHDRAWAL';
  v_request.purpose := nullif(btrim(purpose), '');
  v_request.expected_return_on := expected_return_on;
  perform records.check_wishes(v_request);
  if documents = '{}' then
    perform core.raise_error('records.documents_missing');
  end if;

  insert into records.request (org_id, id, kind, crate_id, unit_id, purpose, is_full, document_count, expected_return_on)
  values (
    v_crate.org_id, v_id, 'WITHDRAWAL', v_crate.id, v_crate.unit_id, v_request.purpose,
    records_withdrawal_request.documents is null,
    (select count(distinct d.id) from unnest(records_withdrawal_request.documents) as d (id)),
    records_withdrawal_request.expected_return_on
  )
  returning * into v_request;
  perform records.list_documents(v_request, documents);
  if not coalesce(is_draft, false) then
    perform records.submit_request(v_request);
  end if;
  select v.* into v_row from api.records_requests as v where v.org_id = v_request.org_id and v.id = v_request.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_withdrawal_request(uuid, text, date, uuid[], boolean, uuid) is
  'Ask for a crate, or some of its documents
Without documents (ids) the whole crate. The crate stays in its place until the store issues it. Refused: 409
records.crate_not_available, records.request_open (one request at a time), 422 records.return_date_past,
records.document_elsewhere. Needs records.request.create in the unit of the crate.';

grant execute on function api.records_withdrawal_request(uuid, text, date, uuid[], boolean, uuid) to member, superadmin, migrator;
