-- A request that nobody wants any more.

create or replace function api.records_request_cancel(
  id uuid,
  reason text,
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
  perform records.require_status(v_request, 'DRAFT', 'SENT_BACK');

  perform records.lock_crate(v_request.crate_id);
  update records.request as r
  set
    status = 'CANCELLED',
    status_reason = nullif(btrim(reason), ''),
    cancelled_by = core.user_id(),
    cancelled_at = now()
  where r.org_id = v_request.org_id
    and r.id = v_request.id;
  perform records.release_crate(v_request, reason);
  select v.* into v_row from api.records_requests as v where v.org_id = v_request.org_id and v.id = v_request.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_request_cancel(uuid, text, integer) is
  'Cancel a draft, or what was sent back, saying why
By who made it. The crate of a storage request is cancelled with it, and its documents are free for another. Needs
records.request.create in the unit.';

grant execute on function api.records_request_cancel(uuid, text, integer) to member, superadmin, migrator;
