-- a sequence is far from its end
-- At its end every insert fails. Judged by the last value that was given out: half of the range is used up. Counters that
-- start anew are left out.
select
  'sequence_near_end' as rule,
  s.seqrelid::regclass::text as object,
  'has given out ' || round(100 * l.used, 1) || ' % of its values' as detail,
  'alter sequence … as bigint, and the column with it' as hint
from pg_sequence as s
inner join pg_class as c on c.oid = s.seqrelid
inner join pg_namespace as n on n.oid = c.relnamespace
cross join lateral (
  select
    (pg_sequence_last_value(s.seqrelid) - s.seqmin)::numeric / nullif(s.seqmax::numeric - s.seqmin, 0) as upwards,
    (s.seqmax - pg_sequence_last_value(s.seqrelid))::numeric / nullif(s.seqmax::numeric - s.seqmin, 0) as downwards
) as v
cross join lateral (select case when s.seqincrement > 0 then v.upwards else v.downwards end as used) as l
where n.nspowner = 'owner'::regrole
  and not s.seqcycle
  and l.used >= 0.5;
