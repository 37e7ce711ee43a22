-- Triggers of reorder rules: expected version, and rules are for warehouses.

create or replace function wms.tg_reorder_rule__check_warehouse()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  if not exists (
    select
    from core.location as w
    where w.org_id = new.org_id
      and w.id = new.warehouse_id
      and w.kind = 'WAREHOUSE'
  ) then
    perform core.raise_error('wms.not_a_warehouse', jsonb_build_object('field', 'warehouse_id', 'id', new.warehouse_id));
  end if;
  return new;
end
$$;

comment on function wms.tg_reorder_rule__check_warehouse() is 'Refuses a reorder rule for a place that is no warehouse.';

create or replace trigger check_warehouse
before insert on wms.reorder_rule
for each row
execute function wms.tg_reorder_rule__check_warehouse();

create or replace trigger touch
before update on wms.reorder_rule
for each row
execute function core.tg_row__touch();
