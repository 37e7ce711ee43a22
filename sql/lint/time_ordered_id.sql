-- an id is made in order of time
-- It is the cursor of every list and the key of partitions: uuidv7() grows, gen_random_uuid() does not, and a number tells
-- how much there is and cannot be made by a client that is offline.
select
  'time_ordered_id' as rule,
  c.oid::regclass::text || '.' || a.attname as object,
  case
    when a.attidentity <> '' then 'is an identity'
    else 'is ' || format_type(a.atttypid, null) || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
  end as detail,
  'id uuid not null default uuidv7()' as hint
from pg_attribute as a
inner join pg_class as c on c.oid = a.attrelid
inner join pg_namespace as n on n.oid = c.relnamespace
left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where n.nspowner = 'owner'::regrole
  and c.relkind in ('r', 'p')
  and not c.relispartition
  and a.attname = 'id'
  and not a.attisdropped
  and (a.atttypid <> 'uuid'::regtype or pg_get_expr(d.adbin, d.adrelid) ~ 'gen_random_uuid|uuid_generate|uuidv4');
