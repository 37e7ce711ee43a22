-- A crate changes its place.

create or replace function api.records_crate_relocate(
  id uuid,
  location_id uuid,
  reason text,
  version integer default null
)
returns api.records_crates
language plpgsql
volatile
parallel unsafe
-- definer: requests, crates and custody are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_crate records.crate;
  v_row api.records_crates;
begin
  v_crate := records.lock_crate(id);
  perform core.check_version('crate', records_crate_relocate.version, v_crate.version);
  perform core.require_permission('records.crate.relocate', v_crate.unit_id);
  if v_crate.status not in ('ACTIVE', 'ARCHIVED') then
    perform core.raise_error(
      'records.crate_not_available', jsonb_build_object('barcode', v_crate.barcode, 'status', v_crate.status)
    );
  elsif coalesce(btrim(reason), '') = '' then
    perform core.raise_error('core.reason_missing', '{"entity": "records.crate", "action": "relocate"}');
  elsif exists (
    select
    from records.custody as c
    where c.org_id = v_crate.org_id
      and c.crate_id = v_crate.id
      and c.location_id = records_crate_relocate.location_id
      and upper_inf(c.during)
  ) then
    perform core.raise_error(
      'records.crate_there_already',
      jsonb_build_object('barcode', v_crate.barcode, 'place', records.place_name(location_id))
    );
  end if;
  perform records.lock_place(location_id, v_crate);
  perform records.give_custody(v_crate.id, location_id, null, 'RELOCATED', null, reason);
  select v.* into v_row from api.records_crates as v where v.org_id = v_crate.org_id and v.id = v_crate.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_crate_relocate(uuid, uuid, text, integer) is
  'Move a crate to another place, saying why
Refused for a place as in records_storage_allocate. Needs records.crate.relocate in the unit of the crate.';

grant execute on function api.records_crate_relocate(uuid, uuid, text, integer) to member, superadmin, migrator;
