-- as: superuser
create table core.careless (id uuid);
