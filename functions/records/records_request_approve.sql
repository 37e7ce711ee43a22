-- An approver agrees.

create or replace function api.records_request_approve(
  id uuid,
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
  perform records.decide_request(v_request, 'APPROVE', null, signature_id);
  select v.* into v_row from api.records_requests as v where v.org_id = v_request.org_id and v.id = v_request.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_request_approve(uuid, uuid, integer) is
  'Approve a request
Not by who made it (403 core.same_person), and with a signature where the policy asks for one (sign of records_request with meaning APPROVE).
A policy with several steps needs as many persons. Needs what the policy asks for: records.request.approve in the unit.';

grant execute on function api.records_request_approve(uuid, uuid, integer) to member, superadmin, migrator;
