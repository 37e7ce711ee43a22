-- The tag of an answer, and how long it may be kept.

create or replace function core.tag_answer(headers jsonb, role text, org_id uuid, identity text, has_api_key boolean)
returns text
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_query text := tag_answer.headers ->> 'x-query-string';
  v_source core.api_source;
  v_tag text;
begin
  select * into v_source from core.api_source as a where a.view_name = substr(current_setting('request.path', true), 2);
  if not found then
    return null; -- a function, or the description of the API
  end if;

  -- A SUPER_ADMIN sees every organisation, and only the gateway says what is asked for.
  if v_source.is_tagged and tag_answer.role <> 'superadmin' and v_query is not null then
    if v_query like '%(%' or v_query like '%\%28%' then
      v_source := core.add_embedded(v_source, v_query);
    end if;
    if tag_answer.has_api_key then
      v_source.sources := v_source.sources || array['core.api_key'];
    end if;
    if v_source.is_tagged then
      v_tag := core.data_tag(v_source.sources, tag_answer.org_id, v_source.shared_sources);
    end if;
  end if;
  if v_tag is null then
    return set_config(
      'response.headers', '[{"Cache-Control": "' || v_source.cache_control || '"}, {"Vary": "Authorization"}]', true
    );
  end if;

  if v_source.time_dependence = 'day' then
    v_tag := concat_ws(' ', v_tag, core.today());
  end if;
  -- The start of the server: where it is restored to an earlier moment, transactions are numbered a second time.
  v_tag := md5(
    array_to_string(
      array[
        v_tag, v_source.revision, pg_postmaster_start_time()::text, tag_answer.role, tag_answer.identity, v_source.view_name,
        v_query, tag_answer.headers ->> 'accept', tag_answer.headers ->> 'prefer'
      ],
      chr(10), ''
    )
  );
  if tag_answer.headers ? 'if-none-match' then
    perform core.answer_unchanged(tag_answer.headers ->> 'if-none-match', v_tag, v_source.cache_control);
  end if;
  return set_config(
    'response.headers',
    '[{"ETag": "W/\"' || v_tag || '\""}, {"Cache-Control": "' || v_source.cache_control
    || '"}, {"Vary": "Authorization"}]',
    true
  );
end
$$;

comment on function core.tag_answer(jsonb, text, uuid, text, boolean) is
  'Give the answer to a GET of a view a tag (ETag) that changes whenever what the caller would be shown may have changed, and '
  'its cache class; ends the request with 304 when If-None-Match names the tag. Returns the headers of the answer.';

create or replace function core.answer_unchanged(if_none_match text, tag text, cache_control text)
returns void
language plpgsql
volatile
parallel safe
as $$
begin
  -- All our tags are weak, and compared weakly: W/ does not matter.
  if strpos(answer_unchanged.if_none_match, '"' || answer_unchanged.tag || '"') > 0
    or btrim(answer_unchanged.if_none_match) = '*'
  then
    perform core.raise_answer(
      '{"code": "core.not_modified", "message": "The client has this answer"}',
      304,
      jsonb_build_object(
        'ETag', 'W/"' || answer_unchanged.tag || '"',
        'Cache-Control', answer_unchanged.cache_control,
        'Vary', 'Authorization'
      )
    );
  end if;
end
$$;

comment on function core.answer_unchanged(text, text, text) is
  'End the request with 304 when If-None-Match names the tag of the answer that it would get';

create or replace function core.add_embedded(source core.api_source, query text)
returns core.api_source
language plpgsql
stable
parallel safe
as $$
declare
  v_query text := add_embedded.query;
  v_names text[];
  v_code text [];
begin
  foreach v_code slice 1 in array array[
    ['%28', '('], ['%29', ')'], ['%2C', ','], ['%2A', '*'], ['%3A', ':'], ['%21', '!'], ['%20', ' '], ['%2E', '.']
  ]
  loop
    v_query := regexp_replace(v_query, v_code[1], v_code[2], 'gi');
  end loop;
  -- A name that could be hidden in what is not read here: no tag.
  if v_query ~ '[%"]' then
    source.is_tagged := false;
    return source;
  end if;

  -- What stands before a parenthesis is a view to be embedded, or part of a filter.
  select array_agg(distinct n.name)
  into v_names
  from (
    select m.parts[1] as name
    from regexp_matches(v_query, '([A-Za-z0-9_$-]+)(?:![A-Za-z0-9_$!-]*)?\s*\(', 'g') as m (parts)
  ) as n
  where n.name not in (
    'and', 'or', 'not', 'in', 'eq', 'neq', 'gt', 'gte', 'lt', 'lte', 'like', 'ilike', 'match', 'imatch', 'fts', 'plfts', 'phfts',
    'wfts'
  );
  if v_names is null then
    return source;
  end if;

  with mentioned as (
    select a.*
    from unnest(v_names || source.view_name) as n (name)
    left join core.api_source as a on a.view_name = n.name
  ),
  -- Two views can be joined through a third that refers to both.
  between_them as (
    select a.*
    from core.api_source as a
    where a.view_name in (
      select j.view_name
      from mentioned as m
      cross join unnest(m.junctions) as j (view_name)
      group by j.view_name
      having count(*) > 1
    )
  ),
  every as (
    select * from mentioned
    union all
    select * from between_them
  )
  select
    array(select distinct s.source from every as e cross join unnest(e.sources) as s (source) order by s.source),
    array(select distinct s.source from every as e cross join unnest(e.shared_sources) as s (source) order by s.source),
    coalesce(bool_and(e.is_tagged), false) and count(*) = count(e.view_name),
    case when bool_or(e.time_dependence = 'day') then 'day' else 'none' end
  into source.sources, source.shared_sources, source.is_tagged, source.time_dependence
  from every as e;
  return source;
end
$$;

comment on function core.add_embedded(core.api_source, text) is
  'What the answer to a query of a view depends on, with the views that are embedded in it; not tagged where that cannot be told';
