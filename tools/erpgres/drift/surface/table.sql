-- Tables, partitions included, and foreign tables.
select
  c.oid::regclass::text as identity,
  'schema ' || quote_ident(ours.nspname) as part_of,
  jsonb_build_object(
    'kind', case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' else 'foreign table' end,
    'owner', pg_get_userbyid(c.relowner),
    'persistence', case c.relpersistence when 'p' then 'logged' when 'u' then 'unlogged' else 'temporary' end,
    'partitioned by', pg_get_partkeydef(c.oid),
    'parent', array(select i.inhparent::regclass::text from pg_inherits as i where i.inhrelid = c.oid order by 1),
    'bounds', pg_get_expr(c.relpartbound, c.oid),
    'row security', case when c.relrowsecurity then 'enabled' else 'disabled' end
      || case when c.relforcerowsecurity then ', forced' else '' end,
    'storage parameters', array(select o from unnest(c.reloptions) as o order by 1),
    'storage parameters of toast', array(
      select o from pg_class as t cross join unnest(t.reloptions) as o where t.oid = c.reltoastrelid order by 1
    ),
    'replica identity', c.relreplident,
    'access method', (select m.amname from pg_am as m where m.oid = c.relam),
    'tablespace', (select s.spcname from pg_tablespace as s where s.oid = c.reltablespace),
    'columns', array(
      select a.attname from pg_attribute as a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum
    ),
    'comment', obj_description(c.oid, 'pg_class'),
    'grants', array(
      select format('%s: %s%s', case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end,
        lower(a.privilege_type), case when a.is_grantable then ' with grant option' else '' end)
      from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) as a
      order by 1
    ),
    '_partition', c.relispartition,
    '_drop', case when c.relispartition then (
      select format('alter table %s detach partition %s; ', i.inhparent::regclass, c.oid::regclass)
      from pg_inherits as i where i.inhrelid = c.oid
    ) else '' end || format('drop table %s', c.oid::regclass)
  ) as properties
from pg_class as c
join ours on ours.oid = c.relnamespace
where c.relkind in ('r', 'p', 'f')
  and not exists (select from extension_member as e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
