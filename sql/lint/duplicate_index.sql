-- no index is contained in another
-- The same columns in the same order, or the first ones of a longer index with the same condition: each write keeps both,
-- and one of them answers every query of the other. An index that makes rows unique is kept.
with x as (
  select
    i.indexrelid,
    i.indrelid,
    i.indisunique,
    i.indnkeyatts as keys,
    c.relname as name,
    i.indkey::int2[] as columns,
    array_to_string(i.indclass::oid[], ' ') || ' ' as classes,
    array_to_string(i.indcollation::oid[], ' ') || ' ' as collations,
    array_to_string(i.indoption::int2[], ' ') || ' ' as options,
    concat_ws('/', c.relam, pg_get_expr(i.indpred, i.indrelid), pg_get_expr(i.indexprs, i.indrelid)) as rest,
    i.indnkeyatts < i.indnatts as has_included
  from pg_index as i
  inner join pg_class as c on c.oid = i.indexrelid
  inner join pg_class as t on t.oid = i.indrelid
  inner join pg_namespace as n on n.oid = t.relnamespace
  where n.nspowner = 'owner'::regrole
    and not t.relispartition
    and c.relam = (select m.oid from pg_am as m where m.amname = 'btree')
)

select
  'duplicate_index' as rule,
  s.indrelid::regclass::text || '.' || s.name as object,
  'is contained in ' || l.name as detail,
  'drop it in a migration' as hint
from x as s
inner join x as l
  on l.indrelid = s.indrelid
  and l.indexrelid <> s.indexrelid
  and l.rest = s.rest
  and l.keys >= s.keys
  and l.columns[0:s.keys - 1] = s.columns[0:s.keys - 1]
  and starts_with(l.classes, s.classes)
  and starts_with(l.collations, s.collations)
  and starts_with(l.options, s.options)
where not s.has_included
  and not s.indisunique
  and (l.keys > s.keys or l.indisunique or l.indexrelid < s.indexrelid);
