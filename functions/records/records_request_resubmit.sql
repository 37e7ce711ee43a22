-- What was sent back goes to the approver again.

create or replace function api.records_request_resubmit(
  id uuid,
  changes jsonb default null,
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
  v_request records.request;
  v_row api.records_requests;
begin
  v_request := records.lock_request(id, version);
  perform core.require_permission('records.request.create', v_request.unit_id);
  perform records.require_requester(v_request);
  perform records.require_status(v_request, 'SENT_BACK');
  perform records.submit_request(records.change_request(v_request, changes));
  select v.* into v_row from api.records_requests as v where v.org_id = v_request.org_id and v.id = v_request.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_request_resubmit(uuid, jsonb, integer) is
  'Submit again what was sent back, with changes
By who made it. changes is an object with purpose; of a storage documents, destruction_on, is_permanent, is_for_central; of a
withdrawal documents (null: the whole crate) and expected_return_on; of a transfer target_unit_id. Every round is kept in
records_send_backs. Needs records.request.create in the unit.';

grant execute on function api.records_request_resubmit(uuid, jsonb, integer) to member, superadmin, migrator;
