create table core.careless (active boolean);
