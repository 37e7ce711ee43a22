create table core.careless_line (id uuid) partition by range (id);
insert into ops.partition_policy (table_name, period, periods_ahead) values ('core.careless_line', 'month', 1);
