-- domain: core
-- why: an answer can be kept and asked for again by its tag, which tells whether anything that it shows has changed since
-- locks: none (new objects)
-- breaking: no

create table core.data_change (
  org_id uuid not null,
  source text not null,
  xid xid8 not null,
  constraint data_change_pkey primary key (org_id, source, xid)
)
-- A row a writing transaction, and most of them gone within a minute.
with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0.0,
  autovacuum_vacuum_insert_threshold = 20000);

comment on table core.data_change is
  'Which transaction changed what: a row for each source (a table, or what several tables stand for) that a transaction '
  'changed in an organisation, written by triggers. The newest ones that are visible, together with the transactions still '
  'under way, say what of the source a snapshot sees (core.data_tag). Older rows are pruned.';
comment on column core.data_change.org_id is 'Zeros for what belongs to no organisation';
comment on column core.data_change.source is 'Table with its schema, or a name of core.data_source.writes';
comment on column core.data_change.xid is 'The transaction';

create table core.cache_class (
  code text constraint cache_class_pkey primary key,
  max_age_seconds integer not null,
  description text not null,
  constraint max_age_not_negative check (max_age_seconds >= 0)
);

comment on table core.cache_class is 'How long a client may show an answer without asking again; 0: it asks each time';

create table core.cached_view (
  view_name text constraint cached_view_pkey primary key,
  cache_class text not null,
  constraint cache_class_exists foreign key (cache_class) references core.cache_class (code)
);

comment on table core.cached_view is 'The cache class of each view of the API';
comment on column core.cached_view.view_name is 'Name in api';

create index cached_view_cache_class_idx on core.cached_view (cache_class);

create table core.data_source (
  table_name text constraint data_source_pkey primary key,
  writes text[] not null default '{}',
  covered_by text[] not null default '{}',
  is_untagged boolean not null default false,
  reason text not null,
  constraint one_way_only check (
    (cardinality(writes) > 0)::integer + (cardinality(covered_by) > 0)::integer + is_untagged::integer = 1
  )
);

comment on table core.data_source is
  'Tables whose changes are noted in core.data_change in another way than under their own name alone';
comment on column core.data_source.table_name is 'With its schema';
comment on column core.data_source.writes is 'Sources that a change is noted as besides the table itself';
comment on column core.data_source.covered_by is
  'Tables of which at least one changes in each transaction that changes this one; it has no trigger then, and who reads it '
  'depends on all of them';
comment on column core.data_source.is_untagged is 'Its changes are not noted: what shows it carries no tag';

create table core.data_function (
  function_name text constraint data_function_pkey primary key,
  reads text[] not null default '{}',
  time_dependence text not null default 'none',
  reason text not null,
  constraint time_dependence_known check (time_dependence in ('none', 'day', 'moment'))
);

comment on table core.data_function is
  'What functions that views and policies call read, where the catalog cannot tell: those whose body is a string';
comment on column core.data_function.function_name is 'With its schema';
comment on column core.data_function.reads is 'Sources: tables with their schema, or names of core.data_source.writes';
comment on column core.data_function.time_dependence is
  'What of the time its result depends on: none, the business day of the organisation (core.today), the moment';

create table core.api_source (
  view_name text constraint api_source_pkey primary key,
  sources text[] not null,
  shared_sources text[] not null,
  junctions text[] not null,
  time_dependence text not null,
  cache_class text,
  is_tagged boolean not null,
  untagged_because text,
  cache_control text not null,
  versioned_table text,
  revision text not null,
  constraint time_dependence_known check (time_dependence in ('none', 'day', 'moment')),
  constraint tagged_or_because check (is_tagged = (untagged_because is null))
);

comment on table core.api_source is
  'What the answer to a request for a view of the API depends on; made from the catalog by core.ensure_sources';
comment on column core.api_source.sources is 'Whose changes can change the answer: sources of core.data_change';
comment on column core.api_source.shared_sources is 'Those of them that belong to no organisation';
comment on column core.api_source.junctions is
  'Views whose tables refer to those of this one, once for each foreign key: what two views are joined through when one is '
  'embedded in the other';
comment on column core.api_source.untagged_because is 'Why answers carry no tag';
comment on column core.api_source.cache_control is 'Header Cache-Control of an answer';
comment on column core.api_source.versioned_table is
  'The table that PATCH and DELETE of the view change, if its rows have a version';
comment on column core.api_source.revision is 'Changes whenever the API may have: the transaction that made the row';

create table core.unversioned_function (
  function_name text constraint unversioned_function_pkey primary key,
  reason text not null
);

comment on table core.unversioned_function is
  'Functions of the API that write and take no expected version, each with the reason';
comment on column core.unversioned_function.function_name is 'Name in api';
