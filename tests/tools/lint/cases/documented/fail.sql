create table core.careless (id uuid);
