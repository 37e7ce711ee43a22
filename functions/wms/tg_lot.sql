-- Triggers of lots: allowed status changes, expected version, and only tracked items have lots.

create or replace function wms.tg_lot__check_item()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  if exists (
    select
    from core.item as i
    where i.org_id = new.org_id
      and i.id = new.item_id
      and i.tracking = 'NONE'
  ) then
    perform core.raise_error('wms.lot_not_wanted', jsonb_build_object('item_id', new.item_id));
  end if;
  return new;
end
$$;

comment on function wms.tg_lot__check_item() is 'Refuses a lot of an item whose stock is not told apart by lot or serial.';

create or replace trigger check_item
before insert on wms.lot
for each row
execute function wms.tg_lot__check_item();

create or replace trigger guard_status
before insert or update of status on wms.lot
for each row
execute function core.tg_row__guard_status('wms.lot');

create or replace trigger touch
before update on wms.lot
for each row
execute function core.tg_row__touch();
