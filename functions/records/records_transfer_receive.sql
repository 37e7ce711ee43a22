-- A transfer arrives: crate and documents belong to the other unit from now on.

create or replace function api.records_transfer_receive(
  id uuid,
  location_id uuid,
  note text default null,
  version integer default null
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
  v_crate records.crate;
  v_request records.request;
  v_row api.records_requests;
begin
  v_request := records.lock_request(id, version, 'TRANSFER');
  perform core.require_permission('records.transfer.receive', v_request.target_unit_id);
  perform records.require_status(v_request, 'IN_TRANSIT');
  v_crate := records.lock_crate(v_request.crate_id);
  v_crate.unit_id := v_request.target_unit_id;
  perform records.lock_place(location_id, v_crate);

  update records.crate as c
  set
    status = v_request.crate_status,
    unit_id = v_request.target_unit_id,
    bound_for_id = null
  where c.org_id = v_crate.org_id
    and c.id = v_crate.id;
  update records.document as d
  set unit_id = v_request.target_unit_id
  from records.crate_document as e
  where e.org_id = v_crate.org_id
    and e.crate_id = v_crate.id
    and e.removed_at is null
    and d.org_id = e.org_id
    and d.id = e.document_id;
  perform records.give_custody(v_crate.id, location_id, null, 'RECEIVED', v_request.id, note);
  update records.request as r
  set
    status = 'COMPLETED',
    completed_by = core.user_id(),
    completed_at = now()
  where r.org_id = v_request.org_id
    and r.id = v_request.id;
  select v.* into v_row from api.records_requests as v where v.org_id = v_request.org_id and v.id = v_request.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_transfer_receive(uuid, uuid, text, integer) is
  'Receive a crate that another unit sent, and put it in a place
From then on it belongs to this unit, with its documents; it keeps its barcode. Refused for a place as in
records_storage_allocate. Needs records.transfer.receive in the unit that it goes to.';

grant execute on function api.records_transfer_receive(uuid, uuid, text, integer) to member, superadmin, migrator;
