-- domain: core
-- why: rows of a large import come into the search after its commit, in the same way as rows that were there before their table
-- locks: core.search_fill, core.import: access exclusive for an instant; search_fill has a few rows
-- breaking: no

-- lint: allow squawk.ban-drop-constraint: a source may have several ranges now; the new key follows
alter table core.search_fill drop constraint search_fill_pkey;
alter table core.search_fill
-- lint: allow squawk.adding-field-with-default: one row for each source at the most
add column id uuid not null default uuidv7(),
add column last_id uuid,
add column row_count integer not null default 0,
add column import_id uuid,
add column run_after timestamptz;
-- lint: allow squawk.adding-serial-primary-key-field: one row for each source at the most
-- lint: allow squawk.constraint-missing-not-valid: one row for each source at the most
alter table core.search_fill add constraint search_fill_pkey primary key (id);

-- What was begun is begun again: the rows that came already are passed over.
update core.search_fill set of_org_id = null, after_id = null where of_org_id is not null;

comment on table core.search_fill is
  'Ranges of rows that the search does not find yet: core.fill_search brings them. Rows that were there before their table was '
  'registered, and those of large imports.';
comment on column core.search_fill.of_org_id is 'The organisation; null: all, core.fill_search makes a row for each';
comment on column core.search_fill.after_id is 'Rows with a greater id; null: from the first';
comment on column core.search_fill.last_id is 'Up to this one; null: to the last';
comment on column core.search_fill.row_count is 'How many rows of the import are still to be brought; 0 where nobody counted';
comment on column core.search_fill.import_id is 'The import that they are of';
comment on column core.search_fill.run_after is 'Not before: rows that somebody was changing are looked at once more';

alter table core.import add column search_pending_count integer not null default 0;

comment on column core.import.search_pending_count is
  'Rows that it loaded and that the search does not find yet; a job of the worker brings them';
