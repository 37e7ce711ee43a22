-- Triggers of closed periods: lost updates.

create or replace trigger touch
before update on wms.stock_period
for each row
execute function core.tg_row__touch();
