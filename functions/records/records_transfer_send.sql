-- An approved transfer sets out.

create or replace function api.records_transfer_send(
  id uuid,
  carrier_id uuid default null,
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
  v_carrier uuid;
  v_request records.request;
  v_row api.records_requests;
begin
  v_request := records.lock_request(id, version, 'TRANSFER');
  perform core.require_permission('records.transfer.send', v_request.unit_id);
  perform records.require_status(v_request, 'APPROVED');
  v_carrier := coalesce(carrier_id, core.user_id());
  perform records.check_holder(v_carrier);
  v_crate := records.lock_crate(v_request.crate_id);

  update records.crate as c
  set
    status = 'IN_TRANSIT',
    bound_for_id = v_request.target_unit_id
  where c.org_id = v_crate.org_id
    and c.id = v_crate.id;
  perform records.give_custody(v_crate.id, null, v_carrier, 'SENT', v_request.id, note);
  update records.request as r
  set
    status = 'IN_TRANSIT',
    crate_status = v_crate.status,
    sent_by = core.user_id(),
    sent_at = now()
  where r.org_id = v_request.org_id
    and r.id = v_request.id;
  select v.* into v_row from api.records_requests as v where v.org_id = v_request.org_id and v.id = v_request.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_transfer_send(uuid, uuid, text, integer) is
  'Send a crate whose transfer is approved
Until it is received it is in the custody of carrier_id, or of who sends it. Needs records.transfer.send in the unit that it
leaves.';

grant execute on function api.records_transfer_send(uuid, uuid, text, integer) to member, superadmin, migrator;
