-- The words of a text, as search compares them.

create or replace function core.search_words(variadic parts text[])
returns text[]
language sql
immutable
parallel safe
return (
  -- Whatever is no letter or figure of ASCII separates; letters of other scripts belong to words.
  select coalesce(array_agg(distinct left(w.word, 60)), '{}')
  from regexp_split_to_table(core.search_text(variadic search_words.parts), E'[\\s!-/:-@\\[-`{-~]+') as w (word)
  where w.word <> ''
);

comment on function core.search_words(text[]) is 'The words of texts, once each, in lower case and without Latin accents';

create or replace function core.search_code(code text)
returns text
language sql
immutable
parallel safe
return left(btrim(core.search_text(search_code.code)), 200);

comment on function core.search_code(text) is 'A code as search compares it';

create or replace function core.search_scope(org_id uuid, entity text)
returns text
language sql
immutable
parallel safe
return left(md5(search_scope.org_id::text || search_scope.entity), 6);

comment on function core.search_scope(uuid, text) is
  'What stands before the words of an entity of an organisation, so that the index keeps them apart; always six characters. '
  'Two may have the same: whoever searches compares organisation and entity as well.';

create or replace function core.scoped_words(org_id uuid, entity text, words text[])
returns tsvector
language sql
immutable
parallel safe
return array_to_tsvector(
  array(
    select core.search_scope(scoped_words.org_id, scoped_words.entity) || w.word
    from unnest(scoped_words.words) as w (word)
  )
);

comment on function core.scoped_words(uuid, text, text[]) is 'Words as core.searchable has them';
