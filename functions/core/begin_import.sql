-- A file that is about to be staged.

create or replace function core.begin_import(
  entity text,
  headers text[],
  source_sha256 text,
  source_name text default null,
  mapping jsonb default null,
  options jsonb default '{}'
)
returns core.import
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_import core.import;
  v_headers jsonb;
  v_format text := upper(begin_import.options ->> 'date_format');
begin
  perform core.require_permission('core.import.create');
  if coalesce(begin_import.options ->> 'decimal', '.') not in ('.', ',') then
    perform core.raise_error('core.import_option', '{"option": "decimal", "wanted": "a point or a comma"}');
  elsif v_format is not null and not (
    v_format ~ '^(DD[./ -]MM[./ -]YYYY|MM[./ -]DD[./ -]YYYY|YYYY[./ -]MM[./ -]DD|YYYY[./ -]DD[./ -]MM)$'
  ) then
    perform core.raise_error(
      'core.import_option', '{"option": "date_format", "wanted": "DD, MM and YYYY in some order, as in DD.MM.YYYY"}'
    );
  end if;
  v_headers := core.map_import(begin_import.entity, begin_import.headers, begin_import.mapping);
  insert into core.import (entity, source_name, source_sha256, headers, columns, options, duplicate_of)
  select
    begin_import.entity,
    begin_import.source_name,
    begin_import.source_sha256,
    v_headers,
    array(
      select h.value ->> 'column'
      from jsonb_array_elements(v_headers) with ordinality as h (value, place)
      where h.value ->> 'column' is not null
      order by h.place
    ),
    jsonb_strip_nulls(jsonb_build_object(
      'decimal', coalesce(begin_import.options ->> 'decimal', '.'), 'date_format', v_format
    )),
    (
      select i.id
      from core.import as i
      where i.org_id = core.org_id()
        and i.entity = begin_import.entity
        and i.source_sha256 = begin_import.source_sha256
        and i.committed_at is not null
      order by i.id desc
      limit 1
    )
  returning * into v_import;
  return v_import;
end
$$;

comment on function core.begin_import(text, text[], text, text, jsonb, jsonb) is
  'Register a file: its headers are mapped to columns, and an earlier import of the same file is found by its hash. '
  'Errors: those of core.map_import, core.import_option (422), core.permission_missing (403)';

grant execute on function core.begin_import(text, text[], text, text, jsonb, jsonb) to member, superadmin, migrator;
