-- Imports: the views that PostgREST exposes.

create view api.imports
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.entity,
  t.source_name,
  t.source_sha256,
  t.headers,
  t.options,
  t.duplicate_of,
  t.row_count,
  t.refused_count,
  t.insert_count,
  t.update_count,
  t.unchanged_count,
  t.search_pending_count,
  t.is_partial,
  t.committed_at,
  t.created_at,
  t.created_by
from core.import as t;

comment on view api.imports is
  E'Imports\n'
  'Files that were staged, and what became of them: made with POST /rpc/import_stage, loaded with POST /rpc/import_commit. '
  'One''s own, or all of the organisation with core.import.read.';
comment on column api.imports.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.imports.id is 'Id: a version 7 UUID, in order of time';
comment on column api.imports.entity is 'What its rows are, one of /import_entities';
comment on column api.imports.source_name is 'Name of the file';
comment on column api.imports.source_sha256 is 'SHA-256 of the file, hexadecimal';
comment on column api.imports.headers is 'What each header was taken for; column null: ignored';
comment on column api.imports.options is 'Decimal mark and format of dates';
comment on column api.imports.duplicate_of is 'An earlier import that loaded the same file';
comment on column api.imports.row_count is 'Rows that are not blank';
comment on column api.imports.refused_count is 'Rows with a problem; /import_rows lists them';
comment on column api.imports.insert_count is 'Rows that are new; before the commit: would be';
comment on column api.imports.update_count is 'Rows that change what is there; before the commit: would';
comment on column api.imports.unchanged_count is 'Rows that are there already, exactly so';
comment on column api.imports.search_pending_count is
  'Rows that it loaded and that the search does not find yet: of large files they are brought after the commit';
comment on column api.imports.is_partial is 'Whether refused rows were left out';
comment on column api.imports.committed_at is 'When its rows were loaded; null: not yet, or never';
comment on column api.imports.created_at is 'When it was made';
comment on column api.imports.created_by is 'User who made it; null: the tools';

create view api.import_rows
with (security_invoker = true) as
select
  t.org_id,
  t.import_id,
  t.line,
  t.data,
  t.problems
from core.import_row as t
where t.problems is not null;

comment on view api.import_rows is
  E'Refused rows of imports\n'
  'For a day. In order: import_id=eq.<import>&order=line&line=gt.<last line>.';
comment on column api.import_rows.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.import_rows.import_id is 'The import';
comment on column api.import_rows.line is 'Line of the file, the header being line 1; of rows given as JSON: which one';
comment on column api.import_rows.data is 'Its values by column; null also where a cell could not be read';
comment on column api.import_rows.problems is 'Why: objects with column (null: the whole row), code, value and message';

create view api.import_entities
with (security_invoker = true) as
select
  t.code,
  t.create_permission,
  t.update_permission,
  t.description
from core.import_entity as t;

comment on view api.import_entities is
  E'What can be imported\n'
  'Each with the permissions that it takes besides core.import.create; its columns are at /import_columns.';
comment on column api.import_entities.code is 'Name to give as entity';
comment on column api.import_entities.create_permission is 'What the user needs to make rows';
comment on column api.import_entities.update_permission is 'What the user needs to change rows; null: they are never changed';
comment on column api.import_entities.description is 'What a row is';

create view api.import_columns
with (security_invoker = true) as
select
  t.entity,
  t.name,
  t.place,
  t.type,
  t.is_required,
  t.is_key,
  t.is_fixed,
  t.choices,
  t.aliases,
  t.description
from core.import_column as t;

comment on view api.import_columns is
  E'Columns of what can be imported\n'
  'Enough for a form that maps the headers of a file.';
comment on column api.import_columns.entity is 'What is imported, one of /import_entities';
comment on column api.import_columns.name is 'Name of the column, always a good header';
comment on column api.import_columns.place is 'Order';
comment on column api.import_columns.type is 'text, code (in upper case), integer, numeric, boolean or date';
comment on column api.import_columns.is_required is 'Whether every row must have it';
comment on column api.import_columns.is_key is 'Part of what tells rows apart: the same key again is the same row';
comment on column api.import_columns.is_fixed is 'Whether it cannot change once the row is there';
comment on column api.import_columns.choices is 'All values that are allowed; null: any';
comment on column api.import_columns.aliases is 'Other headers that mean it; case, spaces and punctuation do not matter';
comment on column api.import_columns.description is 'What it holds';
