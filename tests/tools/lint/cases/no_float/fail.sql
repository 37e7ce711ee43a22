create table core.careless (price double precision[]);
