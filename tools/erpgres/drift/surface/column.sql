-- Columns of tables and views. A partition is made like its table, later comments on that are not repeated on it.
select
  format('%s.%I', c.oid::regclass, a.attname) as identity,
  case when c.relkind in ('v', 'm') then 'view ' else 'table ' end || c.oid::regclass::text as part_of,
  jsonb_build_object(
    'type', format_type(a.atttypid, a.atttypmod),
    'collation', case when a.attcollation <> t.typcollation then a.attcollation::regcollation::text end,
    'not null', case when a.attnotnull then coalesce(
      (
        select case when k.convalidated then 'yes' else 'not validated' end
        from pg_constraint as k
        where k.conrelid = c.oid and k.contype = 'n' and k.conkey = array[a.attnum]
      ), 'yes') else 'no' end,
    'default', case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,
    'generated', case a.attgenerated when '' then null when 's' then 'stored: ' else 'virtual: ' end
      || case when a.attgenerated <> '' then pg_get_expr(d.adbin, d.adrelid) end,
    'identity', case a.attidentity when 'a' then 'always' when 'd' then 'by default' end,
    'storage', case when c.relkind not in ('v', 'm')
      then case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end end,
    'compression', case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end,
    'statistics', a.attstattarget,
    'options', array(select o from unnest(a.attoptions) as o order by 1),
    'comment', case when not c.relispartition then col_description(c.oid, a.attnum) end,
    'grants', array(
      select format('%s: %s%s', case x.grantee when 0 then 'public' else pg_get_userbyid(x.grantee) end,
        lower(x.privilege_type), case when x.is_grantable then ' with grant option' else '' end)
      from aclexplode(a.attacl) as x
      order by 1
    ),
    '_table', c.oid::regclass::text,
    '_name', quote_ident(a.attname),
    '_drop', format('alter table %s drop column %I', c.oid::regclass, a.attname)
  ) as properties
from pg_attribute as a
join pg_class as c on c.oid = a.attrelid
join ours on ours.oid = c.relnamespace
join pg_type as t on t.oid = a.atttypid
left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where c.relkind in ('r', 'p', 'f', 'v', 'm')
  and a.attnum > 0
  and not a.attisdropped
  and not exists (select from extension_member as e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
