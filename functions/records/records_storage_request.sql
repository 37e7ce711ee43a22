-- A new crate, and the request to store it.

create or replace function api.records_storage_request(
  unit_id uuid,
  documents jsonb,
  purpose text default null,
  destruction_on date default null,
  is_permanent boolean default false,
  is_for_central boolean default false,
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
  v_id uuid := coalesce(records_storage_request.id, uuidv7());
  v_crate_id uuid := uuidv7();
  v_crate records.crate;
  v_request records.request;
  v_row api.records_requests;
begin
  perform core.require_permission('records.request.create', unit_id);
  perform records.check_unit(unit_id);
  perform records.check_new_request(v_id);

  insert into records.crate (
    org_id, id, barcode, unit_id, is_for_central, is_permanent, minimum_on, is_retained, destruction_on
  )
  values (
    core.org_id(), v_crate_id, records.next_barcode(v_crate_id, records_storage_request.unit_id),
    records_storage_request.unit_id, coalesce(records_storage_request.is_for_central, false),
    coalesce(records_storage_request.is_permanent, false), records_storage_request.destruction_on, true, null
  )
  returning * into v_crate;
  perform records.fill_crate(v_crate, records.read_documents(unit_id, documents));
  perform records.check_retention(v_crate_id);

  insert into records.request (org_id, id, kind, crate_id, unit_id, purpose)
  values (
    v_crate.org_id, v_id, 'STORAGE', v_crate_id, records_storage_request.unit_id,
    nullif(btrim(records_storage_request.purpose), '')
  )
  returning * into v_request;
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

comment on function api.records_storage_request(uuid, jsonb, text, date, boolean, boolean, boolean, uuid) is
  'Ask for a new crate to be stored
documents is an array of ids of documents, and of objects for new ones: document_number, name, and optionally kind,
description, barcode, retention_class (code), dated_on, closed_on, event_on. destruction_on: not before that day; is_permanent:
kept for good; neither is needed when every document has a retention class. unit_id is a department or section. The crate gets
its barcode at once and is PROPOSED until it is stored. is_draft: not submitted yet. Needs records.request.create in the unit.';

grant execute on function api.records_storage_request(uuid, jsonb, text, date, boolean, boolean, boolean, uuid) to member, superadmin, migrator;
