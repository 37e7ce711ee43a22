-- a partitioned table has no default partition
-- It would be scanned under an exclusive lock each time a partition is added, and hide ids from a wrong clock.
select
  'no_default_partition' as rule,
  p.partrelid::regclass::text as object,
  'has the default partition ' || p.partdefid::regclass::text as detail,
  'drop it; partitions are made ahead' as hint
from pg_partitioned_table as p
inner join pg_class as c on c.oid = p.partrelid
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and p.partdefid <> 0;
