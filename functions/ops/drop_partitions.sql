-- Drops the partitions whose time is over.

-- lint: allow exception_in_loop: a lock that could not be had must not undo what was dropped before
-- Definer: the worker does not own the tables.
create or replace function ops.drop_partitions()
returns setof text
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_partition record;
begin
  -- Who waits for the table makes everybody wait who comes after: so a moment only. What could not be had stays until the
  -- next run.
  perform set_config('lock_timeout', '200ms', true);
  for v_partition in
    select n.nspname as schema_name, c.relname as name
    from ops.partition_policy as p
    join pg_inherits as i on i.inhparent = p.table_name::regclass
    join pg_class as c on c.oid = i.inhrelid
    join pg_namespace as n on n.oid = c.relnamespace
    cross join lateral (
      select
        date_trunc(p.period, now() at time zone 'UTC')
        - p.periods_kept * case p.period
          when 'day' then interval '1 day' when 'month' then interval '1 month' else interval '3 months'
        end as until
    ) as k
    where p.periods_kept is not null
      -- The bound is a UUID whose first half is a time, so it compares like the time.
      and (regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$TO \('([0-9a-f-]{36})'\)$re$))[1]::uuid
      <= core.uuid_floor(k.until at time zone 'UTC')
    order by p.table_name, c.relname
  loop
    begin
      execute format('drop table %I.%I', v_partition.schema_name, v_partition.name);
      return next v_partition.schema_name || '.' || v_partition.name;
    exception
      when lock_not_available then
        raise notice '%.% is in use and stays until the next run', v_partition.schema_name, v_partition.name;
    end;
  end loop;
end
$$;

comment on function ops.drop_partitions() is
  'Drop the partitions that ops.partition_policy keeps no longer; returns their names. One that is in use stays until the '
  'next run. Safe to run at any time.';

grant execute on function ops.drop_partitions() to migrator, worker;
