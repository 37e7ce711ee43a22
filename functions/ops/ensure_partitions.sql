-- Makes the partitions that should be there by now.

-- Definer: as ops.create_partition.
create or replace function ops.ensure_partitions()
returns setof text
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_policy ops.partition_policy;
  v_at timestamptz;
begin
  for v_policy in select * from ops.partition_policy order by table_name loop
    for v_at in
      select (date_trunc(v_policy.period, now() at time zone 'UTC')
        + n * case v_policy.period
          when 'day' then interval '1 day' when 'month' then interval '1 month' else interval '3 months'
        end) at time zone 'UTC'
      from generate_series(0, v_policy.periods_ahead) as n
    loop
      if to_regclass(ops.partition_name(v_policy.table_name, v_policy.period, v_at)) is null then
        return next ops.create_partition(v_policy.table_name, v_at);
      end if;
    end loop;
    -- A rule that came after a partition holds for it too.
    perform ops.copy_statement_triggers(i.inhparent, i.inhrelid)
    from pg_inherits as i
    where i.inhparent = v_policy.table_name::regclass;
  end loop;
end
$$;

comment on function ops.ensure_partitions() is
  'Make the partition of the present period and of as many periods ahead as ops.partition_policy says, for every '
  'table; returns the names of the new ones. Safe to run at any time.';

grant execute on function ops.ensure_partitions() to migrator, worker;
