-- committed
-- What is dead is counted when a transaction ends.
create table core.careless (id integer, constraint careless_pkey primary key (id)) with (autovacuum_enabled = off);
insert into core.careless select n from generate_series(1, 30000) as n;
delete from core.careless where id > 14000;
select pg_stat_force_next_flush();
