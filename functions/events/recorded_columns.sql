-- Which columns of a table stand in its events.

create or replace function events.recorded_columns(entity text)
returns table (name text, type_name text, is_key boolean)
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select
    a.attname::text,
    format_type(a.atttypid, null),
    coalesce(a.attnum = any (i.indkey::int2[]), false)
  from core.event_entity as e
  -- By name: the worker may not enter each schema, which to_regclass() asks for.
  join pg_namespace as s on s.nspname = split_part(e.table_name, '.', 1)
  join pg_class as c on c.relnamespace = s.oid and c.relname = split_part(e.table_name, '.', 2)
  join pg_attribute as a on a.attrelid = c.oid
  left join pg_index as i on i.indrelid = a.attrelid and i.indisprimary
  where e.entity = recorded_columns.entity
    and a.attnum > 0
    and not a.attisdropped
    and a.attgenerated = ''
    and a.attname not in (e.org_column, e.id_column)
    and a.attname not in ('version', 'created_at', 'created_by', 'updated_at', 'updated_by')
    and a.attname <> all (e.sensitive_columns)
    and a.attname <> all (e.ignored_columns)
  order by a.attnum;
$$;

comment on function events.recorded_columns(text) is
  'The columns whose values the events of an entity hold: not the organisation and the id, which events have columns for, '
  'nor who changed it when, which the event says, nor derived, sensitive and ignored ones. is_key: always recorded.';

grant execute on function events.recorded_columns(text) to partner, member, superadmin, analyst, migrator, worker;
