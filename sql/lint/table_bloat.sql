-- a table is not full of dead rows
-- Judged by the statistics of the database: more than ten thousand dead rows, and one for four that live. Vacuum is held up by
-- an old transaction, a replication slot or a prepared transaction, or it is too slow for the table. On a freshly migrated
-- database it finds nothing.
select
  'table_bloat' as rule,
  s.relid::regclass::text as object,
  'has ' || s.n_dead_tup || ' dead rows beside ' || s.n_live_tup || ' and was vacuumed '
  || coalesce('at ' || to_char(greatest(s.last_autovacuum, s.last_vacuum), 'YYYY-MM-DD HH24:MI'), 'never')
  || '; it holds ' || pg_size_pretty(pg_total_relation_size(s.relid)) as detail,
  'find what holds vacuum up (pg_stat_activity by backend_xmin), then set autovacuum_vacuum_scale_factor' as hint
from pg_stat_user_tables as s
inner join pg_class as c on c.oid = s.relid
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and s.n_dead_tup > 10000
  and s.n_dead_tup * 4 > s.n_live_tup;
