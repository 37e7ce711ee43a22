-- The query behind a table that devices hold, written out from the registry.

create or replace function events.sync_query(table_name text, schema_version integer)
returns text
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table core.sync_table;
  v_view regclass;
  v_key text;
  v_columns text;
begin
  select t.* into strict v_table from core.sync_table as t where t.name = sync_query.table_name;
  v_view := format('api.%I', v_table.view_name)::regclass;
  -- What the caller's role is not granted is a table without rows.
  if not has_table_privilege(v_view, 'select') then
    return 'select null::uuid as row_id, null::uuid as parent_id, null::text as data where false';
  end if;
  select case when a.atttypid = 'uuid'::regtype then format('v.%I', a.attname) else format('md5(v.%I::text)::uuid', a.attname) end
  into strict v_key
  from pg_attribute as a
  where a.attrelid = v_view and a.attname = v_table.key_column;
  -- Numbers of the database are exact, those of a device are not: they go as text. A moment is a number there.
  select
    string_agg(
      ', ' || quote_literal(c.name) || ', '
      || case
        when a.atttypid = 'numeric'::regtype then format('v.%I::text', c.name)
        when a.atttypid = 'timestamptz'::regtype then format('floor(extract(epoch from v.%I) * 1000)::bigint', c.name)
        when y.typcategory = 'A' or a.atttypid in ('json'::regtype, 'jsonb'::regtype) then format('to_json(v.%I)::text', c.name)
        else format('v.%I', c.name)
      end,
      '' order by a.attnum
    )
  into v_columns
  from core.sync_column as c
  join pg_attribute as a on a.attrelid = v_view and a.attname = c.name
  join pg_type as y on y.oid = a.atttypid
  where c.table_name = v_table.name and c.since_version <= sync_query.schema_version;

  return format(
    $query$
    select %1$s as row_id, %2$s as parent_id, json_build_object('id', %1$s%3$s)::text as data
    from %4$s as v
    where %5$s and (%6$s)
    $query$,
    v_key,
    case when v_table.parent_column is null then 'null::uuid' else format('v.%I', v_table.parent_column) end,
    v_columns,
    v_view,
    case
      when exists (select from pg_attribute as a where a.attrelid = v_view and a.attname = 'org_id') then 'v.org_id = $1'
      else 'true'
    end,
    coalesce(v_table.filter, 'true')
  );
end
$$;

comment on function events.sync_query(text, integer) is
  'The query that yields row_id, parent_id and data (the JSON text of a row as devices of that schema version hold it) of a '
  'table of core.sync_table. $1 is the organisation, $2 the device; the view is v and its WHERE can be gone on with. It shows '
  'what the caller may see.';

grant execute on function events.sync_query(text, integer) to member, partner;
