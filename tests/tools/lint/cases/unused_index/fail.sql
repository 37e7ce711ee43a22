-- committed
-- What is read is counted when a transaction ends.
create table core.careless (id integer, other integer, constraint careless_pkey primary key (id));
create index careless_other_idx on core.careless (other);
insert into core.careless select n, n from generate_series(1, 1000) as n;
do $$
begin
  set local enable_seqscan = off;
  for v_n in 1..10001 loop
    perform from core.careless where id = v_n;
  end loop;
end
$$;
select pg_stat_force_next_flush();
