create table core.careless (id uuid, status text);
create trigger guard_status before insert or update of status on core.careless
for each row execute function core.tg_row__guard_status('core.careless');
