-- domain: core
-- why: rows of files are staged, checked and loaded by the database itself; what can be imported, and how, is data
-- locks: none (new objects)
-- breaking: no

create table core.import_entity (
  code text constraint import_entity_pkey primary key,
  table_name text,
  read_function text not null,
  load_function text,
  create_permission text not null,
  update_permission text,
  description text not null,
  constraint create_permission_exists foreign key (create_permission) references core.permission (code),
  constraint update_permission_exists foreign key (update_permission) references core.permission (code),
  constraint code_is_snake_case check (code ~ '^[a-z][a-z0-9_]*$'),
  constraint import_table_is_qualified check (table_name ~ '^[a-z]+\.[a-z][a-z0-9_]*$'),
  constraint import_read_function_is_qualified check (read_function ~ '^[a-z]+\.[a-z][a-z0-9_]*$'),
  constraint import_load_function_is_qualified check (load_function ~ '^[a-z]+\.[a-z][a-z0-9_]*$'),
  constraint something_loads_the_rows check (table_name is not null or load_function is not null)
);

comment on table core.import_entity is
  'What can be imported from files. Each domain adds rows to sql/reference/import_entity and writes the function that '
  'reads the staged rows.';
comment on column core.import_entity.code is 'Name by which users ask for it; that of the view where there is one';
comment on column core.import_entity.table_name is 'Table that rows are written to; null: load_function writes them';
comment on column core.import_entity.read_function is
  'Function (import_id, first_line, last_line) that returns for each staged row that is not refused its line, match_id '
  '(the row of the table that it is about, null: none yet), problems (null: none) and the columns of the table';
comment on column core.import_entity.load_function is
  'Function (import_id, first_line, last_line) that runs after the rows are written and returns the lines that it '
  'changed something for';
comment on column core.import_entity.update_permission is
  'What a user needs to change rows that are there; null: they are never changed';

create index import_entity_create_permission_idx on core.import_entity (create_permission);
create index import_entity_update_permission_idx on core.import_entity (update_permission);

create table core.import_column (
  entity text not null,
  name text not null,
  place smallint not null,
  type text not null default 'text',
  is_required boolean not null default false,
  is_key boolean not null default false,
  is_unique boolean not null default false,
  is_fixed boolean not null default false,
  is_path boolean not null default false,
  target text,
  choices text[],
  aliases text[] not null default '{}',
  description text not null,
  constraint import_column_pkey primary key (entity, name),
  constraint import_entity_exists foreign key (entity) references core.import_entity (code),
  constraint import_column_place_unique unique (entity, place),
  constraint import_column_name_is_snake_case check (name ~ '^[a-z][a-z0-9_]*$'),
  constraint import_type_known check (type in ('text', 'code', 'integer', 'numeric', 'boolean', 'date')),
  constraint choices_are_codes check (choices is null or type = 'code')
);

comment on table core.import_column is 'The columns that a file of an entity may have';
comment on column core.import_column.place is 'Order in templates and documentation';
comment on column core.import_column.type is 'text, code (in upper case), integer, numeric, boolean or date';
comment on column core.import_column.is_required is 'The header must be there and no cell may be empty';
comment on column core.import_column.is_key is 'Part of what tells rows apart: the same key again is the same row';
comment on column core.import_column.is_unique is 'No two rows of a file may have the same value';
comment on column core.import_column.is_fixed is 'Cannot change once the row is there';
comment on column core.import_column.is_path is
  'Codes from the root down, joined by /: rows are loaded in the order of their depth, parents before what lies in them';
comment on column core.import_column.target is
  'Column of the table that it is written to; null: none, load_function or nobody uses it';
comment on column core.import_column.choices is 'All values that are allowed; null: any';
comment on column core.import_column.aliases is
  'Other headers that mean it; case, spaces and punctuation do not matter';

create table core.import (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  entity text not null,
  source_name text,
  source_sha256 text not null,
  headers jsonb not null,
  columns text[] not null,
  options jsonb not null default '{}',
  duplicate_of uuid,
  row_count integer not null default 0,
  refused_count integer not null default 0,
  insert_count integer not null default 0,
  update_count integer not null default 0,
  unchanged_count integer not null default 0,
  is_partial boolean not null default false,
  committed_at timestamptz,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  constraint import_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint import_entity_exists foreign key (entity) references core.import_entity (code),
  constraint earlier_import_exists foreign key (org_id, duplicate_of) references core.import (org_id, id),
  constraint source_sha256_is_a_hash check (source_sha256 ~ '^[0-9a-f]{64}$'),
  constraint import_counts_not_negative check (
    least(row_count, refused_count, insert_count, update_count, unchanged_count) >= 0
  )
);

comment on table core.import is 'A file that was staged, and what became of it';
comment on column core.import.source_name is 'Name of the file';
comment on column core.import.source_sha256 is 'SHA-256 of the file, hexadecimal';
comment on column core.import.headers is
  'What each header was taken for: [{"header": "Article", "column": "sku"}]; column null: ignored';
comment on column core.import.columns is 'The columns of the entity that the file has';
comment on column core.import.options is 'decimal and date_format';
comment on column core.import.duplicate_of is 'An earlier import of the same file into the same entity';
comment on column core.import.row_count is 'Rows of the file that are not blank';
comment on column core.import.refused_count is 'Rows with a problem';
comment on column core.import.insert_count is 'Rows that are new; before the commit: would be';
comment on column core.import.update_count is 'Rows that change what is there; before the commit: would';
comment on column core.import.unchanged_count is 'Rows that are there already, exactly so';
comment on column core.import.is_partial is 'Whether it was committed without its refused rows';
comment on column core.import.committed_at is 'When its rows were loaded; null: not yet';

create index import_source_idx on core.import (org_id, entity, source_sha256);
create index import_entity_idx on core.import (entity);
create index import_duplicate_of_idx on core.import (org_id, duplicate_of);

-- Without a foreign key to core.import, whose rows are never removed: it would look up the same row a million times.
create table core.import_row (
  org_id uuid not null default core.org_id(),
  import_id uuid not null,
  line integer not null,
  rank smallint not null default 0,
  data jsonb not null,
  problems jsonb,
  constraint import_row_pkey primary key (org_id, import_id, line),
  constraint line_positive check (line > 0),
  constraint problems_are_a_list check (jsonb_typeof(problems) = 'array')
);

comment on table core.import_row is
  'Rows of imports, for a day: staged, and the refused ones with their reasons. Not recorded in the feed of events.';
comment on column core.import_row.line is 'Line of the file, or number of the row in the sheet; the header is in line 1';
comment on column core.import_row.rank is 'Order of loading: 0 before 1, so that parents come before what lies in them';
comment on column core.import_row.data is 'Its values by column: numbers with a decimal point, dates as YYYY-MM-DD';
comment on column core.import_row.problems is 'Why it is refused: [{"column", "code", "value", "message"}]; null: it is not';

create index import_row_refused_idx on core.import_row (org_id, import_id, line) where problems is not null;

alter table core.import enable row level security;
alter table core.import force row level security;
alter table core.import_row enable row level security;
alter table core.import_row force row level security;
