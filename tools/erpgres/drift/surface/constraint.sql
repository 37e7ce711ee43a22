-- Constraints of tables, but for NOT NULL, which is said of the column. One that a partition has from its table goes by
-- the name it has there. What PostgreSQL keeps for each partition that a foreign key points to is left out.
select
  format('%s.%I', k.conrelid::regclass, coalesce(p.conname, k.conname)) as identity,
  concat_ws(
    E'\n', 'table ' || k.conrelid::regclass::text,
    case when p.oid is not null then format('constraint %s.%I', p.conrelid::regclass, p.conname) end
  ) as part_of,
  jsonb_build_object(
    'definition', regexp_replace(pg_get_constraintdef(k.oid), ' NOT (VALID|ENFORCED)$', ''),
    'validated', k.convalidated or not k.conenforced,
    'enforced', k.conenforced,
    'inherited from its table', p.oid is not null,
    'triggers', case when k.contype = 'f' then coalesce(
      (
        select case bool_and(t.tgenabled = 'O') when false then 'switched off' else 'on' end
        from pg_trigger as t
        where t.tgconstraint = k.oid and k.conenforced
      ), 'on') end,
    'comment', case when not c.relispartition then obj_description(k.oid, 'pg_constraint') end,
    '_table', k.conrelid::regclass::text,
    '_name', quote_ident(k.conname),
    '_create', format('alter table %s add constraint %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)),
    '_drop', format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname)
  ) as properties
from pg_constraint as k
join pg_class as c on c.oid = k.conrelid
join ours on ours.oid = c.relnamespace
left join pg_constraint as p on p.oid = k.conparentid
where k.contype in ('p', 'u', 'f', 'c', 'x')
  and not (p.oid is not null and p.conrelid = k.conrelid)
  and not exists (
    select from pg_class as f where f.oid = k.confrelid and f.relispartition and p.oid is not null and p.confrelid <> f.oid
  )
  and not exists (select from extension_member as e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
