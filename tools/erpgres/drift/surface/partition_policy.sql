-- Which tables are partitioned, how finely and how far ahead.
select
  p.table_name as identity,
  'table ' || p.table_name as part_of,
  jsonb_build_object('period', p.period, 'periods ahead', p.periods_ahead) as properties
from ops.partition_policy as p
