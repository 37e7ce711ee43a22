-- the primary key of a tenant table leads with the organisation
-- A tenant table is one with a column org_id. With (org_id, id) as its key every reference to it can carry the
-- organisation, and the table can be sharded by it without a redesign.
select
  'tenant_key_first' as rule,
  c.oid::regclass::text as object,
  case
    when k.oid is null then 'has no primary key'
    else 'its primary key is ' || pg_get_constraintdef(k.oid)
  end as detail,
  'primary key (org_id, id)' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
inner join pg_attribute as o on o.attrelid = c.oid and o.attname = 'org_id' and not o.attisdropped
left join pg_constraint as k on k.conrelid = c.oid and k.contype = 'p'
where n.nspowner = 'owner'::regrole
  and c.relkind in ('r', 'p')
  and not c.relispartition
  and (k.conkey[1] = o.attnum) is not true;
