-- Quality holds and releases lots.

create or replace function api.wms_lot_set_status(id uuid, status text, reason text default null, version integer default null)
returns api.wms_lots
language plpgsql
volatile
parallel unsafe
-- definer: the status of a lot is written by this function only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_lot wms.lot;
  v_row api.wms_lots;
begin
  perform core.require_permission('wms.lot.set_status');

  select t.*
  into v_lot
  from wms.lot as t
  where t.org_id = core.org_id()
    and t.id = wms_lot_set_status.id
  for no key update;
  if not found then
    perform core.raise_error('wms.lot_not_found', jsonb_build_object('id', id));
  elsif v_lot.status = wms_lot_set_status.status then
    perform core.raise_error('wms.lot_status_unchanged', jsonb_build_object('lot', v_lot.lot_no, 'status', v_lot.status));
  end if;

  update wms.lot as t
  set
    status = wms_lot_set_status.status,
    status_reason = nullif(btrim(reason), ''),
    version = coalesce(wms_lot_set_status.version, t.version)
  where t.org_id = v_lot.org_id
    and t.id = v_lot.id;
  -- What may not move is promised to nobody.
  if v_lot.status = 'APPROVED' then
    perform wms.release_reservations_of_lot(v_lot.id, 'LOT');
  end if;

  select t.* into v_row from api.wms_lots as t where t.org_id = v_lot.org_id and t.id = v_lot.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_lot_set_status(uuid, text, text, integer) is
  'Hold, release, quarantine or recall a lot
status is APPROVED, ON_HOLD, QUARANTINED, RECALLED, EXPIRED or DAMAGED; a reason is needed. Only an APPROVED lot is picked and
leaves; what was reserved of it is released, and whoever posts documents is notified. RECALLED, EXPIRED and DAMAGED are for
good. Part of a lot is put aside by wms_stock_move to a QUARANTINE position. Needs wms.lot.set_status.';

grant execute on function api.wms_lot_set_status(uuid, text, text, integer) to member, superadmin, migrator;
