-- Triggers, those of partitions included.
select
  format('%s.%I', t.tgrelid::regclass, t.tgname) as identity,
  case when c.relkind = 'v' then 'view ' else 'table ' end || t.tgrelid::regclass::text as part_of,
  jsonb_build_object(
    'definition', pg_get_triggerdef(t.oid),
    'enabled', case t.tgenabled when 'O' then 'yes' when 'D' then 'no' when 'R' then 'on a replica' else 'always' end,
    'comment', case when not c.relispartition then obj_description(t.oid, 'pg_trigger') end,
    '_table', t.tgrelid::regclass::text,
    '_name', quote_ident(t.tgname),
    '_create', pg_get_triggerdef(t.oid),
    '_drop', format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass)
  ) as properties
from pg_trigger as t
join pg_class as c on c.oid = t.tgrelid
join ours on ours.oid = c.relnamespace
where not t.tgisinternal
