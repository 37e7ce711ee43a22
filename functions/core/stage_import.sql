-- The one way into the staging table: cells of a file, as text, become values by the types of their columns.

create or replace function core.stage_import(import_id uuid, source text, cells text[], payload jsonb default null)
returns integer
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_import core.import;
  v_is_comma boolean;
  v_group text;
  v_number text;
  v_format text;
  v_pattern text := '^(\d{4})-(\d{1,2})-(\d{1,2})$';
  v_iso text;
  v_trimmed text [] := '{}';
  v_values text [] := '{}';
  v_data text [] := '{}';
  v_names text [] := '{}';
  v_problems text [] := '{}';
  v_doubts text [] := '{}';
  v_rank text := '0';
  v_column record;
  v_cell text;
  v_value text;
  v_wrong text;
  v_count integer;
begin
  select i.* into strict v_import
  from core.import as i
  where i.org_id = core.org_id() and i.id = stage_import.import_id;

  -- A number may be grouped by the other mark, by spaces and by apostrophes, in threes.
  v_is_comma := coalesce(v_import.options ->> 'decimal', '.') = ',';
  v_group := case when v_is_comma then '.' else ',' end || U&' ''\00A0\2009\202F\2019';
  v_number := format(
    '^[+-]?((\d+|\d{1,3}([%1$s]\d{3})+)([%2$s]\d*)?|[%2$s]\d+)([eE][+-]?\d{1,2})?$',
    v_group, case when v_is_comma then ',' else '.' end
  );
  -- A declared format is one of day, month and year in some order, whatever stands between them.
  v_format := upper(v_import.options ->> 'date_format');
  if v_format is not null then
    v_iso := concat_ws(
      '-',
      '\' || 1 + (strpos(v_format, 'DD') < strpos(v_format, 'YYYY'))::integer
      + (strpos(v_format, 'MM') < strpos(v_format, 'YYYY'))::integer,
      '\' || 1 + (strpos(v_format, 'DD') < strpos(v_format, 'MM'))::integer
      + (strpos(v_format, 'YYYY') < strpos(v_format, 'MM'))::integer,
      '\' || 1 + (strpos(v_format, 'MM') < strpos(v_format, 'DD'))::integer
      + (strpos(v_format, 'YYYY') < strpos(v_format, 'DD'))::integer
    );
    v_pattern := '^' || replace(replace(replace(
      regexp_replace(v_format, '[^DMY]', '[./ -]', 'g'),
      'DD', '(\d{1,2})'), 'MM', '(\d{1,2})'), 'YYYY', '(\d{4})') || '$';
  end if;

  for v_column in
    select c.*, p.place::integer as n
    from unnest(v_import.columns) with ordinality as p (name, place)
    join core.import_column as c on c.entity = v_import.entity and c.name = p.name
    order by p.place
  loop
    v_cell := format('v.c%s', v_column.n);
    v_trimmed := v_trimmed || format(
      'nullif(btrim(%s, U&'' \0009\000A\000D\00A0\FEFF''), '''') as c%s', cells[v_column.n], v_column.n
    );
    v_wrong := null;
    case v_column.type
      when 'text' then v_value := v_cell;
      when 'code' then
        v_value := format('upper(%s)', v_cell);
        if v_column.choices is not null then
          v_value := format('case when upper(%1$s) = any (%2$L::text []) then upper(%1$s) end', v_cell, v_column.choices);
          v_wrong := format(
            'core.import_problem(%L, ''core.import_choice'', %s, %L)', v_column.name, v_cell,
            jsonb_build_object('choices', array_to_string(v_column.choices, ', '))
          );
        end if;
      when 'integer', 'numeric' then
        v_value := format(
          'case when %1$s ~ %2$L then translate(%1$s, %3$L, %4$L) end', v_cell, v_number,
          case when v_is_comma then ',' || v_group else v_group end, case when v_is_comma then '.' else '' end
        );
        -- Plain numbers, as most are, are what they stand for.
        if v_column.type = 'integer' then
          v_value := format(
            'case when %2$s ~ ''^(0|[1-9]\d{0,8})$'' then %2$s '
            'when pg_input_is_valid(%1$s, ''numeric'') then case when (%1$s)::numeric %% 1 = 0 '
            'and abs((%1$s)::numeric) <= 2147483647 then ((%1$s)::numeric)::integer::text end end', v_value, v_cell
          );
        elsif not v_is_comma then
          v_value := format('case when %1$s ~ ''^\d+([.]\d+)?$'' then %1$s else %2$s end', v_cell, v_value);
        end if;
      when 'boolean' then
        v_value := format(
          'case when lower(%1$s) in (''true'', ''t'', ''yes'', ''y'', ''1'', ''x'') then ''true'' '
          'when lower(%1$s) in (''false'', ''f'', ''no'', ''n'', ''0'') then ''false'' end', v_cell
        );
      when 'date' then
        v_value := format(
          'case when %1$s ~ ''^\d{4}-\d{2}-\d{2}([T ]00:00(:00(\.0+)?)?)?$'' then left(%1$s, 10) '
          'when %1$s ~ %2$L then regexp_replace(%1$s, %2$L, %3$L) end',
          v_cell, v_pattern, coalesce(v_iso, E'\\1-\\2-\\3')
        );
        v_value := format('case when pg_input_is_valid(%1$s, ''date'') then (%1$s)::date::text end', v_value);
    end case;
    v_values := v_values || format('%s as v%s', v_value, v_column.n);
    v_value := format('v.v%s', v_column.n);
    v_data := v_data || v_value;
    v_names := v_names || v_column.name;
    if v_column.is_required then
      v_problems := v_problems || format(
        'case when %s is null then core.import_problem(%L, ''core.import_required'') end', v_cell, v_column.name
      );
      v_doubts := v_doubts || format('%s is null', v_cell);
    end if;
    if v_column.type not in ('text', 'code') then
      v_wrong := format(
        'core.import_problem(%L, %L, %s, %L)', v_column.name,
        case v_column.type
          when 'integer' then 'core.import_integer'
          when 'numeric' then 'core.import_numeric'
          when 'boolean' then 'core.import_boolean'
          when 'date' then 'core.import_date'
        end,
        v_cell,
        jsonb_build_object(
          'decimal', coalesce(v_import.options ->> 'decimal', '.'), 'date_format', coalesce(v_format, 'YYYY-MM-DD')
        )
      );
    end if;
    if v_wrong is not null then
      v_problems := v_problems || format('case when %s is not null and %s is null then %s end', v_cell, v_value, v_wrong);
      v_doubts := v_doubts || format('%s is null and %s is not null', v_value, v_cell);
    end if;
    if v_column.is_path then
      v_rank := format('case when %1$s is null then 0 else length(%1$s) - length(replace(%1$s, ''/'', '''')) + 1 end', v_cell);
    end if;
  end loop;

  -- offset 0: each step is computed once, not once for each use of it. A row without problems costs a few comparisons.
  -- lint: allow dynamic_sql: source and cells are SQL that callers build with %I and %L; it runs with the caller's rights
  execute format(
    'insert into core.import_row (org_id, import_id, line, rank, data, problems) '
    'select (select core.org_id()), $1, v.line, v.rank, jsonb_object($3, array[%s]), '
    'case when v.note is not null then jsonb_build_array(core.import_problem(null, v.note)) '
    'when %s then core.import_problems(%s) end from ('
    'select v.*, %s as rank, %s from (select s.line, s.note, %s from %s as s offset 0) as v offset 0) as v',
    array_to_string(v_data, ', '), coalesce(nullif(array_to_string(v_doubts, ' or '), ''), 'false'),
    coalesce(nullif(array_to_string(v_problems, ', '), ''), 'null'), v_rank,
    array_to_string(v_values, ', '), array_to_string(v_trimmed, ', '), stage_import.source
  )
  using stage_import.import_id, stage_import.payload, v_names;
  get diagnostics v_count = row_count;
  update core.import as i
  set row_count = i.row_count + v_count
  where i.org_id = core.org_id() and i.id = stage_import.import_id;
  return v_count;
end
$$;

comment on function core.stage_import(uuid, text, text[], jsonb) is
  'Stage rows of an import. source: what to select from, with the columns line and note (null, or the code of an error of '
  'the row as a whole); cells: an SQL expression over it for each of the columns of the import; $2 in them is payload. '
  'Cells are trimmed and read by type; what cannot be read, is no choice or is missing becomes a problem of '
  'the row. Returns the number of rows';

grant execute on function core.stage_import(uuid, text, text[], jsonb) to member, superadmin, migrator;
