-- Closes days.

create or replace function wms.lock_periods(org_id uuid)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform pg_advisory_xact_lock(ops.lock_key('wms.period', org_id));
end
$$;

comment on function wms.lock_periods(uuid) is
  'Waits for the postings of the organisation that are under way, and keeps others out until the transaction ends.';

create or replace function wms.check_warehouse(org_id uuid, warehouse_id uuid)
returns void
language plpgsql
stable
parallel safe
as $$
begin
  if warehouse_id is not null and not exists (
    select
    from core.location as w
    where w.org_id = check_warehouse.org_id
      and w.id = check_warehouse.warehouse_id
      and w.kind = 'WAREHOUSE'
  ) then
    perform core.raise_error('wms.not_a_warehouse', jsonb_build_object('field', 'warehouse_id', 'id', warehouse_id));
  end if;
end
$$;

comment on function wms.check_warehouse(uuid, uuid) is 'Raises wms.not_a_warehouse (422); null is well.';

create or replace function api.wms_period_close(through date, warehouse_id uuid default null)
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
  v_closed date;
  v_row api.wms_periods;
begin
  perform core.require_permission('wms.period.close');
  perform wms.check_warehouse(v_org, warehouse_id);
  if through is null or through >= core.today() then
    perform core.raise_error('wms.period_not_over', jsonb_build_object('through', through));
  end if;

  perform wms.lock_periods(v_org);
  v_closed := (
    select p.last_closed_on
    from wms.stock_period as p
    where p.org_id = v_org
      and p.warehouse_id is not distinct from wms_period_close.warehouse_id
  );
  if v_closed >= through then
    perform core.raise_error('wms.period_closed_already', jsonb_build_object('last_closed_on', v_closed));
  end if;

  insert into wms.stock_period as p (org_id, warehouse_id, last_closed_on)
  values (v_org, wms_period_close.warehouse_id, through)
  on conflict on constraint one_period_per_warehouse do update set
    last_closed_on = excluded.last_closed_on,
    reason = null;

  select p.*
  into v_row
  from api.wms_periods as p
  where p.org_id = v_org
    and p.warehouse_id is not distinct from wms_period_close.warehouse_id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_period_close(date, uuid) is
  'Close the days through one that is over, in a warehouse or in all of them
Nothing is posted into closed days any more (wms.period_closed, 423). Waits for postings that are under way. Refused:
wms.period_not_over, wms.not_a_warehouse (422), wms.period_closed_already (409). Needs wms.period.close.';

grant execute on function api.wms_period_close(date, uuid) to member, superadmin, migrator;
