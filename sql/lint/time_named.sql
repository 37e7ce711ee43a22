-- a moment is called …_at, a day …_on
-- Who reads a column's name knows which of the two it is, and so do import files and OpenAPI clients. A moment that begins or
-- ends something may say so instead: …_since, …_until, …_after, …_before.
select
  'time_named' as rule,
  c.oid::regclass::text || '.' || a.attname as object,
  'is a ' || format_type(a.atttypid, null) as detail,
  case a.atttypid when 'date'::regtype then '…_on' else '…_at' end as hint
from pg_attribute as a
inner join pg_class as c on c.oid = a.attrelid
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and c.relkind in ('r', 'p', 'v', 'm')
  and not c.relispartition
  and a.attnum > 0
  and not a.attisdropped
  and (
    (a.atttypid = 'timestamptz'::regtype and a.attname !~ '_(at|since|until|after|before)$')
    or (a.atttypid = 'date'::regtype and a.attname !~ '_on$')
  );
