create table core.careless (is_active boolean);
