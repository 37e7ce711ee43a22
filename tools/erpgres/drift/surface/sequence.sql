-- Sequences.
select
  c.oid::regclass::text as identity,
  coalesce('table ' || d.refobjid::regclass::text, 'schema ' || quote_ident(ours.nspname)) as part_of,
  jsonb_build_object(
    'owner', pg_get_userbyid(c.relowner),
    'type', format_type(s.seqtypid, null),
    'start', s.seqstart,
    'minimum', s.seqmin,
    'maximum', s.seqmax,
    'increment', s.seqincrement,
    'cycle', s.seqcycle,
    'cache', s.seqcache,
    'owned by', d.refobjid::regclass::text || '.' || quote_ident(a.attname),
    'persistence', case c.relpersistence when 'p' then 'logged' else 'unlogged' end,
    'comment', obj_description(c.oid, 'pg_class'),
    'grants', array(
      select format('%s: %s%s', case x.grantee when 0 then 'public' else pg_get_userbyid(x.grantee) end,
        lower(x.privilege_type), case when x.is_grantable then ' with grant option' else '' end)
      from aclexplode(coalesce(c.relacl, acldefault('s', c.relowner))) as x
      order by 1
    ),
    '_drop', format('drop sequence %s', c.oid::regclass)
  ) as properties
from pg_sequence as s
join pg_class as c on c.oid = s.seqrelid
join ours on ours.oid = c.relnamespace
left join pg_depend as d on d.classid = 'pg_class'::regclass and d.objid = c.oid
  and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i') and d.refobjsubid > 0
left join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where d.deptype is distinct from 'i'
  and not exists (select from extension_member as e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
