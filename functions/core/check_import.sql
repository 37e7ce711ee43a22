-- What staged rows are refused for before anything is loaded: a few queries over all rows find it, and each row found is
-- marked by its key. One statement for both would join the table with itself, of which the planner knows nothing yet.

create or replace function core.refuse_import_row(import_id uuid, line integer, problems jsonb)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  update core.import_row as r
  set problems = refuse_import_row.problems
  where r.org_id = core.org_id()
    and r.import_id = refuse_import_row.import_id
    and r.line = refuse_import_row.line;
end
$$;

comment on function core.refuse_import_row(uuid, integer, jsonb) is 'Mark a staged row as refused';

grant execute on function core.refuse_import_row(uuid, integer, jsonb) to member, superadmin, migrator;

create or replace function core.check_import(import_id uuid)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_import core.import;
  v_entity core.import_entity;
  v_keys text [];
  v_column record;
  v_may_create boolean;
  v_may_update boolean;
  v_fixed text := '';
  v_source text;
  v_where text;
  v_values text;
  v_is_found boolean;
  v_is_kept boolean := to_regclass('pg_temp.import_read') is not null;
  v_row record;
begin
  select i.* into strict v_import from core.import as i where i.org_id = core.org_id() and i.id = check_import.import_id;
  select e.* into strict v_entity from core.import_entity as e where e.code = v_import.entity;

  -- The same key, or a value that is unique, twice in the file: the first one counts.
  select array_agg(c.name order by c.place) into v_keys
  from core.import_column as c
  where c.entity = v_import.entity and c.is_key;
  for v_column in
    select v_keys as names, false as is_value
    where v_keys is not null
    union all
    select array[c.name], true
    from core.import_column as c
    where c.entity = v_import.entity and c.is_unique and c.name = any (v_import.columns)
  loop
    v_where := format(
      'where r.org_id = (select core.org_id()) and r.import_id = $1 and r.problems is null%s',
      case when v_column.is_value then format(' and r.data ->> %L is not null', v_column.names[1]) else '' end
    );
    select string_agg(format('coalesce(r.data ->> %L, '''')', n.name), ', ' order by n.place)
    into v_values
    from unnest(v_column.names) with ordinality as n (name, place);
    -- Whether there are any is cheap to ask; which ones takes a sort.
    execute format(
      'select exists (select from core.import_row as r %s group by %s having count(*) > 1)', v_where, v_values
    )
    into v_is_found
    using check_import.import_id;
    if v_is_found then
      for v_row in execute format(
        'select d.* from (select r.line, min(r.line) over (partition by %1$s) as first_line, concat_ws('', '', %1$s) as value '
        'from core.import_row as r %2$s) as d where d.line > d.first_line', v_values, v_where
      )
      using check_import.import_id
      loop
        perform core.refuse_import_row(check_import.import_id, v_row.line, jsonb_build_array(core.import_problem(
          array_to_string(v_column.names, ', '), 'core.import_duplicate', v_row.value,
          jsonb_build_object('first_line', v_row.first_line)
        )));
      end loop;
    end if;
  end loop;

  -- The tools act for nobody when they load data: they need no permission.
  v_may_create := session_user = 'migrator' and core.user_id() is null or core.has_permission(v_entity.create_permission);
  v_may_update := session_user = 'migrator' and core.user_id() is null
    or v_entity.update_permission is not null and core.has_permission(v_entity.update_permission);
  if not v_may_create and not v_may_update then
    perform core.require_permission(v_entity.create_permission);
  end if;

  -- What the entity itself finds; then rows that the user may not make or change, and columns that cannot change.
  if v_entity.table_name is null then
    for v_row in execute format(
      'select f.line, f.problems from %s($1, 1, 2147483647) as f where f.problems is not null', v_entity.read_function
    )
    using check_import.import_id
    loop
      perform core.refuse_import_row(check_import.import_id, v_row.line, v_row.problems);
    end loop;
    return;
  end if;
  select coalesce(string_agg(format(
    ', case when r.data ->> %1$L is not null and f.%2$I is distinct from t.%2$I then core.import_problem(%1$L, '
    '''core.import_fixed'', r.data ->> %1$L, jsonb_build_object(''current'', t.%2$I)) end', c.name, c.target
  ), '' order by c.place), '')
  into v_fixed
  from core.import_column as c
  where c.entity = v_import.entity and c.is_fixed and c.target is not null and c.name = any (v_import.columns);
  -- Nobody but the tools can make a table; theirs takes what is read, for core.load_import to load it from there.
  v_source := format('%s($1, 1, 2147483647)', v_entity.read_function);
  if v_is_kept then
    execute format('insert into pg_temp.import_read select f.* from %s as f', v_source) using check_import.import_id;
    v_source := 'pg_temp.import_read';
  end if;
  v_is_found := false;
  for v_row in execute format(
    'select x.* from ('
    'select f.line, coalesce(f.problems, core.import_problems('
    'case when f.match_id is null and not $2 then core.import_problem(null, ''core.permission_missing'', null, '
    'jsonb_build_object(''permission'', %3$L::text)) end%5$s), core.import_problems('
    'case when f.match_id is not null and not $3 and (%6$s) then core.import_problem(null, ''core.permission_missing'', null, '
    'jsonb_build_object(''permission'', %4$L::text)) end)) as problems '
    'from %1$s as f '
    '%7$s%8$s) as x where x.problems is not null',
    v_source, v_entity.table_name, v_entity.create_permission,
    coalesce(v_entity.update_permission, v_entity.create_permission),
    case when v_entity.update_permission is not null then v_fixed else '' end,
    coalesce(nullif(core.import_difference(v_import.entity, v_import.columns), ''), 'false'),
    case when v_entity.update_permission is not null then format(
      'left join core.import_row as r on r.org_id = (select core.org_id()) and r.import_id = $1 and r.line = f.line '
      'and f.match_id is not null left join %s as t on t.org_id = (select core.org_id()) and t.id = f.match_id',
      v_entity.table_name
    ) else '' end,
    -- Of new rows, as most are, only some can be wrong.
    case when v_is_kept then ' where f.problems is not null or f.match_id is not null or not $2' else '' end
  )
  using check_import.import_id, v_may_create, v_may_update
  loop
    perform core.refuse_import_row(check_import.import_id, v_row.line, v_row.problems);
    v_is_found := true;
  end loop;
  if v_is_kept and v_is_found then
    execute 'delete from pg_temp.import_read as f where f.line in (select r.line from core.import_row as r '
    'where r.org_id = (select core.org_id()) and r.import_id = $1 and r.problems is not null)'
    using check_import.import_id;
  end if;
end
$$;

comment on function core.check_import(uuid) is
  'Refuse staged rows that cannot be loaded: repeated keys, what the read function of the entity finds, rows that the user '
  'may not make or change, fixed columns. Raises core.permission_missing (403) when he may neither make nor change any';

grant execute on function core.check_import(uuid) to member, superadmin, migrator;

create or replace function core.import_difference(entity text, columns text[])
returns text
language sql
stable
parallel safe
return (
  select 'row(' || string_agg(format('t.%I', c.target), ', ' order by c.target) || ') is distinct from row('
    || string_agg(format('f.%I', c.target), ', ' order by c.target) || ')'
  from (
    select c.target
    from core.import_column as c
    where c.entity = import_difference.entity
      and c.name = any (import_difference.columns)
      and c.target is not null
    group by c.target
    having bool_or(not c.is_key and not c.is_fixed)
  ) as c
);

comment on function core.import_difference(text, text[]) is
  'The SQL condition that a row of the table (t) is not as the staged row (f) says; null when nothing can change';

grant execute on function core.import_difference(text, text[]) to member, superadmin, migrator;
