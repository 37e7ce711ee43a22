create table core.careless (id uuid, status text);
