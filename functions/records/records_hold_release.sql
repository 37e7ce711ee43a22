-- Ends a hold.

create or replace function api.records_hold_release(id uuid, reason text, version integer default null)
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
  perform core.require_permission('records.hold.release');
  perform records.lock_hold(records_hold_release.id, records_hold_release.version);
  if length(btrim(coalesce(reason, ''))) < 10 then
    perform core.raise_error('records.reason_too_short');
  end if;
  update records.legal_hold as h
  set
    status = 'RELEASED',
    status_reason = btrim(records_hold_release.reason),
    released_by = core.user_id(),
    released_at = now()
  where h.org_id = core.org_id()
    and h.id = records_hold_release.id;
  select v.* into v_row from api.records_holds as v where v.org_id = core.org_id() and v.id = records_hold_release.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_hold_release(uuid, text, integer) is
  'Release a legal hold
What it covered follows its dates again, unless another hold covers it, too. The hold stays on record for ever. Refused: 403
core.same_person where the organisation wants another person than who placed it (records.hold_release_by_another), 404
records.hold_not_found, 409 records.hold_released, 412 core.stale_version, 422 records.reason_too_short. Needs
records.hold.release everywhere.';

grant execute on function api.records_hold_release(uuid, text, integer) to member, superadmin, migrator;
