-- Stock that expires soon.

create or replace function api.wms_stock_expiring(
  days integer default 30,
  warehouse_id uuid default null,
  after_expires_on date default null,
  after_id uuid default null,
  page_size integer default 20
)
returns setof api.wms_stock
language plpgsql
stable
parallel safe
rows 20
as $$
declare
  v_until date;
begin
  perform wms.check_page_size(page_size);
  if days is null or days not between 0 and 3650 then
    perform core.raise_error('wms.days', jsonb_build_object('days', days));
  end if;
  v_until := core.today() + days;

  return query
  select s.*
  from api.wms_stock as s
  where s.expires_on <= v_until
    and s.quantity > 0
    and (wms_stock_expiring.warehouse_id is null or s.warehouse_id = wms_stock_expiring.warehouse_id)
    and (
      wms_stock_expiring.after_expires_on is null
      or (
        s.expires_on >= wms_stock_expiring.after_expires_on
        and (
          s.expires_on > wms_stock_expiring.after_expires_on
          or s.id > wms_stock_expiring.after_id
        )
      )
    )
  order by s.expires_on, s.id
  limit wms_stock_expiring.page_size;
end
$$;

comment on function api.wms_stock_expiring(integer, uuid, date, uuid, integer) is
  'Stock whose last day of use comes within some days, what has expired already among it
By that day, the earliest first. The next page: after_expires_on and after_id, of the last row seen. Errors: wms.days,
wms.page_size (422).';

grant execute on function api.wms_stock_expiring(integer, uuid, date, uuid, integer) to member, superadmin, migrator;
