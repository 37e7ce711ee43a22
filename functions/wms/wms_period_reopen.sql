-- Opens closed days again.

create or replace function api.wms_period_reopen(open_from date, reason text, warehouse_id uuid default null)
returns api.wms_periods
language plpgsql
volatile
parallel unsafe
-- definer: closed days are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_row api.wms_periods;
begin
  perform core.require_permission('wms.period.reopen');
  if coalesce(btrim(reason), '') = '' then
    perform core.raise_error('core.reason_missing', '{"entity": "wms_stock_period", "action": "reopen"}');
  end if;
  perform wms.lock_periods(v_org);

  update wms.stock_period as p
  set
    last_closed_on = open_from - 1,
    reason = btrim(wms_period_reopen.reason)
  where p.org_id = v_org
    and p.warehouse_id is not distinct from wms_period_reopen.warehouse_id
    and p.last_closed_on >= open_from;
  if not found then
    perform core.raise_error('wms.period_open', jsonb_build_object('open_from', open_from));
  end if;

  select p.*
  into v_row
  from api.wms_periods as p
  where p.org_id = v_org
    and p.warehouse_id is not distinct from wms_period_reopen.warehouse_id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_period_reopen(date, text, uuid) is
  'Open closed days again, from a day on, saying why
warehouse_id as they were closed: days closed for all warehouses are opened for all. Refused: wms.period_open (409),
core.reason_missing (422). Needs wms.period.reopen.';

grant execute on function api.wms_period_reopen(date, text, uuid) to member, superadmin, migrator;
