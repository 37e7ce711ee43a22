-- Which header of a file means which column.

create or replace function core.map_import(entity text, headers text[], mapping jsonb default null)
returns jsonb
language plpgsql
stable
parallel safe
as $$
declare
  v_result jsonb;
  v_wrong record;
begin
  if not exists (select from core.import_entity as e where e.code = map_import.entity) then
    perform core.raise_error('core.import_entity_unknown', jsonb_build_object('entity', map_import.entity));
  end if;
  if jsonb_typeof(map_import.mapping) not in ('object', 'null') then
    perform core.raise_error('core.import_mapping_unknown', jsonb_build_object('header', '', 'column', ''));
  end if;
  for v_wrong in
    select m.key, m.value
    from jsonb_each_text(nullif(map_import.mapping, 'null')) as m
    where coalesce(btrim(m.value), '') <> '' and not exists (
      select from core.import_column as c where c.entity = map_import.entity and c.name = m.value
    ) or not exists (
      select from unnest(map_import.headers) as h (header)
      where core.import_header(h.header) = core.import_header(m.key)
    )
    limit 1
  loop
    perform core.raise_error(
      'core.import_mapping_unknown', jsonb_build_object('header', v_wrong.key, 'column', coalesce(v_wrong.value, ''))
    );
  end loop;

  select jsonb_agg(jsonb_build_object('header', h.header, 'column', coalesce(m.name, c.name)) order by h.place)
  into v_result
  from unnest(map_import.headers) with ordinality as h (header, place)
  -- What the caller says comes first; a header mapped to nothing is ignored.
  left join lateral (
    select coalesce(g.value, '') as name
    from jsonb_each_text(nullif(map_import.mapping, 'null')) as g
    where core.import_header(g.key) = core.import_header(h.header)
    limit 1
  ) as m on true
  left join core.import_column as c
    on c.entity = map_import.entity
    and m.name is null
    and core.import_header(h.header) in (
      select core.import_header(a.alias) from unnest(c.aliases || c.name) as a (alias)
    );
  v_result := (
    select jsonb_agg(jsonb_build_object('header', r.value -> 'header', 'column', nullif(r.value ->> 'column', '')) order by r.n)
    from jsonb_array_elements(v_result) with ordinality as r (value, n)
  );

  select r.value ->> 'column' as name, string_agg(r.value ->> 'header', ', ' order by r.n) as headers
  into v_wrong
  from jsonb_array_elements(v_result) with ordinality as r (value, n)
  where r.value ->> 'column' is not null
  group by 1
  having count(*) > 1
  limit 1;
  if found then
    perform core.raise_error(
      'core.import_header_twice', jsonb_build_object('column', v_wrong.name, 'headers', v_wrong.headers)
    );
  end if;

  select string_agg(c.name, ', ' order by c.place) as names
  into v_wrong
  from core.import_column as c
  where c.entity = map_import.entity
    and c.is_required
    and not exists (select from jsonb_array_elements(v_result) as r (value) where r.value ->> 'column' = c.name);
  if v_wrong.names is not null then
    perform core.raise_error(
      'core.import_header_missing',
      jsonb_build_object(
        'columns', v_wrong.names,
        'headers', array_to_string(map_import.headers, ', '),
        'entity', map_import.entity
      )
    );
  end if;
  return v_result;
end
$$;

comment on function core.map_import(text, text[], jsonb) is
  'The column of each header, in the order of the headers: [{"header", "column"}], column null where it is ignored. '
  'mapping (header: column) comes before names and aliases. Errors: core.import_entity_unknown, '
  'core.import_mapping_unknown, core.import_header_twice, core.import_header_missing (422)';

grant execute on function core.map_import(text, text[], jsonb) to member, superadmin, migrator;

create or replace function core.import_header(header text)
returns text
language sql
immutable
parallel safe
return regexp_replace(lower(import_header.header), U&'[\FEFF\00A0[:space:]_./()#:*''"-]+', '', 'g');

comment on function core.import_header(text) is 'A header without what does not matter: case, spaces and punctuation';

grant execute on function core.import_header(text) to member, superadmin, migrator;
