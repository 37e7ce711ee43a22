-- The end of an import: what became of its rows.

create or replace function core.count_import(import_id uuid)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_import core.import;
  v_entity core.import_entity;
  v_inserts integer;
  v_updates integer;
  v_unchanged integer;
begin
  select i.* into strict v_import from core.import as i where i.org_id = core.org_id() and i.id = count_import.import_id;
  select e.* into strict v_entity from core.import_entity as e where e.code = v_import.entity;
  execute format(
    'select count(*) filter (where f.match_id is null), count(*) filter (where f.match_id is not null and %s), '
    'count(*) filter (where f.match_id is not null and not %1$s) from %s($1, 1, 2147483647) as f %s',
    coalesce('(' || core.import_difference(v_import.entity, v_import.columns) || ')', 'false'),
    v_entity.read_function,
    case when core.import_difference(v_import.entity, v_import.columns) is not null then format(
      'left join %s as t on t.org_id = (select core.org_id()) and t.id = f.match_id', v_entity.table_name
    ) else '' end
  )
  into v_inserts, v_updates, v_unchanged
  using count_import.import_id;
  update core.import as i
  set
    refused_count = (
      select count(*)
      from core.import_row as r
      where r.org_id = i.org_id and r.import_id = i.id and r.problems is not null
    ),
    insert_count = v_inserts,
    update_count = v_updates,
    unchanged_count = v_unchanged
  where i.org_id = core.org_id() and i.id = count_import.import_id;
end
$$;

comment on function core.count_import(uuid) is 'Count what loading the staged rows would do: the preview of an import';

grant execute on function core.count_import(uuid) to member, superadmin, migrator;

create or replace function core.refuse_import_rows(import_id uuid, problems jsonb)
returns void
language sql
volatile
parallel unsafe
begin atomic
  update core.import_row as r
  set problems = p.problems
  from jsonb_to_recordset(refuse_import_rows.problems) as p (line integer, problems jsonb)
  where r.org_id = core.org_id()
    and r.import_id = refuse_import_rows.import_id
    and r.line = p.line;
end;

comment on function core.refuse_import_rows(uuid, jsonb) is
  'Note the problems that core.load_import found, after what it did has been rolled back';

grant execute on function core.refuse_import_rows(uuid, jsonb) to member, superadmin, migrator;

create or replace function core.finish_import(import_id uuid, inserted integer, updated integer, is_partial boolean)
returns core.import
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_import core.import;
  v_refused integer;
begin
  select count(*) into v_refused
  from core.import_row as r
  where r.org_id = core.org_id() and r.import_id = finish_import.import_id and r.problems is not null;
  update core.import as i
  set
    refused_count = v_refused,
    insert_count = finish_import.inserted,
    update_count = finish_import.updated,
    unchanged_count = i.row_count - v_refused - finish_import.inserted - finish_import.updated,
    is_partial = finish_import.is_partial and v_refused > 0,
    committed_at = now()
  where i.org_id = core.org_id() and i.id = finish_import.import_id
  returning i.* into v_import;
  return v_import;
end
$$;

comment on function core.finish_import(uuid, integer, integer, boolean) is
  'Note that the rows of an import are loaded, and how many did what';

grant execute on function core.finish_import(uuid, integer, integer, boolean) to member, superadmin, migrator;
