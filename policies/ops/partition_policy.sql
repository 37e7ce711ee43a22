-- Which tables are partitioned. The same for all organisations, hence no row level security.

grant select on ops.partition_policy to migrator, worker, monitor;

-- no write for anybody: the rows come from migrations and sql/reference
