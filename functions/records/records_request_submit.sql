-- A draft goes to the approver.

create or replace function api.records_request_submit(
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
  perform records.require_status(v_request, 'DRAFT');
  perform records.submit_request(records.change_request(v_request, changes));
  select v.* into v_row from api.records_requests as v where v.org_id = v_request.org_id and v.id = v_request.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_request_submit(uuid, jsonb, integer) is
  'Submit a draft
It gets its number and waits for an approver of its unit. changes as in records_request_resubmit. Needs
records.request.create in the unit.';

grant execute on function api.records_request_submit(uuid, jsonb, integer) to member, superadmin, migrator;
