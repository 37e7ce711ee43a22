-- a table that grows without bound is partitioned by its time-ordered id
-- One is known by its name (lines, movements, ledgers, events, logs, entries, histories) or by its size (ten million rows).
-- A partitioned table is in ops.partition_policy, so that its partitions are made ahead.
select
  'growing_partitioned' as rule,
  c.oid::regclass::text as object,
  case when c.reltuples > 1e7 then 'has ' || c.reltuples::bigint || ' rows' else 'is of a kind that grows without bound' end
  || ', and is not partitioned' as detail,
  'partition by range (id), and a row in ops.partition_policy' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and c.relkind = 'r'
  and not c.relispartition
  and (c.reltuples > 1e7 or c.relname ~ '(^|_)(line|movement|ledger|event|log|entry|history|outbox)$')
union all
select
  'growing_partitioned' as rule,
  c.oid::regclass::text as object,
  'is partitioned, and ops.partition_policy does not know it' as detail,
  'insert into ops.partition_policy' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and c.relkind = 'p'
  and not c.relispartition
  and c.oid::regclass::text not in (select p.table_name from ops.partition_policy as p);
