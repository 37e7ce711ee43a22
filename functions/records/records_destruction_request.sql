-- The request to destroy a crate.

create or replace function api.records_destruction_request(
  crate_id uuid,
  purpose text default null,
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
  v_id uuid := coalesce(records_destruction_request.id, uuidv7());
  v_crate records.crate;
  v_request records.request;
  v_row api.records_requests;
begin
  v_crate := records.lock_crate(crate_id);
  perform core.require_permission('records.request.create', v_crate.unit_id);
  perform records.check_new_request(v_id);
  perform records.check_no_open_request(v_crate);
  perform records.check_destruction(v_crate);

  insert into records.request (org_id, id, kind, crate_id, unit_id, purpose, document_count)
  values (
    v_crate.org_id, v_id, 'DESTRUCTION', v_crate.id, v_crate.unit_id, nullif(btrim(records_destruction_request.purpose), ''),
    (
      select count(*)
      from records.crate_document as e
      where e.org_id = v_crate.org_id
        and e.crate_id = v_crate.id
        and e.removed_at is null
    )
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

comment on function api.records_destruction_request(uuid, text, boolean, uuid) is
  'Ask for a crate to be destroyed with all that is in it
purpose says why, in words. Refused: 409 records.crate_not_available (withdrawn, on its way), records.request_open (one request at
a time), records.not_in_custody (a document is out), 422 records.purpose_missing, records.crate_retained,
records.destruction_not_due, 423 records.held (a legal hold). Approved by another person, who signs; carried out with
records_destruction_confirm. Needs records.request.create in the unit of the crate.';

grant execute on function api.records_destruction_request(uuid, text, boolean, uuid) to member, superadmin, migrator;
