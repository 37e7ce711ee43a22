-- a constraint's name says its rule in words
-- quantity_not_negative, ship_to_after_ship_from: the name is what users read when it is violated. A primary key is
-- <table>_pkey. Names that PostgreSQL would make up (…_check, …_fkey, …_key, …_excl) say nothing.
select
  'constraint_in_words' as rule,
  k.conrelid::regclass::text || '.' || k.conname as object,
  pg_get_constraintdef(k.oid) as detail,
  'constraint quantity_not_negative check (quantity >= 0)' as hint
from pg_constraint as k
inner join pg_class as c on c.oid = k.conrelid
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and not c.relispartition
  and k.contype in ('c', 'f', 'u', 'x')
  and k.conparentid = 0
  and (k.conname ~ '(_check|_fkey|_key|_excl)\d*$' or k.conname !~ '_');
