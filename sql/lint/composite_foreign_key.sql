-- a foreign key between tenant tables carries the organisation
-- Only then can a row of one organisation not point at another's, whatever policies and functions forget.
select
  'composite_foreign_key' as rule,
  k.conrelid::regclass::text || '.' || k.conname as object,
  pg_get_constraintdef(k.oid) as detail,
  'foreign key (org_id, x_id) references t (org_id, id)' as hint
from pg_constraint as k
inner join pg_class as c on c.oid = k.conrelid
inner join pg_namespace as n on n.oid = c.relnamespace
inner join pg_attribute as h on h.attrelid = k.conrelid and h.attname = 'org_id' and not h.attisdropped
inner join pg_attribute as t on t.attrelid = k.confrelid and t.attname = 'org_id' and not t.attisdropped
where n.nspowner = 'owner'::regrole
  and k.contype = 'f'
  and k.conparentid = 0
  and not exists (
    select
    from unnest(k.conkey, k.confkey) as p (here, there)
    where p.here = h.attnum
      and p.there = t.attnum
  );
