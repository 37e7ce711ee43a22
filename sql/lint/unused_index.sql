-- an index is used
-- Judged by the statistics of the database: the table was read ten thousand times by an index, and this one never. Unique
-- indexes and those of foreign keys serve writes. On a freshly migrated database it finds nothing.
select
  'unused_index' as rule,
  s.relid::regclass::text || '.' || s.indexrelname as object,
  'was never read, while the table was read ' || t.idx_scan || ' times by other indexes; it holds '
  || pg_size_pretty(pg_relation_size(s.indexrelid)) as detail,
  'drop it in a migration, after looking at the replicas too' as hint
from pg_stat_user_indexes as s
inner join pg_stat_user_tables as t on t.relid = s.relid
inner join pg_index as i on i.indexrelid = s.indexrelid
inner join pg_class as c on c.oid = s.relid
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and s.idx_scan = 0
  and t.idx_scan >= 10000
  and not i.indisunique
  and not exists (
    select
    from pg_constraint as k
    where k.conrelid = s.relid
      and k.contype = 'f'
      and (i.indkey::int2[])[0:least(cardinality(k.conkey), 2) - 1] <@ k.conkey
  );
