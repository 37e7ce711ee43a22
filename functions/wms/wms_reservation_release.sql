-- Gives promised stock back.

create or replace function api.wms_reservation_release(id uuid)
returns api.wms_reservations
language plpgsql
volatile
parallel unsafe
-- definer: reservations and balances are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row api.wms_reservations;
begin
  perform core.require_permission('wms.document.reserve');
  select r.*
  into v_row
  from api.wms_reservations as r
  where r.org_id = core.org_id()
    and r.id = wms_reservation_release.id;
  if not found then
    perform core.raise_error('wms.reservation_not_found', jsonb_build_object('id', id));
  elsif wms.release_reservations(array[wms_reservation_release.id], 'REQUESTED') = 0 then
    perform core.raise_error('wms.reservation_ended', jsonb_build_object('id', id));
  end if;

  select r.*
  into v_row
  from api.wms_reservations as r
  where r.org_id = v_row.org_id
    and r.id = v_row.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_reservation_release(uuid) is
  'Release one reservation
Others may have the stock at once. Refused: wms.reservation_not_found (404), wms.reservation_ended (409).
Needs wms.document.reserve.';

grant execute on function api.wms_reservation_release(uuid) to member, superadmin, migrator;
