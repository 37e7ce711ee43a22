-- Indexes. One of a partition that belongs to an index of the table goes by its name.
select
  format('%s.%I', i.indrelid::regclass, coalesce(p.relname, c.relname)) as identity,
  concat_ws(
    E'\n',
    'table ' || i.indrelid::regclass::text,
    (
      select format('constraint %s.%I', k.conrelid::regclass, coalesce(kp.conname, k.conname))
      from pg_constraint as k
      left join pg_constraint as kp on kp.oid = k.conparentid
      where k.conindid = c.oid and k.conrelid = i.indrelid and k.contype in ('p', 'u', 'x')
    ),
    (
      select format('index %s.%I', pi.indrelid::regclass, p.relname) from pg_index as pi where pi.indexrelid = p.oid
    )
  ) as part_of,
  jsonb_build_object(
    'definition', case when i.indisunique then 'UNIQUE ' else '' end
      || substr(pg_get_indexdef(c.oid), strpos(pg_get_indexdef(c.oid), ' USING ') + 1),
    'valid', i.indisvalid and i.indisready,
    'of the index of its table', p.oid is not null,
    'clustered', i.indisclustered,
    'replica identity', i.indisreplident,
    'nulls not distinct', i.indnullsnotdistinct,
    'tablespace', (select s.spcname from pg_tablespace as s where s.oid = c.reltablespace),
    'statistics', array(
      select format('%s: %s', a.attnum, a.attstattarget) from pg_attribute as a
      where a.attrelid = c.oid and a.attstattarget >= 0 order by a.attnum
    ),
    'comment', case when not t.relispartition then obj_description(c.oid, 'pg_class') end,
    '_table', i.indrelid::regclass::text,
    '_name', c.oid::regclass::text,
    '_create', case
      when t.relkind = 'p' then replace(pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ')
      else regexp_replace(pg_get_indexdef(c.oid), '^(CREATE (UNIQUE )?INDEX) ', '\1 CONCURRENTLY ')
    end,
    '_drop', format('drop index %s', c.oid::regclass)
  ) as properties
from pg_index as i
join pg_class as c on c.oid = i.indexrelid
join pg_class as t on t.oid = i.indrelid
join ours on ours.oid = c.relnamespace
left join pg_inherits as h on h.inhrelid = c.oid
left join pg_class as p on p.oid = h.inhparent
where t.relkind in ('r', 'p', 'm')
  and not exists (select from extension_member as e where e.classid = 'pg_class'::regclass and e.objid = t.oid)
