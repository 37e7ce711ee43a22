-- Loads staged rows: a range of lines by one statement, and halves of it when the tables refuse one of them.

create or replace function core.load_import(import_id uuid, first_line integer, last_line integer, rank integer default 0)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_import core.import;
  v_entity core.import_entity;
  v_source text;
  v_columns text;
  v_values text;
  v_also_columns text;
  v_also_values text;
  v_set text;
  v_update text := 'select null::integer as line where false';
  v_difference text;
  v_rows integer := 0;
  v_matches integer;
  v_is_read boolean := false;
  v_seqscan text := current_setting('enable_seqscan');
  v_inserted integer := 0;
  v_updated integer := 0;
  v_refused integer := 0;
  v_changed integer [] := '{}';
  v_new integer [] := '{}';
  v_also integer [];
  v_state text;
  v_message text;
  v_detail text;
  v_constraint text;
  v_column text;
  v_middle integer;
  v_result jsonb;
  v_half jsonb;
  v_problem jsonb;
  v_row record;
begin
  select i.* into strict v_import from core.import as i where i.org_id = core.org_id() and i.id = load_import.import_id;
  select e.* into strict v_entity from core.import_entity as e where e.code = v_import.entity;
  -- For the tools core.check_import has kept what it read. Rows that are all new are taken from there.
  if to_regclass('pg_temp.import_read') is not null then
    execute 'select count(*), count(f.match_id) from pg_temp.import_read as f where f.line between $1 and $2'
    into v_rows, v_matches
    using load_import.first_line, load_import.last_line;
    v_is_read := v_rows > 0 and v_matches = 0;
  end if;
  if not v_is_read then
    select count(*) into v_rows
    from core.import_row as r
    where r.org_id = core.org_id()
      and r.import_id = load_import.import_id
      and r.line between load_import.first_line and load_import.last_line
      and r.rank = load_import.rank
      and r.problems is null;
  end if;
  if v_rows = 0 then
    return '{"rows": 0, "inserted": 0, "updated": 0, "problems": []}';
  end if;

  v_source := format('%s($1, $2, $3)', v_entity.read_function);
  if exists (
    select from core.import_column as c
    where c.entity = v_import.entity and c.is_path and c.name = any (v_import.columns)
  ) then
    -- An array, not a join: the planner, who knows nothing of the rows, would ask the read function anew for each;
    -- and offset 0, or he would expect few rows inside it.
    v_source := format(
      '(select f.* from (select * from %s offset 0) as f where f.line = any (array(select r.line from core.import_row as r '
      'where r.org_id = (select core.org_id()) and r.import_id = $1 and r.line between $2 and $3 and r.rank = %s '
      'and r.problems is null)))', v_source, load_import.rank
    );
    -- What was refused meanwhile takes along what lies in it.
    for v_row in execute format('select f.line, f.problems from %s as f where f.problems is not null', v_source)
    using load_import.import_id, load_import.first_line, load_import.last_line
    loop
      perform core.refuse_import_row(load_import.import_id, v_row.line, v_row.problems);
      v_refused := v_refused + 1;
    end loop;
  end if;
  select string_agg(quote_ident(c.target), ', ' order by c.target), string_agg(format('f.%I', c.target), ', ' order by c.target)
  into v_columns, v_values
  from (
    select distinct c.target
    from core.import_column as c
    where c.entity = v_import.entity and c.name = any (v_import.columns) and c.target is not null
  ) as c;
  -- What the defaults would say, once instead of for each row, where the role may write it.
  select
    coalesce(string_agg(format(', %I', d.name), '' order by d.name), ''),
    coalesce(string_agg(format(', (select %s)', d.value), '' order by d.name), '')
  into v_also_columns, v_also_values
  from (values ('org_id', 'core.org_id()'), ('created_by', 'core.user_id()'), ('updated_by', 'core.user_id()')) as d (name, value)
  join pg_attribute as a
    on a.attrelid = to_regclass(v_entity.table_name) and a.attname = d.name and not a.attisdropped
  where has_column_privilege(a.attrelid, a.attnum, 'INSERT');
  select string_agg(format('%1$I = f.%1$I', c.target), ', ' order by c.target) into v_set
  from (
    select c.target
    from core.import_column as c
    where c.entity = v_import.entity and c.name = any (v_import.columns) and c.target is not null
    group by c.target
    having bool_or(not c.is_key and not c.is_fixed)
  ) as c;
  v_difference := core.import_difference(v_import.entity, v_import.columns);

  begin
    if v_is_read then
      -- The checks of foreign keys are planned when the first row is checked. They look for one row among few, most often,
      -- and would read all of them for each row that is loaded.
      perform set_config('enable_seqscan', 'off', true);
      execute format(
        'insert into %s (%s) select %s from pg_temp.import_read as f where f.line between $1 and $2 order by f.line',
        v_entity.table_name, v_columns || v_also_columns, v_values || v_also_values
      )
      using load_import.first_line, load_import.last_line;
      get diagnostics v_inserted = row_count;
      perform set_config('enable_seqscan', v_seqscan, true);
      if v_entity.load_function is not null then
        execute 'select array_agg(f.line) from pg_temp.import_read as f where f.line between $1 and $2'
        into v_new
        using load_import.first_line, load_import.last_line;
      end if;
    elsif v_entity.table_name is not null then
      -- The rows are read once, for changes and for new ones. Changes come first, which the condition on their number
      -- sees to: they may free a unique value that a new row takes.
      if v_set is not null and v_entity.update_permission is not null then
        v_update := format(
          'update %1$s as t set %2$s from staged as f where t.org_id = (select core.org_id()) '
          'and t.id = f.match_id and f.problems is null and %3$s '
          -- asked once: most often there are none, and the planner knows little of rows that this transaction made
          'and exists (select from staged as m where m.match_id is not null) returning f.line',
          v_entity.table_name, v_set, v_difference
        );
      end if;
      execute format(
        'with staged as materialized (select * from %1$s), changed as (%2$s), '
        'made as (insert into %3$s (%4$s) select %5$s from staged as f where f.match_id is null and f.problems is null '
        'and (select count(*) from changed) >= 0 order by f.line returning 1) '
        'select (select count(*) from changed), (select count(*) from made), '
        'case when %6$L then (select array_agg(c.line) from changed as c) end, '
        'case when %6$L then (select array_agg(f.line) from staged as f where f.match_id is null) end',
        v_source, v_update, v_entity.table_name, v_columns || v_also_columns, v_values || v_also_values,
        v_entity.load_function is not null
      )
      into v_updated, v_inserted, v_changed, v_new
      using load_import.import_id, load_import.first_line, load_import.last_line;
    end if;
    if v_entity.load_function is not null then
      execute format('select array_agg(l) from %s($1, $2, $3) as l', v_entity.load_function)
      into v_also
      using load_import.import_id, load_import.first_line, load_import.last_line;
      if v_entity.table_name is null then
        v_inserted := coalesce(cardinality(v_also), 0);
      else
        v_updated := v_updated + (
          select count(*)
          from (
            select unnest(v_also)
            except
            select unnest(v_changed)
            except
            select unnest(v_new)
          ) as also_changed
        );
      end if;
    end if;
    set constraints all immediate;
    return jsonb_build_object(
      'rows', v_rows, 'inserted', v_inserted, 'updated', v_updated,
      'problems', case when v_refused = 0 then '[]'::jsonb else (
        select jsonb_agg(jsonb_build_object('line', r.line, 'problems', r.problems))
        from core.import_row as r
        where r.org_id = core.org_id()
          and r.import_id = load_import.import_id
          and r.line between load_import.first_line and load_import.last_line
          and r.rank = load_import.rank
          and r.problems is not null
      ) end
    );
  exception
    when integrity_constraint_violation or data_exception or insufficient_privilege or raise_exception
      or program_limit_exceeded or sqlstate 'PGRST' then
      get stacked diagnostics
        v_state = returned_sqlstate, v_message = message_text, v_detail = pg_exception_detail,
        v_constraint = constraint_name, v_column = column_name;
  end;

  -- Whether somebody else made such rows meanwhile, or some are wrong, shows when they are read anew.
  if v_is_read then
    execute 'delete from pg_temp.import_read as f where f.line between $1 and $2'
    using load_import.first_line, load_import.last_line;
    return core.load_import(load_import.import_id, load_import.first_line, load_import.last_line, load_import.rank);
  end if;
  if v_rows > 1 then
    -- By the number of rows, not of lines: refused ones between them do not count.
    select r.line into v_middle
    from core.import_row as r
    where r.org_id = core.org_id()
      and r.import_id = load_import.import_id
      and r.line between load_import.first_line and load_import.last_line
      and r.rank = load_import.rank
      and r.problems is null
    order by r.line
    offset v_rows / 2 - 1
    limit 1;
    v_result := core.load_import(load_import.import_id, load_import.first_line, v_middle, load_import.rank);
    if jsonb_array_length(v_result -> 'problems') >= 1000 then
      perform core.raise_error('core.import_hopeless', jsonb_build_object('line', v_middle));
    end if;
    v_half := core.load_import(load_import.import_id, v_middle + 1, load_import.last_line, load_import.rank);
    return jsonb_build_object(
      'rows', v_rows,
      'inserted', (v_result ->> 'inserted')::integer + (v_half ->> 'inserted')::integer,
      'updated', (v_result ->> 'updated')::integer + (v_half ->> 'updated')::integer,
      'problems', (v_result -> 'problems') || (v_half -> 'problems')
    );
  end if;

  -- One row: what refused it is its problem. Errors of the catalogue speak for themselves.
  v_problem := case
    when v_state = 'PGRST' then jsonb_build_object(
      'column', null, 'code', v_message::jsonb ->> 'code', 'value', null, 'message', v_message::jsonb ->> 'message'
    )
    else core.import_problem(
      nullif(v_column, ''), 'core.import_constraint', nullif(v_constraint, ''),
      jsonb_build_object('reason', v_message, 'constraint', v_constraint, 'detail', v_detail)
    )
  end;
  update core.import_row as r
  set problems = jsonb_build_array(v_problem)
  where r.org_id = core.org_id()
    and r.import_id = load_import.import_id
    and r.line between load_import.first_line and load_import.last_line
    and r.rank = load_import.rank
    and r.problems is null
  returning r.line into v_middle;
  return jsonb_build_object(
    'rows', 1, 'inserted', 0, 'updated', 0,
    'problems', jsonb_build_array(jsonb_build_object('line', v_middle, 'problems', jsonb_build_array(v_problem)))
  );
end
$$;

comment on function core.load_import(uuid, integer, integer, integer) is
  'Load the staged rows of a range of lines and of a rank that have no problem: rows, inserted, updated and problems '
  '([{"line", "problems"}]: rows that the tables refused, although nothing spoke against them before). Raises '
  'core.import_hopeless when a thousand of them are found in a range';

grant execute on function core.load_import(uuid, integer, integer, integer) to member, superadmin, migrator;
