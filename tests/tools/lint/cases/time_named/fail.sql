create table core.careless (shipped date);
