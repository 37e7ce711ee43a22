-- The words of a text, and a code, as search compares them.

create or replace function core.search_blanks(text text)
returns text
language sql
immutable
parallel safe
-- Whatever is no letter or figure of ASCII separates; letters of other scripts belong to words.
return regexp_replace(left(search_blanks.text, 1000), '[\t\n\r -/:-@\[-`{-~]+', ' ', 'g');

comment on function core.search_blanks(text) is 'A text of core.search_text with a blank for separators';

-- Inlined, which core.search_text is not: a text of ASCII, as most are, is done by two comparisons of its length.
create or replace function core.search_fold(text text)
returns text
language sql
immutable
parallel safe
return case
  when octet_length(search_fold.text) = length(search_fold.text) then lower(search_fold.text)
  else core.search_text(search_fold.text)
end;

comment on function core.search_fold(text) is 'core.search_text of one text';

create or replace function core.search_words(text text)
returns text[]
language sql
immutable
parallel safe
return array(
  select distinct w.word
  from unnest(string_to_array(core.search_blanks(core.search_text(search_words.text)), ' ')) as w (word)
  where w.word <> ''
);

comment on function core.search_words(text) is 'The words of a text, once each, in lower case and without Latin accents';

create or replace function core.search_code(code text)
returns text
language sql
immutable
parallel safe
return left(btrim(core.search_fold(search_code.code)), 200);

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
