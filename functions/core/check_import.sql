-- What staged rows are refused for before anything is loaded, each by a few statements over all rows.

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
    execute format(
      'update core.import_row as r '
      'set problems = jsonb_build_array(core.import_problem(%1$L, ''core.import_duplicate'', concat_ws('', '', %2$s), '
      'jsonb_build_object(''first_line'', d.first_line))) '
      'from (select %3$s, min(r.line) as first_line from core.import_row as r '
      'where r.org_id = (select core.org_id()) and r.import_id = $1 and r.problems is null %5$s '
      'group by %4$s having count(*) > 1) as d '
      'where r.org_id = (select core.org_id()) and r.import_id = $1 and r.problems is null and r.line > d.first_line %5$s and %6$s',
      array_to_string(v_column.names, ', '),
      (select string_agg(format('r.data ->> %L', n.name), ', ' order by n.place)
        from unnest(v_column.names) with ordinality as n (name, place)),
      (select string_agg(format('coalesce(r.data ->> %L, '''') as k%s', n.name, n.place), ', ' order by n.place)
        from unnest(v_column.names) with ordinality as n (name, place)),
      (select string_agg(n.place::text, ', ' order by n.place)
        from unnest(v_column.names) with ordinality as n (name, place)),
      case when v_column.is_value then format('and r.data ->> %L is not null', v_column.names[1]) else '' end,
      (select string_agg(format('coalesce(r.data ->> %L, '''') = d.k%s', n.name, n.place), ' and ' order by n.place)
        from unnest(v_column.names) with ordinality as n (name, place))
    )
    using check_import.import_id;
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
    execute format(
      'update core.import_row as r set problems = f.problems from %s($1, 1, 2147483647) as f '
      'where r.org_id = (select core.org_id()) and r.import_id = $1 and r.line = f.line and f.problems is not null',
      v_entity.read_function
    )
    using check_import.import_id;
    return;
  end if;
  select coalesce(string_agg(format(
    ', case when r.data ->> %1$L is not null and f.%2$I is distinct from t.%2$I then core.import_problem(%1$L, '
    '''core.import_fixed'', r.data ->> %1$L, jsonb_build_object(''current'', t.%2$I)) end', c.name, c.target
  ), '' order by c.place), '')
  into v_fixed
  from core.import_column as c
  where c.entity = v_import.entity and c.is_fixed and c.target is not null and c.name = any (v_import.columns);
  execute format(
    'update core.import_row as r set problems = x.problems from ('
    'select f.line, coalesce(f.problems, core.import_problems('
    'case when f.match_id is null and not $2 then core.import_problem(null, ''core.permission_missing'', null, '
    'jsonb_build_object(''permission'', %3$L::text)) end%5$s), core.import_problems('
    'case when f.match_id is not null and not $3 and (%6$s) then core.import_problem(null, ''core.permission_missing'', null, '
    'jsonb_build_object(''permission'', %4$L::text)) end)) as problems '
    'from %1$s($1, 1, 2147483647) as f '
    '%7$s) as x '
    'where r.org_id = (select core.org_id()) and r.import_id = $1 and r.line = x.line and x.problems is not null',
    v_entity.read_function, v_entity.table_name, v_entity.create_permission,
    coalesce(v_entity.update_permission, v_entity.create_permission),
    case when v_entity.update_permission is not null then v_fixed else '' end,
    coalesce(nullif(core.import_difference(v_import.entity, v_import.columns), ''), 'false'),
    case when v_entity.update_permission is not null then format(
      'left join core.import_row as r on r.org_id = (select core.org_id()) and r.import_id = $1 and r.line = f.line '
      'and f.match_id is not null left join %s as t on t.org_id = (select core.org_id()) and t.id = f.match_id',
      v_entity.table_name
    ) else '' end
  )
  using check_import.import_id, v_may_create, v_may_update;
end
$$;

comment on function core.check_import(uuid) is
  'Refuse staged rows that cannot be loaded: repeated keys, what the read function of the entity finds, rows that the user '
  'may not make or change, fixed columns. Raises core.permission_missing (403) when he may neither make nor change any';

grant execute on function core.check_import(uuid) to member, superadmin, migrator;

create or replace function core.import_difference(entity text, columns text [])
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

comment on function core.import_difference(text, text []) is
  'The SQL condition that a row of the table (t) is not as the staged row (f) says; null when nothing can change';

grant execute on function core.import_difference(text, text []) to member, superadmin, migrator;
