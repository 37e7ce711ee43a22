-- Makes one partition.

-- Definer: the worker and the tools make partitions without owning tables.
create or replace function ops.create_partition(table_name text, at timestamptz)
returns text
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_period text;
  v_name text;
  v_schema text;
  v_table text;
  v_child text;
  v_from timestamptz;
  v_to timestamptz;
begin
  select p.period into strict v_period from ops.partition_policy as p where p.table_name = create_partition.table_name;
  v_name := ops.partition_name(create_partition.table_name, v_period, create_partition.at);
  if to_regclass(v_name) is not null then
    return v_name;
  end if;
  -- Two sessions may want the same one: the second waits, and finds it.
  perform pg_advisory_xact_lock(hashtextextended('ops.create_partition ' || create_partition.table_name, 0));
  v_schema := split_part(create_partition.table_name, '.', 1);
  v_table := split_part(create_partition.table_name, '.', 2);
  v_child := split_part(v_name, '.', 2);
  -- Asked of the table itself: the catalog cache behind to_regclass need not have heard of it yet.
  if exists (
    select
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = v_schema and c.relname = v_child
  ) then
    return v_name;
  end if;

  v_from := date_trunc(v_period, create_partition.at, 'UTC');
  v_to := date_trunc(
    v_period,
    v_from
    + case v_period when 'day' then interval '36 hours' when 'month' then interval '45 days' else interval '135 days' end,
    'UTC'
  );
  -- Made alone and attached: PARTITION OF would lock the parent against readers, ATTACH lets them and writers go on.
  execute format('create table %I.%I (like %I.%I including all)', v_schema, v_child, v_schema, v_table);
  execute format('alter table %I.%I enable row level security, force row level security', v_schema, v_child);
  execute format(
    'comment on table %I.%I is %L', v_schema, v_child,
    format(
      'Rows of %s with an id from %s up to %s', create_partition.table_name, (v_from at time zone 'UTC')::date,
      (v_to at time zone 'UTC')::date
    )
  );
  execute format(
    'alter table %I.%I attach partition %I.%I for values from (%L) to (%L)',
    v_schema, v_table, v_schema, v_child, core.uuid_floor(v_from), core.uuid_floor(v_to)
  );
  perform ops.copy_statement_triggers(
    format('%I.%I', v_schema, v_table)::regclass, format('%I.%I', v_schema, v_child)::regclass
  );
  return v_name;
end
$$;

comment on function ops.create_partition(text, timestamptz) is
  'Make the partition of a table (schema.name, in ops.partition_policy) for the period of a moment, '
  'unless it is there; returns its name. Old data needs its partitions before it is loaded.';

grant execute on function ops.create_partition(text, timestamptz) to migrator, worker;
