-- Brings more under a hold.

create or replace function api.records_hold_add(
  id uuid,
  crates uuid[] default '{}',
  documents uuid[] default '{}',
  version integer default null
)
returns api.records_holds
language plpgsql
volatile
parallel unsafe
-- definer: holds are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row api.records_holds;
begin
  perform core.require_permission('records.hold.place');
  perform records.lock_hold(records_hold_add.id, records_hold_add.version);
  perform records.add_hold_items(records_hold_add.id, crates, documents);
  select v.* into v_row from api.records_holds as v where v.org_id = core.org_id() and v.id = records_hold_add.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_hold_add(uuid, uuid[], uuid[], integer) is
  'Bring more crates and documents under a legal hold
What it covers already stays. Refused: 404 records.hold_not_found, 409 records.hold_released, records.hold_too_late, 412
core.stale_version, and as records_hold_place. Needs records.hold.place everywhere.';

grant execute on function api.records_hold_add(uuid, uuid[], uuid[], integer) to member, superadmin, migrator;
