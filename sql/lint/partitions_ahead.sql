-- partitions are made ahead
-- For the present period and as many after it as ops.partition_policy says; an id outside the partitions is refused.
select
  'partitions_ahead' as rule,
  p.table_name as object,
  'has no partition ' || ops.partition_name(p.table_name, p.period, t.at) as detail,
  'erpgres migrate makes it, and so does select ops.ensure_partitions()' as hint
from ops.partition_policy as p
cross join lateral (
  select
    now() + s.n * case p.period
      when 'day' then interval '1 day' when 'month' then interval '1 month' else interval '3 months'
    end as at
  from generate_series(0, p.periods_ahead) as s (n)
) as t
where to_regclass(p.table_name) is not null
  and to_regclass(ops.partition_name(p.table_name, p.period, t.at)) is null;
