-- Releases reservations whose time is over; run by a job.

create or replace function wms.expire_reservations()
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org uuid;
  v_released integer := 0;
begin
  for v_org in
    select distinct r.org_id
    from wms.reservation as r
    where r.status = 'HELD'
      and r.expires_at <= now()
    order by r.org_id
  loop
    perform set_config('erpgres.org_id', v_org::text, true);
    v_released := v_released + wms.expire_reservations_here();
    perform set_config('erpgres.org_id', '', true);
  end loop;
  return jsonb_build_object('released', v_released);
end
$$;

comment on function wms.expire_reservations() is
  'Releases the reservations of every organisation that have expired; returns how many. To be run each minute.';

grant execute on function wms.expire_reservations() to worker, migrator;

-- Definer: the worker finds what has expired and changes nothing by itself.
create or replace function wms.expire_reservations_here()
returns integer
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A thousand at a time: the next run takes the others.
  return wms.release_reservations(
    array(
      select r.id
      from wms.reservation as r
      where r.org_id = core.org_id()
        and r.status = 'HELD'
        and r.expires_at <= now()
      order by r.expires_at, r.id
      limit 1000
    ),
    'EXPIRED'
  );
end
$$;

comment on function wms.expire_reservations_here() is
  'Releases up to a thousand reservations of the organisation of the session that have expired; returns how many.';

grant execute on function wms.expire_reservations_here() to worker, migrator;
