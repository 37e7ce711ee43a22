-- Closed days stay as they are.

create or replace function wms.enter_period(org_id uuid)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_ignored boolean;
begin
  -- Shared by all postings of the organisation; whoever closes days waits for those that began before.
  v_ignored := pg_advisory_xact_lock_shared(ops.lock_key('wms.period', org_id)) is null;
end
$$;

comment on function wms.enter_period(uuid) is 'Keeps days from being closed while the transaction posts into them.';

create or replace function wms.check_period(closed wms.stock_period[], warehouse_id uuid, on_date date)
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_period wms.stock_period;
begin
  foreach v_period in array closed loop
    if on_date <= v_period.last_closed_on
      and (v_period.warehouse_id is null or v_period.warehouse_id = check_period.warehouse_id) then
      perform core.raise_error(
        'wms.period_closed',
        jsonb_build_object(
          'posting_date', on_date, 'warehouse_id', warehouse_id,
          'last_closed_on', (
            select max(p.last_closed_on)
            from unnest(closed) as p
            where p.warehouse_id is null
              or p.warehouse_id = check_period.warehouse_id
          )
        )
      );
    end if;
  end loop;
end
$$;

comment on function wms.check_period(wms.stock_period[], uuid, date) is
  'Raises wms.period_closed (423) when the day is closed in the warehouse or in all of them, by the periods of the organisation.';
