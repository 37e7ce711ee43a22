-- Stages a small file, for clients.

create or replace function api.import_stage(
  entity text,
  rows jsonb default null,
  csv text default null,
  mapping jsonb default null,
  "decimal" text default '.',
  date_format text default null,
  delimiter text default null,
  source_name text default null
)
returns api.imports
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_import core.import;
  v_headers text [];
  v_payload jsonb;
  v_source text;
  v_cells text [];
  v_limit integer := (core.setting('core.import_rows') #>> '{}')::integer;
  v_row api.imports;
begin
  perform core.require_permission('core.import.create');
  if (import_stage.rows is null) = (import_stage.csv is null) or jsonb_typeof(import_stage.rows) <> 'array'
    or jsonb_path_exists(import_stage.rows, 'strict $[*] ? (@.type() != "object")') then
    perform core.raise_error('core.import_source');
  end if;

  if import_stage.rows is not null then
    v_payload := import_stage.rows;
    v_headers := array(
      select k.key
      from jsonb_array_elements(v_payload) with ordinality as e (value, n)
      cross join lateral jsonb_object_keys(e.value) with ordinality as k (key, place)
      group by k.key
      order by min(e.n), min(k.place)
    );
    -- A JSON number has a decimal point, whatever the text cells have.
    v_source := format(
      '(select e.n::integer as line, null::text as note, (select jsonb_object_agg(c.key, case when %L = '','' and '
      'jsonb_typeof(c.value) = ''number'' then to_jsonb(replace(c.value #>> ''{}'', ''.'', '','')) else c.value end) '
      'from jsonb_each(e.value) as c) as cells from jsonb_array_elements($2) with ordinality as e (value, n) '
      'where e.value <> ''{}'')', import_stage.decimal
    );
  else
    v_payload := (
      select jsonb_agg(jsonb_build_object('line', c.line, 'cells', to_jsonb(c.cells)) order by c.line)
      from core.read_csv(import_stage.csv, import_stage.delimiter) as c
    );
    v_headers := array(select jsonb_array_elements_text(v_payload -> 0 -> 'cells'));
    v_payload := v_payload - 0;
    v_source := format(
      '(select (e.value ->> ''line'')::integer as line, case when jsonb_array_length(e.value -> ''cells'') <> %s '
      'then ''core.import_cells'' end as note, e.value -> ''cells'' as cells from jsonb_array_elements($2) as e (value))',
      cardinality(v_headers)
    );
  end if;
  if jsonb_array_length(coalesce(v_payload, '[]')) = 0 then
    perform core.raise_error('core.import_empty');
  elsif jsonb_array_length(v_payload) > v_limit then
    perform core.raise_error(
      'core.import_too_large', jsonb_build_object('rows', jsonb_array_length(v_payload), 'limit', v_limit)
    );
  end if;

  v_import := core.begin_import(
    import_stage.entity, v_headers,
    encode(sha256(convert_to(coalesce(import_stage.csv, import_stage.rows::text), 'UTF8')), 'hex'),
    import_stage.source_name, import_stage.mapping,
    jsonb_build_object('decimal', import_stage.decimal, 'date_format', import_stage.date_format)
  );
  v_cells := array(
    select case
      when import_stage.rows is not null then format('s.cells ->> %L', h.value ->> 'header')
      else format('s.cells ->> %s', h.place - 1)
    end
    from jsonb_array_elements(v_import.headers) with ordinality as h (value, place)
    where h.value ->> 'column' is not null
    order by h.place
  );
  perform core.stage_import(v_import.id, v_source, v_cells, v_payload);
  perform core.check_import(v_import.id);
  perform core.count_import(v_import.id);
  select i.* into v_row from api.imports as i where i.org_id = core.org_id() and i.id = v_import.id;
  return v_row;
end
$$;

comment on function api.import_stage(text, jsonb, text, jsonb, text, text, text, text) is
  E'Stage rows of a file and check them; nothing is loaded yet\n'
  'entity: one of /import_entities. rows: an array of objects, or csv: text with a header line. mapping: header to column, '
  'where names and aliases of /import_columns do not do. decimal: the decimal mark, "." or ",". date_format: such as '
  'DD.MM.YYYY; YYYY-MM-DD always works. Returns the import with the counts of what would happen; /import_rows lists the '
  'refused rows. Errors: core.permission_missing (403), core.import_too_large (413), core.import_source, '
  'core.import_empty, core.import_entity_unknown, core.import_header_missing, core.import_header_twice, '
  'core.import_mapping_unknown, core.import_option (422). Needs core.import.create and the permission to make or change '
  'such rows.';

grant execute on function api.import_stage(text, jsonb, text, jsonb, text, text, text, text) to member, superadmin;
