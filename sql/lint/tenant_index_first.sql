-- every index of a tenant table leads with the organisation
-- Policies compare org_id first, so an index that does not lead with it reads other organisations' entries. Exempt is the
-- index of a foreign key to a table of no organisation (currencies, units): the check of that key asks by its column alone.
select
  'tenant_index_first' as rule,
  c.oid::regclass::text || '.' || x.relname as object,
  pg_get_indexdef(i.indexrelid) as detail,
  'put org_id first' as hint
from pg_index as i
inner join pg_class as x on x.oid = i.indexrelid
inner join pg_class as c on c.oid = i.indrelid
inner join pg_namespace as n on n.oid = c.relnamespace
inner join pg_attribute as o on o.attrelid = c.oid and o.attname = 'org_id' and not o.attisdropped
where n.nspowner = 'owner'::regrole
  and not c.relispartition
  and not i.indisprimary
  and i.indkey[0] <> o.attnum
  and not exists (
    select
    from pg_constraint as k
    where k.conrelid = c.oid
      and k.contype = 'f'
      and k.conkey[1] = i.indkey[0]
      and not exists (
        select
        from pg_attribute as a
        where a.attrelid = k.confrelid
          and a.attname = 'org_id'
          and not a.attisdropped
      )
  );
