-- Triggers of counts: allowed status changes, expected version.

create or replace trigger guard_status
before insert or update of status on wms.count_session
for each row
execute function core.tg_row__guard_status('wms.count_session');

create or replace trigger touch
before update on wms.count_session
for each row
execute function core.tg_row__touch();

create or replace trigger touch
before update on wms.count_line
for each row
execute function core.tg_row__touch();
