create table core.careless (shipped_on date);
