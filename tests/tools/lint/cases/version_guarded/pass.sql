create table core.careless (id uuid, version integer, updated_at timestamptz);
create trigger touch before update on core.careless
for each row execute function core.tg_row__touch('id');
