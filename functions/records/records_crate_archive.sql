-- A crate that is seldom wanted.

create or replace function api.records_crate_archive(
  id uuid,
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
  perform core.check_version('crate', records_crate_archive.version, v_crate.version);
  perform core.require_permission('records.crate.archive', v_crate.unit_id);
  if v_crate.status <> 'ACTIVE' then
    perform core.raise_error(
      'records.crate_not_available', jsonb_build_object('barcode', v_crate.barcode, 'status', v_crate.status)
    );
  end if;
  update records.crate as c
  set
    status = 'ARCHIVED',
    status_reason = nullif(btrim(reason), '')
  where c.org_id = v_crate.org_id
    and c.id = v_crate.id;
  select v.* into v_row from api.records_crates as v where v.org_id = v_crate.org_id and v.id = v_crate.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_crate_archive(uuid, text, integer) is
  'Archive a crate, saying why
It stays in its place and can be withdrawn as before. Needs records.crate.archive in the unit of the crate.';

grant execute on function api.records_crate_archive(uuid, text, integer) to member, superadmin, migrator;
