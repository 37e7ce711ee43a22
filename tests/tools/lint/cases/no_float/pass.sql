create table core.careless (price numeric(18, 4)[]);
