-- An approved destruction that is not to be carried out.

create or replace function api.records_destruction_cancel(id uuid, reason text, version integer default null)
returns api.records_requests
language plpgsql
volatile
parallel unsafe
-- definer: requests are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_request records.request;
  v_row api.records_requests;
begin
  v_request := records.lock_request(id, version, 'DESTRUCTION');
  perform core.require_permission('records.destruction.execute', v_request.unit_id);
  perform records.require_status(v_request, 'APPROVED');
  if length(btrim(coalesce(reason, ''))) < 10 then
    perform core.raise_error('records.reason_too_short');
  end if;
  update records.request as r
  set
    status = 'CANCELLED',
    status_reason = btrim(reason),
    cancelled_by = core.user_id(),
    cancelled_at = now()
  where r.org_id = v_request.org_id
    and r.id = v_request.id;
  select v.* into v_row from api.records_requests as v where v.org_id = v_request.org_id and v.id = v_request.id;
  return v_row;
end
$$;

comment on function api.records_destruction_cancel(uuid, text, integer) is
  'Call off an approved destruction, saying why
The crate stays and is free for other requests, for instance because a legal hold was placed. Refused: 404
records.request_not_found, 409 records.request_in_another_state, records.request_of_another_kind, 422 records.reason_too_short.
Needs records.destruction.execute in the unit.';

grant execute on function api.records_destruction_cancel(uuid, text, integer) to member, superadmin, migrator;
