-- nothing was left half done
-- An index that a failed build left invalid is kept up to date and never read; a constraint that was not validated does not
-- hold for the rows that were there before it; a trigger that was switched off no longer keeps its rule.
select
  'half_done' as rule,
  i.indrelid::regclass::text || '.' || c.relname as object,
  'the index is invalid' as detail,
  'drop it and build it again' as hint
from pg_index as i
inner join pg_class as c on c.oid = i.indexrelid
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and not i.indisvalid
union all
select
  'half_done' as rule,
  k.conrelid::regclass::text || '.' || k.conname as object,
  'the constraint is not validated' as detail,
  'alter table … validate constraint …' as hint
from pg_constraint as k
inner join pg_namespace as n on n.oid = k.connamespace
where n.nspowner = 'owner'::regrole
  and not k.convalidated
  and k.conparentid = 0
union all
select
  'half_done' as rule,
  t.tgrelid::regclass::text || '.' || t.tgname as object,
  'the trigger is switched off' as detail,
  'alter table … enable trigger …' as hint
from pg_trigger as t
inner join pg_class as c on c.oid = t.tgrelid
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and t.tgenabled = 'D';
