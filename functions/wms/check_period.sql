-- Closed days stay as they are.

create or replace function wms.enter_period(org_id uuid)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  -- Shared by all postings of the organisation; whoever closes days waits for those that began before.
  perform pg_advisory_xact_lock_shared(ops.lock_key('wms.period', org_id));
end
$$;

comment on function wms.enter_period(uuid) is 'Keeps days from being closed while the transaction posts into them.';

create or replace function wms.check_period(org_id uuid, warehouse_id uuid, on_date date)
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_last_closed_on date;
begin
  select max(p.last_closed_on)
  into v_last_closed_on
  from wms.stock_period as p
  where p.org_id = check_period.org_id
    and (p.warehouse_id is null or p.warehouse_id = check_period.warehouse_id);
  if on_date <= v_last_closed_on then
    perform core.raise_error(
      'wms.period_closed',
      jsonb_build_object('posting_date', on_date, 'last_closed_on', v_last_closed_on, 'warehouse_id', warehouse_id)
    );
  end if;
end
$$;

comment on function wms.check_period(uuid, uuid, date) is
  'Raises wms.period_closed (423) when the day is closed in the warehouse or in all of them.';
