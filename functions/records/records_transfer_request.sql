-- The request to give a crate to another unit.

create or replace function api.records_transfer_request(
  crate_id uuid,
  target_unit_id uuid,
  purpose text,
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
  v_id uuid := coalesce(records_transfer_request.id, uuidv7());
  v_crate records.crate;
  v_request records.request;
  v_row api.records_requests;
begin
  v_crate := records.lock_crate(crate_id);
  perform core.require_permission('records.request.create', v_crate.unit_id);
  perform records.check_new_request(v_id);
  perform records.check_available(v_crate);
  v_request.kind := 'TRANSFER';
  v_request.unit_id := v_crate.unit_id;
  v_request.target_unit_id := target_unit_id;
  v_request.purpose := nullif(btrim(purpose), '');
  perform records.check_wishes(v_request);

  insert into records.request (org_id, id, kind, crate_id, unit_id, target_unit_id, purpose)
  values (
    v_crate.org_id, v_id, 'TRANSFER', v_crate.id, v_crate.unit_id, records_transfer_request.target_unit_id,
    v_request.purpose
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

comment on function api.records_transfer_request(uuid, uuid, text, boolean, uuid) is
  'Ask for a crate to go to another unit
It belongs to that unit, with its documents, when the store there has received it. target_unit_id is a department or section.
Needs records.request.create in the unit of the crate.';

grant execute on function api.records_transfer_request(uuid, uuid, text, boolean, uuid) to member, superadmin, migrator;
