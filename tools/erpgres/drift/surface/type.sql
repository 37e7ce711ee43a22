-- Domains, lists of values, ranges and composite types.
select
  format_type(t.oid, null) as identity,
  'schema ' || quote_ident(ours.nspname) as part_of,
  jsonb_build_object(
    'kind', case t.typtype when 'd' then 'domain' when 'e' then 'enum' when 'r' then 'range' else 'composite' end,
    'owner', pg_get_userbyid(t.typowner),
    'base type', case when t.typbasetype <> 0 then format_type(t.typbasetype, t.typtypmod) end,
    'collation', case when t.typtype = 'd' and t.typcollation <> 0 then t.typcollation::regcollation::text end,
    'default', t.typdefault,
    'not null', t.typnotnull,
    'constraints', array(
      select format('%I %s', k.conname, pg_get_constraintdef(k.oid)) from pg_constraint as k
      where k.contypid = t.oid and k.contype = 'c' order by 1
    ),
    'values', array(select e.enumlabel from pg_enum as e where e.enumtypid = t.oid order by e.enumsortorder),
    'attributes', array(
      select format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)) from pg_attribute as a
      where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped order by a.attnum
    ),
    'range of', (select format_type(r.rngsubtype, null) from pg_range as r where r.rngtypid = t.oid),
    'comment', obj_description(t.oid, 'pg_type'),
    'grants', array(
      select format('%s: %s%s', case x.grantee when 0 then 'public' else pg_get_userbyid(x.grantee) end,
        lower(x.privilege_type), case when x.is_grantable then ' with grant option' else '' end)
      from aclexplode(coalesce(t.typacl, acldefault('T', t.typowner))) as x
      order by 1
    ),
    '_drop', format('drop %s %s', case t.typtype when 'd' then 'domain' else 'type' end, format_type(t.oid, null))
  ) as properties
from pg_type as t
join ours on ours.oid = t.typnamespace
where (
    t.typtype in ('d', 'e', 'r')
    or (t.typtype = 'c' and exists (select from pg_class as c where c.oid = t.typrelid and c.relkind = 'c'))
  )
  and not exists (select from extension_member as e where e.classid = 'pg_type'::regclass and e.objid = t.oid)
