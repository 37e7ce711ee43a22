-- domain: ops
-- why: which tables are partitioned by time-ordered id, how finely, and how far ahead partitions are made
-- locks: none (new objects)
-- breaking: no

create table ops.partition_policy (
  table_name text constraint partition_policy_pkey primary key,
  period text not null,
  periods_ahead smallint not null,
  constraint table_name_is_qualified check (table_name ~ '^[a-z_]+\.[a-z_0-9]+$'),
  constraint period_known check (period in ('quarter', 'month')),
  constraint periods_ahead_in_range check (periods_ahead between 1 and 24)
);

comment on table ops.partition_policy is
  'Tables partitioned by range of a version 7 UUID. There is no default partition: an id outside the partitions is refused, '
  'and the partitions of past periods are made before old data is loaded.';
comment on column ops.partition_policy.periods_ahead is 'How many periods after the present one have their partition already';
