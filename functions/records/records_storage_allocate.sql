-- An approved crate gets its place.

create or replace function api.records_storage_allocate(
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
  v_request := records.lock_request(id, version, 'STORAGE');
  perform core.require_permission('records.storage.allocate', v_request.unit_id);
  perform records.require_status(v_request, 'APPROVED');
  v_crate := records.lock_crate(v_request.crate_id);
  perform records.lock_place(location_id, v_crate);

  update records.crate as c
  set status = 'ACTIVE'
  where c.org_id = v_crate.org_id
    and c.id = v_crate.id;
  perform records.give_custody(v_crate.id, location_id, null, 'STORED', v_request.id, note);
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

comment on function api.records_storage_allocate(uuid, uuid, text, integer) is
  'Store an approved crate in a place
Refused: 409 records.request_of_another_kind, records.request_in_another_state; 422 records.place_inactive,
records.place_not_a_leaf, records.place_of_another_unit, records.place_full. Needs records.storage.allocate in the unit.';

grant execute on function api.records_storage_allocate(uuid, uuid, text, integer) to member, superadmin, migrator;
