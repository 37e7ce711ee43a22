-- Which tables are partitioned, how finely, how far ahead, and how long partitions stay.
select
  p.table_name as identity,
  'table ' || p.table_name as part_of,
  jsonb_build_object('period', p.period, 'periods ahead', p.periods_ahead, 'periods kept', p.periods_kept) as properties
from ops.partition_policy as p
