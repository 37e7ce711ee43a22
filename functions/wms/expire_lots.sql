-- Lots past their last day.

create or replace function wms.expire_lots_of_organization()
returns integer
language plpgsql
volatile
parallel unsafe
-- definer: the worker may not change lots otherwise
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_today date := core.today();
  v_lot record;
  v_count integer := 0;
begin
  -- One after the other, in the order in which postings lock lots.
  for v_lot in
    select t.id, t.status, t.expires_on
    from wms.lot as t
    where t.org_id = core.org_id()
      and t.expires_on < v_today
      and t.status in ('APPROVED', 'ON_HOLD', 'QUARANTINED')
    order by t.id
    for no key update
  loop
    update wms.lot as t
    set
      status = 'EXPIRED',
      status_reason = 'Last day of use was ' || v_lot.expires_on
    where t.org_id = core.org_id()
      and t.id = v_lot.id;
    if v_lot.status = 'APPROVED' then
      perform wms.release_reservations_of_lot(v_lot.id, 'LOT');
    end if;
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;

comment on function wms.expire_lots_of_organization() is
  'Makes lots EXPIRED whose last day is over in the time zone of the organisation, and releases what is held of them; '
  'returns how many.';

grant execute on function wms.expire_lots_of_organization() to worker, migrator;

create or replace function wms.expire_lots()
returns integer
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org record;
  v_count integer := 0;
begin
  for v_org in select o.id from core.organization as o where o.is_active order by o.id loop
    perform set_config('erpgres.org_id', v_org.id::text, true);
    v_count := v_count + wms.expire_lots_of_organization();
  end loop;
  perform set_config('erpgres.org_id', '', true);
  return v_count;
end
$$;

comment on function wms.expire_lots() is
  'wms.expire_lots_of_organization for every organisation. To be run hourly: midnight is not everywhere at once.';

grant execute on function wms.expire_lots() to worker, migrator;
