-- A correction that its author takes back.

create or replace function api.wms_adjustment_withdraw(id uuid, reason text, version integer default null)
returns api.wms_adjustments
language plpgsql
volatile
parallel unsafe
-- definer: adjustments are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_adjustment wms.adjustment;
  v_row api.wms_adjustments;
begin
  perform core.require_permission('wms.stock.adjust');
  select a.*
  into v_adjustment
  from wms.adjustment as a
  where a.org_id = core.org_id()
    and a.id = wms_adjustment_withdraw.id
  for no key update;
  if not found then
    perform core.raise_error('wms.adjustment_not_found', jsonb_build_object('id', wms_adjustment_withdraw.id));
  end if;
  perform core.check_version('adjustment', wms_adjustment_withdraw.version, v_adjustment.version);
  if v_adjustment.status <> 'PENDING' then
    perform core.raise_error('wms.adjustment_decided', jsonb_build_object('status', v_adjustment.status));
  elsif v_adjustment.created_by is distinct from core.user_id() then
    perform core.raise_error('wms.adjustment_of_another');
  end if;

  update wms.adjustment as a
  set
    status = 'WITHDRAWN',
    status_reason = nullif(btrim(wms_adjustment_withdraw.reason), ''),
    decided_at = now(),
    decided_by = core.user_id()
  where a.org_id = v_adjustment.org_id
    and a.id = v_adjustment.id;
  perform core.withdraw_approval('wms_adjustment', v_adjustment.id);

  select a.* into v_row from api.wms_adjustments as a where a.org_id = v_adjustment.org_id and a.id = v_adjustment.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_adjustment_withdraw(uuid, text, integer) is
  'Take back a correction of stock that still waits
By who made it; a reason is needed. Needs wms.stock.adjust.';

grant execute on function api.wms_adjustment_withdraw(uuid, text, integer) to member, superadmin, migrator;
