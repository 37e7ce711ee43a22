-- What a search finds of one kind, best first; what the caller may see of it the tables say.

-- Definer: core.searchable is open to functions of the owner only. Gives ids of the caller's organisation (an EXTERNAL
-- user's partner) and nothing else.
create or replace function core.find_entries(entity text, text text, most integer)
returns table (id uuid, rank numeric)
language plpgsql
stable
parallel safe
security definer
rows 20
set search_path = pg_catalog, pg_temp
-- one plan a statement and session: planning would cost more than running
set plan_cache_mode = force_generic_plan
as $$
declare
  v_org uuid := core.org_id();
  v_partner uuid := core.partner_id();
  v_text text := regexp_replace(core.search_code(find_entries.text), '\s+', ' ', 'g');
  -- The text with the last of all characters behind it: what begins with the text lies between.
  v_end text := v_text || chr(1114111);
  v_back text := reverse(v_text);
  v_words text[] := core.search_words(find_entries.text);
  v_types text[];
  v_query tsquery;
  v_got integer;
  v_count integer := 0;
begin
  -- The code itself.
  return query
  select s.id, 1.0
  from core.searchable as s
  where s.org_id = v_org
    and s.entity = find_entries.entity
    and s.code = v_text
    and (v_partner is null or s.partner_id = v_partner)
  limit find_entries.most;
  get diagnostics v_got = row_count;
  v_count := v_count + v_got;

  -- Numbers of documents: the whole, the counter alone in this year or the last, the beginning.
  v_types := (select e.number_types from core.search_entity as e where e.entity = find_entries.entity);
  if v_types <> '{}' then
    return query
    select f.entity_id, f.rank
    from core.find_numbers(v_org, v_types, v_text, case when v_partner is null then find_entries.most else 200 end) as f;
    get diagnostics v_got = row_count;
    v_count := v_count + v_got;
  end if;
  if v_count >= find_entries.most then
    return;
  end if;

  -- What begins with the text: codes, then names.
  return query
  select s.id, 0.9
  from core.searchable as s
  where s.org_id = v_org
    and s.entity = find_entries.entity
    and s.code > v_text
    and s.code < v_end
    and (v_partner is null or s.partner_id = v_partner)
  order by s.code
  limit find_entries.most;
  get diagnostics v_got = row_count;
  v_count := v_count + v_got;
  if v_count >= find_entries.most then
    return;
  end if;

  return query
  select s.id, 0.8
  from core.searchable as s
  where s.org_id = v_org
    and s.entity = find_entries.entity
    and s.title >= v_text
    and s.title < v_end
    and (v_partner is null or s.partner_id = v_partner)
  order by s.title
  limit find_entries.most;
  get diagnostics v_got = row_count;
  v_count := v_count + v_got;
  if v_count >= find_entries.most then
    return;
  end if;

  -- Every word, as it is or as the beginning of one; then the end of a code; then what looks alike.
  if v_words <> '{}' then
    v_query := core.word_query(v_org, find_entries.entity, v_words, false);
    return query
    select f.id, case when f.is_whole then 0.7 else 0.6 end
    from core.find_words(v_org, find_entries.entity, v_partner, v_query, v_words, find_entries.most) as f;
    get diagnostics v_got = row_count;
    v_count := v_count + v_got;
  end if;
  if length(v_text) >= 3 and v_count < find_entries.most then
    return query
    select s.id, 0.4
    from core.searchable as s
    where s.org_id = v_org
      and s.entity = find_entries.entity
      and reverse(s.code) > v_back
      and reverse(s.code) < v_back || chr(1114111)
      and (v_partner is null or s.partner_id = v_partner)
    order by reverse(s.code)
    limit find_entries.most;
    get diagnostics v_got = row_count;
    v_count := v_count + v_got;
  end if;
  if v_words <> '{}' and v_count = 0 then
    v_query := core.word_query(v_org, find_entries.entity, v_words, true);
    if v_query is not null then
      return query
      select f.id, 0.3
      from core.find_words(v_org, find_entries.entity, v_partner, v_query, v_words, find_entries.most) as f;
    end if;
  end if;
end
$$;

comment on function core.find_entries(text, text, integer) is
  'Ids of one kind that a text finds in the caller''s organisation, with a rank from 1 (its code) down to 0.3 (looks '
  'alike). The caller of this function shows only what its own caller may see.';

grant execute on function core.find_entries(text, text, integer) to member, partner, superadmin;

create or replace function core.find_words(
  org_id uuid,
  entity text,
  partner_id uuid,
  query tsquery,
  words text[],
  most integer
)
returns table (id uuid, is_whole boolean)
language plpgsql
stable
parallel safe
rows 20
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  v_scope text := core.search_scope(find_words.org_id, find_words.entity);
  v_whole tsquery := (
    select string_agg(quote_literal(v_scope || w.word), ' & ')::tsquery
    from unnest(find_words.words) as w (word)
  );
begin
  -- What one row in a hundred has is found among the newest rows; the index would bring all of them before the first.
  if (
    select count(*) >= 3
    from (
      select s.words
      from core.searchable as s
      where s.org_id = find_words.org_id
        and s.entity = find_words.entity
      order by s.id desc
      limit 200
    ) as n
    where n.words @@ find_words.query
  ) then
    return query
    select n.id, n.words @@ v_whole
    from (
      select s.id, s.words
      from core.searchable as s
      where s.org_id = find_words.org_id
        and s.entity = find_words.entity
        and (find_words.partner_id is null or s.partner_id = find_words.partner_id)
      order by s.id desc
      limit 5000
    ) as n
    where n.words @@ find_words.query
    limit find_words.most;
  else
    -- By the words alone, which name organisation and entity already: otherwise an average organisation, which is small,
    -- would be read by its key instead.
    return query
    with hit as materialized (
      select s.org_id, s.entity, s.id, s.words, s.partner_id
      from core.searchable as s
      where s.words is not null
        and s.words @@ find_words.query
      limit 2000
    )
    select h.id, h.words @@ v_whole
    from hit as h
    where h.org_id = find_words.org_id
      and h.entity = find_words.entity
      and (find_words.partner_id is null or h.partner_id = find_words.partner_id)
    limit find_words.most;
  end if;
end
$$;

comment on function core.find_words(uuid, text, uuid, tsquery, text[], integer) is
  'Ids of rows whose words a query finds, and whether they have the words as they were written';

create or replace function core.word_query(org_id uuid, entity text, words text[], is_alike boolean)
returns tsquery
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  v_scope text := core.search_scope(word_query.org_id, word_query.entity);
  v_word text;
  v_forms text[];
  v_any tsquery;
  v_query tsquery;
  v_has_more boolean := false;
begin
  foreach v_word in array word_query.words
  loop
    v_forms := array[v_word];
    -- Beginnings become the words that there are: a prefix in the index would read each one of its lists.
    if length(v_word) >= 2 then
      v_forms := v_forms || array(
        select distinct b.word
        from (
          select k.word
          from core.search_word as k
          where k.org_id = word_query.org_id
            and k.word > v_word collate "C"
            and k.word < (v_word || chr(1114111)) collate "C"
          order by k.word
          limit 50
        ) as b
      );
    end if;
    v_any := (
      select string_agg(quote_literal(v_scope || w.word), ' | ')::tsquery
      from unnest(v_forms) as w (word)
    );
    if word_query.is_alike and v_word ~ '[0-9]' then
      -- Numbers are not among the words, so one that is begun is looked up in the index itself.
      if length(v_word) >= 4 then
        v_any := (quote_literal(v_scope || v_word) || ':*')::tsquery;
        v_has_more := true;
      end if;
    elsif word_query.is_alike and cardinality(v_forms) = 1 and length(v_word) >= 3 and not exists (
      select from core.search_word as k where k.org_id = word_query.org_id and k.word = v_word collate "C"
    ) then
      v_forms := core.similar_words(word_query.org_id, v_word);
      if v_forms = '{}' then
        return null;
      end if;
      v_has_more := true;
      v_any := (
        select string_agg(quote_literal(v_scope || w.word), ' | ')::tsquery
        from unnest(v_forms) as w (word)
      );
    end if;
    v_query := coalesce(v_query && v_any, v_any);
  end loop;
  return case when v_has_more or not word_query.is_alike then v_query end;
end
$$;

comment on function core.word_query(uuid, text, text[], boolean) is
  'A query for rows that have each of the words, or one that begins with it. is_alike takes words that look like one that '
  'nothing has, and numbers that begin with it; null when that makes no difference.';

create or replace function core.similar_words(org_id uuid, word text)
returns text[]
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
-- The words of an average organisation are few; those of one that has many are not to be compared one by one.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_indexscan = off
set enable_indexonlyscan = off
as $$
begin
  return array(
    select b.word
    from (
      select a.word, a.likeness, max(a.likeness) over () as best
      from (
        select distinct k.word, public.similarity(k.word, similar_words.word) as likeness
        from core.search_word as k
        where k.org_id = similar_words.org_id
          and k.word operator (public.%) similar_words.word
      ) as a
    ) as b
    where b.likeness >= 0.75 * b.best
    order by b.likeness desc, b.word
    limit 5
  );
end
$$;

comment on function core.similar_words(uuid, text) is 'The five words of an organisation that look most like one';

create or replace function core.find_numbers(org_id uuid, types text[], text text, most integer)
returns table (entity_id uuid, rank numeric)
language plpgsql
stable
parallel safe
rows 5
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  v_text text := upper(find_numbers.text);
  v_year integer := extract(year from core.today());
begin
  return query
  select r.entity_id, 1.0
  from core.number_register as r
  where r.org_id = find_numbers.org_id
    and r.document_type = any (find_numbers.types)
    and r.number = v_text;
  if v_text ~ '^[0-9]{1,12}$' then
    return query
    select r.entity_id, 0.95
    from core.number_series as s
    cross join generate_series(v_year - 1, v_year) as y (year)
    inner join core.number_register as r
      on r.org_id = s.org_id
      and r.document_type = s.document_type
      and r.number = replace(
        regexp_replace(
          s.pattern, '\{number(:[0-9]{1,2})?\}',
          lpad(
            ltrim(v_text, '0'),
            greatest(coalesce(substring(s.pattern from '\{number:([0-9]{1,2})\}'), '1')::integer, length(ltrim(v_text, '0'))),
            '0'
          )
        ),
        '{year}', y.year::text
      )
    where s.org_id = find_numbers.org_id
      and s.document_type = any (find_numbers.types);
  end if;
  return query
  select b.entity_id, 0.9
  from unnest(find_numbers.types) as t (document_type)
  cross join lateral (
    select r.entity_id
    from core.number_register as r
    where r.org_id = find_numbers.org_id
      and r.document_type = t.document_type
      and r.number > v_text
      and r.number < v_text || chr(1114111)
    order by r.number desc
    limit find_numbers.most
  ) as b;
end
$$;

comment on function core.find_numbers(uuid, text[], text, integer) is
  'Documents by their number: the whole of it, the counter alone (of this year or the last), or its beginning';
