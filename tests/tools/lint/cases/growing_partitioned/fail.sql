create table core.careless_line (id uuid);
