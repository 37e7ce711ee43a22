-- Triggers of reservations: allowed status changes; what has ended stays as it is.

create or replace trigger guard_status
before insert or update of status on wms.reservation
for each row
execute function core.tg_row__guard_status('wms.reservation');
