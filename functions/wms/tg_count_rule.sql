-- Triggers of count rules: expected version, and rules are for warehouses.

create or replace trigger check_warehouse
before insert on wms.count_rule
for each row
execute function wms.tg_reorder_rule__check_warehouse();

create or replace trigger touch
before update on wms.count_rule
for each row
execute function core.tg_row__touch();
