-- An approver refuses, for good.

create or replace function api.records_request_reject(
  id uuid,
  reason text,
  signature_id uuid default null,
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
  perform core.require_permission('records.request.approve', v_request.unit_id);
  perform records.require_status(v_request, 'PENDING');
  perform records.decide_request(v_request, 'REJECT', reason, signature_id);
  select v.* into v_row from api.records_requests as v where v.org_id = v_request.org_id and v.id = v_request.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_request_reject(uuid, text, uuid, integer) is
  'Reject a request, saying why in ten characters or more
The crate stays what it was; that of a storage request is cancelled. Not by who made the request. Needs what the policy asks
for: records.request.approve in the unit.';

grant execute on function api.records_request_reject(uuid, text, uuid, integer) to member, superadmin, migrator;
