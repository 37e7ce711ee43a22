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
