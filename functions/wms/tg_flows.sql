-- Triggers of adjustments, handling units and put-away rules: allowed status changes, expected version; and of balances:
-- what is packed leaves with its unit.

create or replace trigger guard_status
before insert or update of status on wms.adjustment
for each row
execute function core.tg_row__guard_status('wms.adjustment');

create or replace trigger touch
before update on wms.adjustment
for each row
execute function core.tg_row__touch();

create or replace trigger guard_status
before insert or update of status on wms.handling_unit
for each row
execute function core.tg_row__guard_status('wms.handling_unit');

create or replace trigger touch
before update on wms.handling_unit
for each row
execute function core.tg_row__touch();

create or replace trigger touch
before update on wms.put_away_rule
for each row
execute function core.tg_row__touch();

create or replace function wms.tg_balance__keep_packed()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.raise_error(
    'wms.packed_in_handling_unit',
    (
      select jsonb_build_object(
        'item', i.sku, 'item_id', i.id, 'place', p.code, 'location_id', p.id, 'packed', trim_scale(new.packed),
        'loose', trim_scale(old.quantity - old.packed), 'unit', i.unit_code
      )
      from core.item as i
      inner join core.location as p
        on p.org_id = i.org_id
        and p.id = new.location_id
      where i.org_id = new.org_id
        and i.id = new.item_id
    )
  );
  return null;
end
$$;

comment on function wms.tg_balance__keep_packed() is
  'Refuses to take more from a place than lies there outside of handling units.';

create or replace trigger keep_packed
before update on wms.balance
for each row
when (new.packed > new.quantity)
execute function wms.tg_balance__keep_packed();
