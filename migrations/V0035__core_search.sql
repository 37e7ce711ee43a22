-- domain: core
-- why: people look for items, lots, documents and partners by part of a code or a misspelt name, in one place
-- locks: none (new objects)
-- breaking: no

create table core.search_entity (
  entity text constraint search_entity_pkey primary key,
  table_name text not null,
  describe_function text not null,
  number_types text[] not null default '{}',
  read_permission text,
  candidates integer not null default 0,
  description text not null,
  constraint candidates_not_too_many check (candidates between 0 and 1000),
  constraint permission_exists foreign key (read_permission) references core.permission (code),
  constraint table_name_is_qualified check (table_name ~ '^[a-z_]+\.[a-z_0-9]+$'),
  constraint describe_function_is_qualified check (describe_function ~ '^[a-z_]+\.[a-z_0-9]+$')
);

comment on table core.search_entity is 'What api.search finds';
comment on column core.search_entity.table_name is 'Who may not select from it is not shown such rows';
comment on column core.search_entity.describe_function is
  'Function (ids uuid[]) that gives id, title and subtitle of those rows that its caller may see';
comment on column core.search_entity.number_types is
  'Document types of core.number_register whose numbers are its codes: found there, and so not kept a second time';

comment on column core.search_entity.candidates is
  'How many hits are looked at, at least, where a caller may see few of many rows: he is to find his among those of others';

create index search_entity_read_permission_idx on core.search_entity (read_permission);

create table core.search_source (
  code text constraint search_source_pkey primary key,
  entity text not null,
  table_name text not null,
  id_column text not null,
  code_columns text[] not null,
  title_column text,
  word_columns text[] not null default '{}',
  partner_column text,
  constraint entity_exists foreign key (entity) references core.search_entity (entity),
  constraint code_is_a_name check (code ~ '^[a-z][a-z0-9_]*$'),
  constraint table_name_is_qualified check (table_name ~ '^[a-z_]+\.[a-z_0-9]+$'),
  constraint code_columns_not_empty check (cardinality(code_columns) > 0)
);

comment on table core.search_source is
  'Tables whose rows api.search finds, and by which columns; core.ensure_search makes their triggers';
comment on column core.search_source.code_columns is 'Found when they are equal to what is asked for, or begin so';
comment on column core.search_source.word_columns is 'Found by their words';
comment on column core.search_source.partner_column is 'EXTERNAL users find rows of their own partner only';

create index search_source_entity_idx on core.search_source (entity);

-- The owner's functions read it without a condition of a policy: below one, neither a text search nor LIKE uses an index,
-- because they might tell about rows that are hidden. Nobody else has a right to it.
create table core.searchable (
  org_id uuid not null,
  entity text not null,
  id uuid not null,
  source text not null,
  code text collate "C" not null,
  title text collate "C",
  words tsvector,
  partner_id uuid,
  constraint searchable_pkey primary key (org_id, entity, id, source, code)
);

comment on table core.searchable is
  'What api.search looks into: codes, titles and words of the rows of all registered tables, kept by triggers';
comment on column core.searchable.code is 'A code in lower case without accents';
comment on column core.searchable.title is 'The name, likewise';
comment on column core.searchable.words is 'Its words, each behind core.search_scope of organisation and entity';

create index searchable_code_idx on core.searchable (org_id, entity, code, id);
create index searchable_title_idx on core.searchable (org_id, entity, title, id) where title is not null;
create index searchable_end_of_code_idx on core.searchable (org_id, entity, reverse(code), id);
-- Each word begins with a mark of its organisation and entity: the lists of the index are those of one organisation, and
-- need not be compared with a second list of all its rows.
create index searchable_words_idx on core.searchable using gin (words)
with (gin_pending_list_limit = 256) where words is not null;

create table core.search_word (
  org_id uuid not null,
  word text collate "C" not null,
  id uuid not null default uuidv7(),
  constraint search_word_pkey primary key (org_id, word, id)
);

comment on table core.search_word is
  'Words of titles, against which misspelt ones are held. A word may be there twice: two transactions that bring it do not '
  'wait for each other';

create index search_word_part_idx on core.search_word using gin (org_id, word gin_trgm_ops)
with (gin_pending_list_limit = 256);

create table core.search_fill (
  source text constraint search_fill_pkey primary key,
  of_org_id uuid,
  after_id uuid
);

comment on table core.search_fill is
  'Sources with rows that were there before they were registered: core.fill_search brings them, organisation by organisation';
comment on column core.search_fill.of_org_id is 'The organisation it has come to; null: not begun';
comment on column core.search_fill.after_id is 'The last id of that organisation that was brought';

alter table core.searchable enable row level security;
alter table core.searchable force row level security;
alter table core.search_word enable row level security;
alter table core.search_word force row level security;
