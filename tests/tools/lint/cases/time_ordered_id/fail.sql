create table core.careless (id uuid default gen_random_uuid());
