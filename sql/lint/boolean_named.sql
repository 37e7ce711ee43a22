-- a boolean column is called is_… or has_…
select
  'boolean_named' as rule,
  c.oid::regclass::text || '.' || a.attname as object,
  'is a boolean' as detail,
  'is_…, has_…, or a verb in the third person (needs_…, requires_…)' as hint
from pg_attribute as a
inner join pg_class as c on c.oid = a.attrelid
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and c.relkind in ('r', 'p', 'v', 'm')
  and not c.relispartition
  and a.attnum > 0
  and not a.attisdropped
  and a.atttypid = 'boolean'::regtype
  and a.attname !~ '^(is|has|needs|requires)_';
